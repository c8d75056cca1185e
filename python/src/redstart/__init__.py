"""Redstart: a Redis-compatible server, for the command line, for tests and for caches.

    with redstart.Server() as server:
        server.client().set("k", "v")

`redstart.Server` is a private server that ends with this process. `redstart.cache` has a decorator
that computes each value once. `redstart.program()` is the path of the server's program.
"""

import importlib.metadata

from redstart.program import program
from redstart.server import Server, ServerError

__all__ = ["Server", "ServerError", "program", "__version__"]

try:
    __version__ = importlib.metadata.version("redstart")
except importlib.metadata.PackageNotFoundError:  # run from a checkout
    __version__ = "0"
