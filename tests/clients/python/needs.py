"""A pytest plugin: `@pytest.mark.needs("EVALSHA")` skips a test where the server lacks a command."""

import pytest
import redis


def pytest_configure(config):
    config.addinivalue_line("markers", "needs(*commands): skips where the server lacks one of them")


@pytest.fixture(scope="session")
def known(server):
    """The names of the commands that the server has."""
    with redis.Redis(host="127.0.0.1", port=server.port, decode_responses=True) as client:
        return {name.lower() for name in client.command_list()}


@pytest.fixture(autouse=True)
def _skip_what_the_server_lacks(request):
    for mark in request.node.iter_markers("needs"):
        known = request.getfixturevalue("known")
        missing = [command for command in mark.args if command.lower() not in known]
        if missing:
            pytest.skip(f"SKIPPED: the server has no {' '.join(missing)} yet")
