"""`redstart` on the command line, and `python -m redstart`: the server's program takes this
process's place, so that signals and exit codes are its own."""

import os
import sys

from redstart.program import program


def main() -> None:
    """Runs the server's program with this command's arguments."""
    path = program()
    os.execv(path, [path, *sys.argv[1:]])


if __name__ == "__main__":
    main()
