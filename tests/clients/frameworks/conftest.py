"""Fixtures of the framework tests: one server for a run, an empty keyspace for a test, and the
commands that a test cannot do without.

`server.py` lies beside the tests of redis-py; `tests/clients/run` puts its folder on the path.
"""

import pytest
import redis

from server import Server


def pytest_configure(config):
    config.addinivalue_line("markers", "needs(*commands): skips where the server lacks one of them")


@pytest.fixture(scope="session")
def server():
    running = Server()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def known(server):
    """The names of the commands that the server has."""
    with redis.Redis(host="127.0.0.1", port=server.port, decode_responses=True) as client:
        return set(client.command_list())


@pytest.fixture(autouse=True)
def _skip_what_the_server_lacks(request, known):
    for mark in request.node.iter_markers("needs"):
        missing = [command for command in mark.args if command.lower() not in known]
        if missing:
            pytest.skip(f"SKIPPED: the server has no {' '.join(missing)} yet")


@pytest.fixture
def r(server):
    """A client of a server without keys."""
    with redis.Redis(host="127.0.0.1", port=server.port, decode_responses=True) as client:
        client.flushall()
        yield client


@pytest.fixture
def url(server, r):
    return f"redis://127.0.0.1:{server.port}"
