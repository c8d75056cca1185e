"""redis-benchmark with no flag that it would not need against Redis."""

import re
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.skipif(
    shutil.which("redis-benchmark") is None, reason="SKIPPED: no redis-benchmark is installed"
)

TESTS = ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET (10 keys)"]


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["-P", "16"],
        ["-P", "64", "-r", "1000"],
        ["-c", "50", "--threads", "2"],
        ["-d", "20000", "-c", "5"],
        ["-k", "0", "-c", "5"],
        ["-3"],
    ],
    ids=" ".join,
)
def test_throughput_is_reported_for_every_test(server, connect, options):
    connect()
    count = "1000" if "0" in options else "10000"
    command = ["redis-benchmark", "-p", str(server.port), "-q", "-n", count]
    command += ["-t", "ping,set,get,incr,mset", *options]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    said = done.stdout.decode() + done.stderr.decode()
    assert done.returncode == 0, said
    assert "Error" not in said and "ERR" not in said and "CONFIG" not in said, said
    for name in TESTS:
        assert re.search(rf"{re.escape(name)}: \d+\.\d+ requests per second", said), said


def test_a_command_of_its_own(server, connect):
    connect()
    command = ["redis-benchmark", "-p", str(server.port), "-q", "-n", "5000", "-r", "100"]
    command += ["SET", "key:__rand_int__", "v"]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done
    assert connect().dbsize() == 100
