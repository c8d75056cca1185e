"""The private server: how it starts, what it is told, and that it ends with its process."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import redis
import redstart
from redis.backoff import NoBackoff
from redis.retry import Retry


def lives(pid):
    """Whether a process runs; one that has ended and is not waited for yet does not."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def ends(pid):
    until = time.monotonic() + 10
    while lives(pid) and time.monotonic() < until:
        time.sleep(0.01)
    return not lives(pid)


def python(program, *arguments):
    """A Python of its own, whose standard output can be read."""
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_it_serves_and_leaves_nothing_behind():
    with redstart.Server(maxmemory="10mb", threads=1) as server:
        client = server.client(decode_responses=True)
        assert client.set("k", "v") and client.get("k") == "v"
        assert client.config_get("maxmemory") == {"maxmemory": "10485760"}
        assert server.url == f"redis://127.0.0.1:{server.port}/0"
        assert str(server.pid) in repr(server) and "Ready" in server.log()
    assert not lives(server.pid) and not server.directory.exists()
    server.stop()


def test_a_socket_file_and_a_password():
    with redstart.Server(unix=True, requirepass="a b@c/d") as server:
        assert server.client().ping() and server.port is None
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(unix_socket_path=server.path, retry=Retry(NoBackoff(), 0)).ping()


def test_data_that_is_kept(tmp_path):
    for round in range(3):
        with redstart.Server(directory=tmp_path, appendonly=True) as server:
            assert server.client().incr("rounds") == round + 1
            server.kill()
            assert tmp_path.exists()


@pytest.mark.parametrize("unix", [False, True])
def test_a_virtual_clock(unix):
    with redstart.Server(virtual_clock=True, requirepass="secret", unix=unix) as server:
        client = server.client(decode_responses=True)
        client.set("short", "v", ex=3600)
        client.set("long", "v", exat=client.time()[0] + 7200)
        at, before = client.expiretime("long"), client.time()[0]
        server.advance(3590)
        assert client.get("short") == "v" and 0 < client.ttl("short") <= 10
        server.advance(10.5)
        assert client.get("short") is None and client.get("long") == "v"
        assert 3600 <= client.time()[0] - before < 3660
        # It stays there, and what ends at a moment ends at that moment.
        time.sleep(0.5)
        assert 3600 <= client.time()[0] - before < 3660
        assert client.expiretime("long") == at and 3500 < client.ttl("long") < 3600
        with pytest.raises(redstart.ServerError, match="forward"):
            server.advance(-1)


def test_a_clock_that_is_not_virtual(server):
    with pytest.raises(redstart.ServerError, match="virtual_clock"):
        server.advance(1)


def test_what_does_not_start_says_why():
    with pytest.raises(redstart.ServerError, match="no-such-parameter"):
        redstart.Server(no_such_parameter=1)


def test_a_port_that_is_taken(server):
    with pytest.raises(redstart.ServerError, match=f"another process has port {server.port}"):
        redstart.Server(port=server.port)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_it_ends_with_its_process(end):
    program = (
        "import redstart, time; s = redstart.Server(); print(s.pid, flush=True); time.sleep(60)"
    )
    with python(program) as parent:
        pid = int(parent.stdout.readline())
        assert lives(pid)
        parent.send_signal(end)
        parent.wait()
    assert ends(pid)


def test_it_outlives_the_thread_that_started_it():
    made = []
    thread = threading.Thread(target=lambda: made.append(redstart.Server()))
    thread.start()
    thread.join()
    time.sleep(0.05)
    with made[0] as server:
        assert server.client().ping()


def test_a_fork_leaves_it_alone_and_has_its_own():
    program = """
import os, redstart
server = redstart.Server()
child = os.fork()
if child == 0:
    server.stop()
    with redstart.Server() as other:
        assert other.client().ping() and other.pid != server.pid
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
print(server.client().ping())
"""
    with python(program) as parent:
        assert parent.stdout.read() == "True\n"


def test_asyncio():
    import asyncio

    async def work(server):
        async with server.async_client() as client:
            return await client.ping()

    with redstart.Server(unix=True) as server:
        assert asyncio.run(work(server))


def test_the_command_line():
    command = [sys.executable, "-m", "redstart"]
    said = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    assert "Redstart" in said.stdout
    with redstart.Server() as server:
        assert (
            subprocess.run(
                [*command, "ping", "--port", str(server.port)], capture_output=True
            ).returncode
            == 0
        )
    assert (
        subprocess.run(
            [*command, "ping", "--port", str(server.port)], capture_output=True
        ).returncode
        != 0
    )


def test_the_program_can_be_named(monkeypatch):
    monkeypatch.setenv("REDSTART_BIN", "/nowhere/redstart")
    assert redstart.program() == "/nowhere/redstart"
    monkeypatch.delenv("REDSTART_BIN")
    assert os.path.basename(redstart.program()) == "redstart"
