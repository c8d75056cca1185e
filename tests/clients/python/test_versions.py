"""redis-py where the server says that it is Redis 8.6.3: maintenance notifications are tried, and
nothing is warned of."""

import logging
import os
import warnings

import pytest
import redis
from redis.maint_notifications import MaintNotificationsConfig

from server import Server

pytestmark = pytest.mark.skipif(
    not os.path.basename(os.environ.get("REDSTART_BIN", "")).startswith("redstart"),
    reason="SKIPPED: about the version that Redstart says",
)


@pytest.fixture(scope="module")
def port():
    running = Server()
    yield running.port
    running.stop()


@pytest.mark.parametrize("protocol", [None, 2, 3])
def test_the_handshake_and_a_lost_connection(port, protocol, caplog):
    options = {} if protocol is None else {"protocol": protocol}
    with warnings.catch_warnings(), caplog.at_level(logging.INFO):
        warnings.simplefilter("error")
        with redis.Redis(port=port, **options) as client, redis.Redis(port=port) as killer:
            assert client.info("server")["redis_version"] == "8.6.3"
            assert killer.client_kill_filter(_id=client.client_id()) == 1
            assert client.set("k", "v") is True
    assert caplog.messages == []


@pytest.mark.parametrize("wanted", ["auto", True, False])
def test_maintenance_notifications_are_refused_as_by_redis(port, wanted):
    config = MaintNotificationsConfig(enabled=wanted)
    with redis.Redis(port=port, protocol=3, maint_notifications_config=config) as client:
        if wanted is True:
            with pytest.raises(redis.ResponseError, match="subcommand 'MAINT_NOTIFICATIONS'"):
                client.ping()
        else:
            assert client.ping() is True
