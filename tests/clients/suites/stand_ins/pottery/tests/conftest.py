"""Pottery's tests ask for clients of an empty database; its source distribution lacks the file."""

import pytest
import redis as sync
import redis.asyncio

URL = "redis://localhost:6379/1"


@pytest.fixture
def redis_url():
    return URL


@pytest.fixture
def redis():
    with sync.Redis.from_url(URL, socket_timeout=1) as client:
        client.flushdb()
        yield client


@pytest.fixture
async def aioredis():
    async with sync.asyncio.Redis.from_url(URL, socket_timeout=1) as client:
        await client.flushdb()
        yield client
