"""Fixtures of the framework tests: one server for a run, an empty keyspace for a test.

`fixtures.py` lies beside the tests of redis-py; `tests/clients/run` puts its folder on the path.
"""

import pytest
import redis

from fixtures import server  # noqa: F401


@pytest.fixture
def r(server):
    """A client of a server without keys."""
    with redis.Redis(host="127.0.0.1", port=server.port, decode_responses=True) as client:
        client.flushall()
        yield client


@pytest.fixture
def url(server, r):
    return f"redis://127.0.0.1:{server.port}"
