"""A private server for tests and notebooks: on a free port or a socket file, in a folder of its
own, and ended with the process that started it, however that ends.

On Linux the kernel ends the server when its parent dies (PR_SET_PDEATHSIG). It goes by the *thread*
that started the child, so all servers are started by one thread, which lives as long as the
process. The signal is asked for by a few lines of Python that then become the server: code between
fork and exec in this process could meet a lock that another thread held.
"""

from __future__ import annotations

import concurrent.futures
import os
import pathlib
import queue
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import weakref
from types import TracebackType
from typing import TYPE_CHECKING, Any

from redstart.program import program

if TYPE_CHECKING:
    import redis
    import redis.asyncio

__all__ = ["Server", "ServerError"]

# Asks for the signal (1 is PR_SET_PDEATHSIG, 9 SIGKILL), sees whether the parent still lives, and
# becomes the server.
_BECOME_SERVER = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""
_TRIES = 5
_Started = concurrent.futures.Future["subprocess.Popen[bytes]"]


class ServerError(RuntimeError):
    """The server did not start, and the message has the end of its log; or it refuses something."""


class _PortTaken(Exception):
    """Another process took the port first."""


class Server:
    """A server of its own for this process.

        with redstart.Server() as server:
            server.client().set("k", "v")

    Parameters are the server's: `Server(maxmemory="10mb", appendonly=True)`. Nothing is kept on
    disk unless they say so.

    unix           serve on a socket file instead of a port
    port           the port; by default a free one
    directory      where the server keeps its files, and is left there; by default a folder that
                   goes with the server
    binary         another program, such as a `redis-server`
    timeout        how many seconds the server has to start
    virtual_clock  let `advance` put the server's clock forward

    A password is given as `requirepass`.
    """

    port: int | None
    """The port, or None if the server has a socket file."""
    path: str | None
    """The socket file, or None if the server has a port."""

    def __init__(
        self,
        *arguments: str,
        unix: bool = False,
        port: int | None = None,
        directory: str | os.PathLike[str] | None = None,
        binary: str | None = None,
        timeout: float = 20.0,
        virtual_clock: bool = False,
        **parameters: str | int | bool,
    ) -> None:
        self._password = str(parameters.get("requirepass", ""))
        self.binary = binary or program()
        is_private = directory is None
        self.directory = pathlib.Path(
            tempfile.mkdtemp(prefix="redstart-") if is_private else directory or ""
        ).resolve()
        self.path = str(self.directory / "socket") if unix else None
        self._virtual_clock = virtual_clock
        given = {"bind": "127.0.0.1", "save": "", "appendonly": "no", **parameters}
        if virtual_clock:
            given["enable-debug-command"] = "local"
        words = [word for name, value in given.items() for word in _option(name, value)]
        command = [self.binary, *words, *arguments]
        try:
            self._process = self._start(command, port, time.monotonic() + timeout)
        except BaseException:
            if is_private:
                shutil.rmtree(self.directory, ignore_errors=True)
            raise
        folder = self.directory if is_private else None
        self._end = weakref.finalize(self, _end, self._process, folder, os.getpid())

    def _start(self, command: list[str], port: int | None, until: float) -> subprocess.Popen[bytes]:
        for last in range(_TRIES):
            self.port = None if self.path else port or _free_port()
            place = (
                ["--port", "0", "--unixsocket", self.path]
                if self.path
                else ["--port", str(self.port)]
            )
            process = _starter().start([*command, *place], self.directory)
            try:
                self._await(process, until)
                return process
            except _PortTaken:
                _end(process, None, os.getpid())
                if port or last == _TRIES - 1:
                    raise ServerError(f"another process has port {self.port}") from None
            except BaseException:
                _end(process, None, os.getpid())
                raise
        raise AssertionError("the last try returns or raises")

    def _await(self, process: subprocess.Popen[bytes], until: float) -> None:
        """Waits until this server, and no other on its port, answers."""
        while process.poll() is None and time.monotonic() < until:
            answer = self._ask()
            if answer is not None:
                if answer == process.pid:
                    return
                raise _PortTaken
            time.sleep(0.002)
        log = self.log()
        if process.poll() is not None and re.search(r"[Aa]ddress already in use", log):
            raise _PortTaken
        raise ServerError(f"{self.binary} does not serve:\n{log[-2000:]}")

    def _ask(self) -> int | None:
        """The process that answers, or None if none does yet."""
        words = _request("AUTH", self._password) if self._password else b""
        answer = b""
        try:
            with self._connect() as link:
                link.sendall(words + _request("INFO", "server"))
                while not (found := re.search(rb"process_id:(\d+)", answer)):
                    more = link.recv(65536)
                    answer += more
                    if not more or answer.startswith(b"-"):
                        return None
                return int(found[1])
        except OSError:
            return None

    def _connect(self) -> socket.socket:
        if self.path is None:
            return socket.create_connection(("127.0.0.1", self.port or 0), timeout=1)
        link = socket.socket(socket.AF_UNIX)
        try:
            link.settimeout(1)
            link.connect(self.path)
        except BaseException:
            link.close()
            raise
        return link

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._process.pid

    @property
    def url(self) -> str:
        """The server's address, as clients take it: `redis://127.0.0.1:41234/0`, `unix:///...`."""
        user = f":{urllib.parse.quote(self._password, safe='')}@" if self._password else ""
        if self.path is not None:
            return f"unix://{user}{urllib.parse.quote(self.path)}"
        return f"redis://{user}127.0.0.1:{self.port}/0"

    def client(self, **options: Any) -> redis.Redis:
        """A new client by redis-py, which has to be installed. Options are `redis.Redis`'s."""
        import redis

        return redis.Redis.from_url(self.url, **options)

    def async_client(self, **options: Any) -> redis.asyncio.Redis:
        """A new asyncio client by redis-py, which has to be installed."""
        import redis.asyncio

        return redis.asyncio.Redis.from_url(self.url, **options)

    def advance(self, seconds: float) -> None:
        """Puts the clock of a server with a `virtual_clock` forward by seconds, or a part of one.

            with redstart.Server(virtual_clock=True) as server:
                server.client().set("k", "v", ex=3600)
                server.advance(3600)
                assert server.client().get("k") is None

        Keys, leases and locks whose time is over by then are over, for every client, when this
        returns; TIME tells the new time. It goes on from there as before. Clients that wait (BLPOP
        with a timeout) wait for as long as they said.
        """
        if not self._virtual_clock:
            raise ServerError("only a server with virtual_clock=True has a clock to put forward")
        answer = self._line("DEBUG", "ADVANCE-CLOCK", str(round(seconds * 1000)))
        if answer != b"+OK\r\n":
            raise ServerError(answer.decode(errors="replace").strip())

    def _line(self, *words: str) -> bytes:
        """The line that the server answers a command with."""
        requests = [_request("AUTH", self._password)] if self._password else []
        requests.append(_request(*words))
        with self._connect() as link, link.makefile("rb") as lines:
            link.sendall(b"".join(requests))
            return [lines.readline() for _ in requests][-1]

    def log(self) -> str:
        """What the server has told so far."""
        return (self.directory / "log").read_text(errors="replace")

    def stop(self) -> None:
        """Ends the server, which saves if its parameters say so. A second call does nothing."""
        self._end()

    def kill(self) -> None:
        """Ends the server as a crash would; its folder stays until `stop`."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<redstart.Server {self.url} pid={self.pid}>"


def _option(name: str, value: str | int | bool) -> list[str]:
    if isinstance(value, bool):
        value = "yes" if value else "no"
    return ["--" + name.replace("_", "-"), str(value)]


def _request(*words: str) -> bytes:
    """A request as it is sent."""
    parts = [word.encode() for word in words]
    return b"".join(
        [b"*%d\r\n" % len(parts), *(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)]
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _end(process: subprocess.Popen[bytes], folder: pathlib.Path | None, owner: int) -> None:
    """Ends a server, unless this is a fork of the process that started it."""
    if os.getpid() != owner:
        return
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


class _Starter:
    """The thread that starts all servers of a process."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self._wanted: queue.SimpleQueue[tuple[list[str], pathlib.Path, _Started]] = (
            queue.SimpleQueue()
        )
        threading.Thread(target=self._run, name="redstart-starter", daemon=True).start()

    def _run(self) -> None:
        while True:
            command, directory, started = self._wanted.get()
            try:
                started.set_result(_spawn(command, directory))
            except BaseException as error:
                started.set_exception(error)

    def start(self, command: list[str], directory: pathlib.Path) -> subprocess.Popen[bytes]:
        """Starts a server in a folder, where its log is."""
        started = _Started()
        self._wanted.put((command, directory, started))
        return started.result()


def _spawn(command: list[str], directory: pathlib.Path) -> subprocess.Popen[bytes]:
    if sys.platform == "linux" and sys.executable:
        command = [sys.executable, "-I", "-S", "-c", _BECOME_SERVER, str(os.getpid()), *command]
    with open(directory / "log", "wb") as log:
        return subprocess.Popen(
            command,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


_starters: list[_Starter] = []
_starters_lock = threading.Lock()


def _starter() -> _Starter:
    """This process's thread; a fork makes one of its own."""
    with _starters_lock:
        if not _starters or _starters[-1].owner != os.getpid():
            _starters[:] = [_Starter()]
        return _starters[-1]
