"""The cache on leases, with threads and with asyncio."""

import asyncio
import datetime
import enum
import pickle
import threading
import time
import uuid

import pytest
import redis
from redstart.cache import AsyncCache, Busy, Cache, key_of


class Slow:
    """Something to compute: counts how often it is, and how often at once."""

    def __init__(self, seconds=0.05):
        self.seconds, self.calls, self.inside, self.most = seconds, 0, 0, 0
        self.fails = False

    def enter(self):
        self.calls += 1
        self.inside += 1
        self.most = max(self.most, self.inside)

    def leave(self):
        self.inside -= 1
        if self.fails:
            raise RuntimeError("the database is away")
        return {"calls": self.calls}

    def compute_for(self, cache):
        """Stores a value, of whose time some is over already."""
        assert cache.get_or_compute("k", self, ttl=10) == {"calls": self.calls}
        time.sleep(0.005)

    def __call__(self):
        self.enter()
        time.sleep(self.seconds)
        return self.leave()

    async def awaited(self):
        self.enter()
        await asyncio.sleep(self.seconds)
        return self.leave()


@pytest.fixture(params=[True, False], ids=["decoding", "bytes"])
def cache(request, server, r):
    with server.client(decode_responses=request.param) as client:
        yield Cache(client, prefix="shop:", ttl=60)


def at_once(count, work):
    """Has threads do something at once; returns what they return."""
    found, gate = [], threading.Barrier(count)

    def one():
        gate.wait()
        found.append(work())

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_a_call_is_computed_once(cache, r):
    slow = Slow()

    @cache.cached(ttl=30)
    def product(number: int, currency: str = "EUR") -> dict:
        """A product."""
        return {"number": number, **slow()}

    assert at_once(20, lambda: product(7)) == [{"number": 7, "calls": 1}] * 20
    assert product(number=7, currency="EUR") == product(7) and slow.calls == 1
    assert product.__doc__ == "A product." and product.__name__ == "product"
    (key,) = r.keys()
    assert key == "shop:" + product.key(7) and key.endswith("product(number=7,currency='EUR')")
    assert 29_000 < r.pttl(key) <= 30_000
    product.drop(7)
    assert (
        product(7)["calls"] == 2 and product.refresh(7)["calls"] == 3 and product(7)["calls"] == 3
    )


def test_values(cache):
    for value in (None, 0, "", "text", [1, {"a": None}], 1.5):
        assert cache.get_or_compute("k", lambda: value) == value
        assert cache.get_or_compute("k", lambda: "not called") == value and cache.get("k") == value
        cache.drop("k")
    assert cache.get("k") is None and cache.get("k", 5) == 5
    cache.set("k", "set", ttl=10)
    assert cache.get_or_compute("k", lambda: "not called") == "set"
    # Whoever computes gets what the others get.
    cache.drop("k")
    assert cache.get_or_compute("k", lambda: (1, 2)) == [1, 2]
    cache.codec = pickle
    cache.drop("k")
    assert [cache.get_or_compute("k", lambda: (1, {3})) for _ in range(2)] == [(1, {3})] * 2
    cache.drop()


def test_other_writes_void_what_is_computed(cache):
    def compute():
        cache.set("k", "newer")
        return "older"

    assert cache.get_or_compute("k", compute) == "older"
    assert cache.get("k") == "newer"


def test_an_error_is_the_callers_and_the_next_one_computes(cache):
    slow = Slow(0)
    slow.fails = True
    with pytest.raises(RuntimeError):
        cache.get_or_compute("k", slow)
    with pytest.raises(TypeError):
        cache.get_or_compute("k", lambda: object())
    slow.fails = False
    assert cache.get_or_compute("k", slow, wait=0) == {"calls": 2}


def test_renewed_before_its_end_by_one_while_others_have_it(cache):
    slow = Slow(0.3)
    slow.compute_for(cache)
    # A thread that comes late finds what was renewed, which is not about to end.
    found = at_once(10, lambda: cache.get_or_compute("k", slow, early=0.5)["calls"])
    assert slow.calls == 2 and set(found) == {1, 2}
    slow.fails, slow.seconds = True, 0.01
    time.sleep(0.005)
    assert cache.get_or_compute("k", slow, early=1) == {"calls": 2} and slow.calls == 3
    slow.fails = False
    assert cache.get_or_compute("k", slow, early=1) == {"calls": 4}


def test_given_in_its_grace(cache):
    slow = Slow(0.3)
    cache.get_or_compute("k", slow, ttl=0.05, grace=10)
    time.sleep(0.1)
    found = at_once(10, lambda: cache.get_or_compute("k", slow, grace=10, ttl=60)["calls"])
    assert slow.calls == 2 and set(found) == {1, 2}


def test_renewed_in_the_background(cache):
    slow = Slow(0.4)
    slow.compute_for(cache)
    begun = time.monotonic()
    assert cache.get_or_compute("k", slow, early=1, background=True) == {"calls": 1}
    assert time.monotonic() - begun < 0.35
    cache.finish()
    assert cache.get("k") == {"calls": 2}


