"""The fixture that the tests of all client libraries share: one server for a run."""

import pytest

from server import Server


@pytest.fixture(scope="session")
def server():
    running = Server()
    yield running
    running.stop()
