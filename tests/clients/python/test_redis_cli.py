"""redis-cli itself: plain calls, its modes, and the interactive help that it makes of
COMMAND DOCS."""

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import termios
import time

import pytest

pytestmark = pytest.mark.skipif(
    shutil.which("redis-cli") is None, reason="SKIPPED: no redis-cli is installed"
)


@pytest.fixture
def cli(server, connect):
    connect()

    def call(*args, sent=None, timeout=30):
        done = subprocess.run(
            ["redis-cli", "-p", str(server.port), *args],
            input=sent, capture_output=True, timeout=timeout, check=False,
        )
        assert done.returncode == 0, (done.stdout, done.stderr)
        return done.stdout.decode(errors="replace")

    return call


def encoded(*words):
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        word = word.encode() if isinstance(word, str) else word
        parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(parts)


def test_plain_calls(cli):
    assert cli("PING") == "PONG\n"
    assert cli("SET", "k", "a value") == "OK\n"
    assert cli("--no-raw", "GET", "k") == '"a value"\n'
    assert cli("--no-raw", "GET", "missing") == "(nil)\n"
    assert cli("--no-raw", "INCR", "n") == "(integer) 1\n"
    assert cli("--no-raw", "MGET", "k", "x") == '1) "a value"\n2) (nil)\n'
    assert cli("--no-raw", "GET") == (
        "(error) ERR wrong number of arguments for 'get' command\n"
    )
    assert cli("-n", "3", "DBSIZE") == "0\n"
    assert cli("-x", "SET", "stdin", sent=b"from stdin") == "OK\n"
    assert cli("GET", "stdin") == "from stdin\n"


def test_calls_from_standard_input(cli):
    assert cli(sent=b'SET "a key" "\\x00\\xff"\nSTRLEN "a key"\nECHO done\n') == "OK\n2\ndone\n"


def test_repeated_calls(cli):
    assert cli("-r", "5", "INCR", "n") == "1\n2\n3\n4\n5\n"


def test_resp3(cli):
    cli("SET", "k", "v")
    assert cli("-3", "--no-raw", "GET", "missing") == "(nil)\n"
    assert '1# "databases" => "16"' in cli("-3", "--no-raw", "CONFIG", "GET", "databases")
    hello = cli("-3", "--no-raw", "HELLO")
    assert '"proto" => (integer) 3' in hello and '"server" => "redis"' in hello


def test_json(cli):
    cli("MSET", "a", "1", "b", 'with "quotes"')
    assert json.loads(cli("--json", "MGET", "a", "x", "b")) == ["1", None, 'with "quotes"']
    assert json.loads(cli("--json", "CONFIG", "GET", "databases")) == {"databases": "16"}
    assert json.loads(cli("--json", "HELLO"))["proto"] == 3


def test_mass_insertion(cli):
    count = 50_000
    requests = b"".join(encoded("SET", f"key:{i}", f"value {i}") for i in range(count))
    said = cli("--pipe", sent=requests)
    assert f"errors: 0, replies: {count}" in said
    assert cli("DBSIZE") == f"{count}\n"
    assert cli("GET", "key:49999") == "value 49999\n"


def test_mass_insertion_of_inline_commands_and_errors(server, cli):
    said = subprocess.run(
        ["redis-cli", "-p", str(server.port), "--pipe"],
        input=b"SET a 1\r\nINCR a\r\nSET b\r\n", capture_output=True, timeout=30, check=False,
    )
    assert b"errors: 1, replies: 3" in said.stdout, said


def test_scan(cli):
    cli("--pipe", sent=b"".join(encoded("SET", f"key:{i}", "v") for i in range(3000)))
    cli("SET", "other", "v")
    assert set(cli("--scan").split()) == {f"key:{i}" for i in range(3000)} | {"other"}
    assert cli("--scan", "--pattern", "oth*") == "other\n"
    assert len(cli("--scan", "--pattern", "key:1*").split()) == 1111


def test_big_keys(cli):
    cli("--pipe", sent=b"".join(encoded("SET", f"key:{i}", "v" * i) for i in range(200)))
    said = cli("--bigkeys")
    assert re.search(r'Biggest string found \'?"?key:199"?\'? has 199 bytes', said), said
    assert "Sampled 200 keys in the keyspace" in said


