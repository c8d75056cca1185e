"""Fixtures: one server for a run, by the package itself; an empty keyspace for a test."""

import pytest
import redstart


@pytest.fixture(scope="session")
def server():
    with redstart.Server() as running:
        yield running


@pytest.fixture
def r(server):
    """A client of a server without keys, whose replies are decoded."""
    with server.client(decode_responses=True) as client:
        client.flushall()
        yield client
