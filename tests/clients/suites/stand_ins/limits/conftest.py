"""In place of containers: the servers that the tests of `limits` ask for by name."""

import os
import sys

import pytest

sys.path.insert(0, os.environ["SUITES_SERVER"])

from server import Server  # noqa: E402

SERVERS = {
    "redis-basic": (7379, []),
    "valkey-basic": (12379, []),
    "redis-auth": (7389, ["--requirepass", "sekret"]),
    "redis-uds": (7390, ["--unixsocket", "/tmp/limits.redis.sock"]),
    "redis-uds-auth": (
        7391, ["--unixsocket", "/tmp/limits.redis-auth.sock", "--requirepass", "sekret"]
    ),
}


class Services:
    def __init__(self):
        self.running = {}

    def start(self, name):
        if name not in SERVERS:
            pytest.skip(f"no server stands for {name}")
        if name not in self.running:
            port, options = SERVERS[name]
            self.running[name] = Server(*options, binary="redis-server", port=port)


@pytest.fixture(scope="session")
def docker_services():
    services = Services()
    yield services
    for server in services.running.values():
        server.stop()
