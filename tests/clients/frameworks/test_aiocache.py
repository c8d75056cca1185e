"""aiocache's Redis backend: the cache itself, its decorators, its locks."""

import asyncio

import pytest
from aiocache import Cache, cached, multi_cached
from aiocache.lock import OptimisticLock, OptimisticLockError, RedLock
from aiocache.serializers import JsonSerializer, PickleSerializer

# aiocache 0.12 closes its client by a method that redis-py has renamed since.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def run(server, r):
    """Runs a coroutine that is given a cache of its own."""

    def start(body, serializer=None, **options):
        async def work():
            cache = Cache(
                Cache.REDIS, endpoint="127.0.0.1", port=server.port, namespace="main",
                serializer=serializer or PickleSerializer(), **options,
            )
            try:
                await body(cache)
            finally:
                await cache.close()

        asyncio.run(work())

    return start


def test_values_deadlines_and_counters(run, r):
    async def body(cache):
        assert await cache.set("k", {"a": [1]}, ttl=100)
        assert await cache.get("k") == {"a": [1]}
        assert 0 < r.ttl("main:k") <= 100
        assert await cache.set("soon", 1, ttl=0.05)
        assert await cache.exists("soon")
        await asyncio.sleep(0.06)
        assert not await cache.exists("soon")
        assert await cache.add("once", 1)
        with pytest.raises(ValueError):
            await cache.add("once", 2)
        assert await cache.increment("n", 5) == 5 and await cache.increment("n") == 6
        assert await cache.expire("k", 10) and r.ttl("main:k") <= 10
        assert await cache.expire("k", 0) and r.ttl("main:k") == -1
        assert await cache.delete("k") == 1

    run(body)


def test_many_at_once_and_clearing_a_namespace(run, r):
    async def body(cache):
        r.set("foreign", 1)
        await cache.multi_set([(f"k{i}", i) for i in range(200)], ttl=60)
        assert await cache.multi_get(["k1", "none", "k199"]) == [1, None, 199]
        assert 0 < r.ttl("main:k7") <= 60
        assert await cache.clear(namespace="main")
        assert r.keys() == ["foreign"]

    run(body, serializer=JsonSerializer())


def test_raw_commands(run):
    async def body(cache):
        await cache.raw("hset", "main:h", "field", "value")
        assert await cache.raw("hget", "main:h", "field") in (b"value", "value")

    run(body)


def test_decorators(run, server, r):
    calls = []
    options = {"cache": Cache.REDIS, "endpoint": "127.0.0.1", "port": server.port}

    @cached(ttl=30, key_builder=lambda f, n: f"double:{n}", serializer=JsonSerializer(), **options)
    async def double(number):
        calls.append(number)
        return number * 2

    @multi_cached("keys", ttl=30, serializer=JsonSerializer(), **options)
    async def lengths(keys):
        calls.extend(keys)
        return {key: len(key) for key in keys}

    async def work():
        assert [await double(2), await double(2), await double(3)] == [4, 4, 6]
        assert await lengths(keys=["a", "bb"]) == {"a": 1, "bb": 2}
        assert await lengths(keys=["bb", "ccc"]) == {"bb": 2, "ccc": 3}
        for function in (double, lengths):
            await function.cache.close()

    asyncio.run(work())
    assert calls == [2, 3, "a", "bb", "ccc"]
    assert 0 < r.ttl("double:2") <= 30


@pytest.mark.needs("EVAL")
def test_a_red_lock_lets_one_compute(run, r):
    calls = []

    async def compute(cache):
        async with RedLock(cache, "popular", lease=5):
            found = await cache.get("popular")
            if found is None:
                calls.append(1)
                await asyncio.sleep(0.3)
                found = "made"
                await cache.set("popular", found)
            return found

    async def body(cache):
        # Those who find the lock taken wait for an event that its holder makes after taking it,
        # so the holder goes first: a gap between the two is the library's own.
        first = asyncio.create_task(compute(cache))
        while not r.exists("main:popular-lock"):
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)
        found = await asyncio.gather(first, *(compute(cache) for _ in range(49)))
        assert set(found) == {"made"} and len(calls) == 1
        assert r.keys() == ["main:popular"]

    run(body)


@pytest.mark.needs("EVAL")
def test_a_red_lock_ends_with_its_lease(run):
    async def body(cache):
        async with RedLock(cache, "k", lease=0.1):
            await asyncio.sleep(0.15)
            async with asyncio.timeout(1):
                async with RedLock(cache, "k", lease=1):
                    pass

    run(body)


@pytest.mark.needs("EVAL")
def test_an_optimistic_lock_refuses_a_lost_update(run):
    async def body(cache):
        await cache.set("k", "one")
        async with OptimisticLock(cache, "k") as lock:
            await lock.cas("two")
        assert await cache.get("k") == "two"
        with pytest.raises(OptimisticLockError):
            async with OptimisticLock(cache, "k") as lock:
                await cache.set("k", "of another")
                await lock.cas("three")
        assert await cache.get("k") == "of another"

    run(body, serializer=JsonSerializer())
