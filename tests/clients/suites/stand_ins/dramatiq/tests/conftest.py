"""Brokers, workers and stores on the server; dramatiq's source distribution lacks the file."""

import dramatiq
import pytest
import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.brokers.stub import StubBroker
from dramatiq.rate_limits.backends import RedisBackend as RateLimits
from dramatiq.results.backends import RedisBackend as Results

from .common import worker


@pytest.fixture
def empty():
    with redis.Redis() as client:
        client.flushall()


@pytest.fixture
def redis_broker(empty):
    broker = RedisBroker()
    dramatiq.set_broker(broker)
    yield broker
    broker.close()


@pytest.fixture
def redis_worker(redis_broker):
    with worker(redis_broker, worker_threads=4) as running:
        yield running


@pytest.fixture
def stub_broker():
    broker = StubBroker()
    broker.emit_after("process_boot")
    dramatiq.set_broker(broker)
    yield broker
    broker.flush_all()
    broker.close()


@pytest.fixture
def stub_worker(stub_broker):
    with worker(stub_broker, worker_timeout=100, worker_threads=32) as running:
        yield running


@pytest.fixture
def rate_limiter_backend(empty):
    return RateLimits()


@pytest.fixture
def result_backend(empty):
    return Results()


redis_result_backend = result_backend
