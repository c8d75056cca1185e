"""Fixtures: one server for a run, an empty keyspace for a test, clients of both protocols."""

import pytest
import redis

from fixtures import server  # noqa: F401


@pytest.fixture
def connect(server):
    """Makes clients of the server, which are closed when the test ends."""
    opened = []

    def make(**options):
        options.setdefault("socket_timeout", 20)
        client = redis.Redis(host="127.0.0.1", port=server.port, **options)
        opened.append(client)
        return client

    cleaner = make()
    cleaner.flushall()
    yield make
    for client in opened:
        client.close()


@pytest.fixture(params=[2, 3, None], ids=["resp2", "resp3", "default"])
def r(request, connect):
    """A client that decodes replies, over each protocol and over the library's own choice."""
    options = {} if request.param is None else {"protocol": request.param}
    return connect(decode_responses=True, **options)
