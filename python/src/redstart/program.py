"""Where the server's program is."""

import os
import pathlib


def program() -> str:
    """The path of the server's program: what REDSTART_BIN names, else what this package carries."""
    named = os.environ.get("REDSTART_BIN")
    if named:
        return named
    carried = pathlib.Path(__file__).with_name("bin") / "redstart"
    if not carried.is_file():
        raise FileNotFoundError(
            f"this package carries no server at {carried}: install its wheel, or name a program "
            "in REDSTART_BIN"
        )
    return str(carried)
