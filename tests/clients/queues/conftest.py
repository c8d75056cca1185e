"""Fixtures of the tests of queues: one server for a run, an empty keyspace for a test.

`fixtures.py` lies beside the tests of redis-py; `tests/clients/run` puts its folder on the path.
"""

import time

import pytest
import redis

from fixtures import server  # noqa: F401


@pytest.fixture
def r(server):
    """A client of a server without keys."""
    with redis.Redis(host="127.0.0.1", port=server.port) as client:
        client.flushall()
        yield client


@pytest.fixture
def url(server):
    return f"redis://127.0.0.1:{server.port}/0"


def wait_until(holds, seconds=15):
    """Waits until `holds()` is true, and fails where it does not become so."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


@pytest.fixture(name="wait_until")
def _wait_until():
    return wait_until