def test_who_waits_too_long(cache, server):
    begun, done = threading.Event(), threading.Event()

    def compute():
        begun.set()
        done.wait(10)
        return "late"

    holder = threading.Thread(target=cache.get_or_compute, args=("k", compute))
    holder.start()
    begun.wait(10)
    with pytest.raises(Busy, match="shop:k"):
        cache.get_or_compute("k", compute, wait=0.05)
    # A client that gives up on replies sooner than the cache on values asks again.
    hasty = Cache(server.client(socket_timeout=0.3), prefix="shop:", wait=10)
    threading.Timer(0.7, done.set).start()
    assert hasty.get_or_compute("k", compute) == "late"
    holder.join()


def test_what_cannot_be_stored_is_returned(server, r):
    cache = Cache(server.client())
    try:
        assert (
            cache.get_or_compute("k", lambda: r.config_set("maxmemory", 1) and "x" * 100)
            == "x" * 100
        )
        assert cache.get("k") is None
    finally:
        r.config_set("maxmemory", 0)
    gone = Cache(redis.Redis(port=1, socket_connect_timeout=0.1, retry=None))
    with pytest.raises(redis.ConnectionError):
        gone.get_or_compute("k", lambda: 1)


def test_methods(cache):
    class Shop:
        def __init__(self, name):
            self.name = name

        @cache.cached(key=lambda self, number: f"{self.name}:{number}")
        def product(self, number):
            return [self.name, number]

    assert Shop("a").product(1) == ["a", 1] and Shop("b").product(1) == ["b", 1]
    assert cache.get("a:1") == ["a", 1]
    with pytest.raises(TypeError, match="'self' of .*product is no part of a key"):
        cache.cached()(Shop.product.function)(Shop("a"), 1)


def test_settings_that_cannot_be(cache):
    for settings in ({"ttl": 0}, {"early": 2}, {"grace": -1}, {"wait": -1}, {"lease": 0}):
        with pytest.raises(ValueError):
            cache.get_or_compute("k", lambda: 1, **settings)


class Colour(enum.Enum):
    RED = 1


def test_keys_are_the_same_for_the_same_arguments():
    def f(a, *rest, b=2, **more):
        pass

    def key(*args, **kwargs):
        return key_of(f, args, kwargs).partition("f(")[2]

    assert key(1) == key(a=1) == key(1, b=2) == "a=1,rest=(),b=2,more={})"
    different = [1, 1.0, True, "1", b"1", None, (1,), [1], {1}, {1: 1}, Colour.RED, "Colour<RED>"]
    different += [datetime.date(2026, 1, 2), uuid.UUID(int=1), "x" * 300, "y" * 300]
    assert len({key_of(f, (value,), {}) for value in different}) == len(different)
    assert key({"b": 1, "a": {3, 1, 2}}) == key({"a": {2, 1, 3}, "b": 1})
    assert len(key_of(f, ("x" * 3000,), {})) < 200


def asyncio_test(work):
    """A test that is a coroutine, given a cache over asyncio's client."""

    def test(server, r):
        async def run():
            async with server.async_client() as client:
                await work(AsyncCache(client, prefix="shop:"))

        asyncio.run(run())

    return test


@asyncio_test
async def test_a_coroutine_is_computed_once(cache):
    slow = Slow()

    @cache.cached(ttl=30)
    async def product(number: int) -> dict:
        return {"number": number, **await slow.awaited()}

    found = await asyncio.gather(*(product(7) for _ in range(50)))
    assert found == [{"number": 7, "calls": 1}] * 50
    await product.drop(7)
    assert (await product(7))["calls"] == 2 and (await product.refresh(7))["calls"] == 3
    assert (await product(7))["calls"] == 3 and await cache.get(product.key(7)) == await product(7)


@asyncio_test
async def test_asyncio_renews(cache):
    slow = Slow()
    await cache.get_or_compute("k", slow.awaited)
    await asyncio.sleep(0.005)
    asked = [cache.get_or_compute("k", slow.awaited, early=1) for _ in range(10)]
    assert sorted(found["calls"] for found in await asyncio.gather(*asked)) == [1] * 9 + [2]
    await asyncio.sleep(0.005)
    assert await cache.get_or_compute("k", slow.awaited, early=1, background=True) == {"calls": 2}
    await cache.finish()
    assert await cache.get("k") == {"calls": 3}
    await asyncio.sleep(0.005)
    slow.fails = True
    assert await cache.get_or_compute("k", slow.awaited, early=1) == {"calls": 3}


@asyncio_test
async def test_a_task_that_is_cancelled_frees_its_lease(cache):
    slow = Slow(10)
    task = asyncio.create_task(cache.get_or_compute("k", slow.awaited))
    while not slow.inside:
        await asyncio.sleep(0.001)
    with pytest.raises(Busy):
        await cache.get_or_compute("k", slow.awaited, wait=0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    slow.seconds = 0
    assert await cache.get_or_compute("k", slow.awaited, wait=0) == {"calls": 2}
    await cache.set("k", "set", ttl=None)
    await cache.drop("k", "none")
    assert await cache.get("k", "none") == "none"