def test_memory_of_keys(cli):
    cli("--pipe", sent=b"".join(encoded("SET", f"key:{i}", "v" * (1 + i)) for i in range(200)))
    cli("RPUSH", "list", *(str(i) * 50 for i in range(200)))
    said = cli("--memkeys")
    assert re.search(r'Biggest string found \'?"?key:1\d\d"?\'? has \d+ bytes', said), said
    assert re.search(r'Biggest +list found \'?"?list"?\'? has \d{4,} bytes', said), said
    assert "Sampled 201 keys in the keyspace" in said


def test_hot_keys(cli):
    cli("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    try:
        cli("MSET", *(word for i in range(50) for word in (f"key:{i}", "v")))
        cli("-r", "500", "GET", "key:7")
        said = cli("--hotkeys")
        counters = re.findall(r"counter: (\d+)\s+keyname: \"?([^\"\s]+)", said)
        assert counters[0][1] == "key:7" and int(counters[0][0]) > int(counters[1][0]), said
    finally:
        cli("CONFIG", "SET", "maxmemory-policy", "noeviction")


def test_latency(cli):
    low, high, mean, samples = (float(word) for word in cli("--latency", "--raw", "-i", "0.5").split())
    assert low <= mean <= high and samples >= 1


class Terminal:
    """redis-cli as a person sees it: on a pseudo-terminal."""

    def __init__(self, port, *args):
        self.process_id, self.screen = pty.fork()
        if self.process_id == 0:
            # Without a width, redis-cli would ask the terminal where its cursor is.
            termios.tcsetwinsize(0, (40, 120))
            environment = {**os.environ, "TERM": "xterm", "REDISCLI_HISTFILE": "/dev/null"}
            command = ["redis-cli", "-p", str(port), *args]
            os.execvpe(command[0], command, environment)
        self.seen = ""

    def expect(self, pattern, timeout=10):
        until = time.monotonic() + timeout
        while not re.search(pattern, self.seen):
            ready, _, _ = select.select([self.screen], [], [], max(0, until - time.monotonic()))
            assert ready, f"{pattern!r} did not come: {self.seen!r}"
            self.seen += os.read(self.screen, 65536).decode(errors="replace")
            self.seen = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", self.seen)
        said, self.seen = self.seen, ""
        return said

    def call(self, line):
        """Types a line; what is shown until the next prompt, before which nothing may be typed."""
        os.write(self.screen, line.encode() + b"\r")
        return self.expect(r"\n127\.0\.0\.1:\d+(\[\d+\])?> $")

    def close(self):
        os.kill(self.process_id, signal.SIGKILL)
        os.waitpid(self.process_id, 0)
        os.close(self.screen)


def test_statistics(server, connect):
    connect().set("k", "v")
    opened = Terminal(server.port, "--stat", "-i", "0.1")
    opened.expect(r"keys +mem +clients")
    opened.expect(r"\n1 +\d[^\n]*\n1 +\d")
    opened.close()


def test_latency_history(server):
    opened = Terminal(server.port, "--latency-history", "-i", "0.3")
    line = r"min: \d+, max: \d+, avg: [\d.]+ \(\d+ samples\) -- [\d.]+ seconds range"
    opened.expect(line)
    opened.expect(line)
    opened.close()


@pytest.fixture(params=[(), ("-3",)], ids=["resp2", "resp3"])
def terminal(request, server, connect):
    connect()
    opened = Terminal(server.port, *request.param)
    opened.expect(r"127\.0\.0\.1:\d+> ")
    yield opened
    opened.close()


def test_interactive_calls(terminal):
    assert "OK" in terminal.call("SET k 'hello world'")
    assert '"hello world"' in terminal.call("GET k")
    assert "[5]> " in terminal.call("SELECT 5")
    assert "(nil)" in terminal.call("GET k")


def test_interactive_help_comes_from_the_server(terminal, cli):
    summary = json.loads(cli("--json", "COMMAND", "DOCS", "get"))["get"]["summary"]
    said = terminal.call("help get")
    assert f"summary: {summary}" in said
    assert re.search(r"GET key\s", said)
    assert "since: 1.0.0" in said and "group: string" in said
    said = terminal.call("help @string")
    assert "STRLEN key" in said and "MGET key [key ...]" in said
    said = terminal.call("help set")
    for word in ("NX", "XX", "GET", "EX", "PXAT", "KEEPTTL"):
        assert word in said
    assert "CLIENT GETNAME" in terminal.call("help client getname")


def test_hints_show_the_arguments(terminal):
    os.write(terminal.screen, b"getrange ")
    terminal.expect("key start end")
