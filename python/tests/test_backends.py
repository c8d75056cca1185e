"""The backends of dogpile.cache and Django on leases."""

import asyncio
import threading
import time

import django
import pytest
from django.conf import settings
from dogpile.cache import make_region
from redstart.cache import Busy

from test_cache import at_once


@pytest.fixture
def region(server, r):
    def make(expiration=60, **arguments):
        arguments = {"url": server.url, "redis_expiration_time": 3600, **arguments}
        return make_region().configure(
            "redstart.leases", expiration_time=expiration, arguments=arguments
        )

    return make


class Creator:
    def __init__(self, seconds=0.05):
        self.seconds, self.calls = seconds, 0

    def __call__(self, *keys):
        self.calls += 1
        time.sleep(self.seconds)
        return [f"{key} {self.calls}" for key in keys] if keys else self.calls


def test_dogpile_creates_once_in_all_processes(region, r):
    # Regions of their own share no lock in this process, as those of two processes.
    creator, regions = Creator(), [region() for _ in range(10)]
    todo = iter(regions)
    assert at_once(10, lambda: next(todo).get_or_create("k", creator)) == [1] * 10
    assert r.keys() == ["k"] and 3_590_000 < r.pttl("k") <= 3_600_000
    regions[0].delete("k")
    assert regions[1].get_or_create("k", creator) == 2


def test_dogpile_gives_the_old_value_while_one_creates(region):
    creator, first, second = Creator(), region(0.05), region(0.05)
    assert first.get_or_create("k", creator) == 1
    time.sleep(0.1)
    creator.seconds = 0.5
    thread = threading.Thread(target=first.get_or_create, args=("k", creator))
    thread.start()
    while creator.calls < 2:
        time.sleep(0.001)
    assert second.get_or_create("k", creator) == 1 and creator.calls == 2
    thread.join()
    assert second.get("k", ignore_expiration=True) == 2


def test_dogpile_in_the_threads_of_one_region(region):
    creator, one = Creator(), region(0.6)
    assert at_once(10, lambda: one.get_or_create("k", creator)) == [1] * 10
    time.sleep(0.7)
    creator.seconds = 0.5
    thread = threading.Thread(target=one.get_or_create, args=("k", creator))
    thread.start()
    while creator.calls < 2:
        time.sleep(0.001)
    assert one.get_or_create("k", creator) == 1 and creator.calls == 2
    thread.join()
    assert not one.backend.tokens


def test_dogpile_does_not_renew_what_another_has_renewed(region):
    one, other = region().backend, region().backend
    one.set_serialized("k", b"old")
    assert other.get_serialized("k") == b"old"
    one.set_serialized("k", b"new")
    mutex = other.get_mutex("k")
    assert not mutex.acquire(False) and not mutex.locked()
    assert other.get_serialized_multi(["none", "k"])[1] == b"new" and mutex.acquire(False)
    assert one.get_serialized("k") == b"new" and not one.get_mutex("k").acquire(False)
    mutex.release()
    assert one.get_mutex("k").acquire(False)


def test_dogpile_does_not_store_what_is_out_of_date(region):
    one, other = region(), region()

    def creator():
        other.set("k", "newer")
        return "older"

    assert one.get_or_create("k", creator) == "older" and one.get("k") == "newer"
    one.set("k", "newest")
    assert other.get("k") == "newest"


def test_dogpile_many_errors_and_waits(region, r):
    one, creator = region(wait=0.05), Creator()
    assert one.get_or_create_multi(["a", "b"], creator) == ["a 1", "b 1"]
    assert one.get_multi(["b", "a"]) == ["b 1", "a 1"] and creator.calls == 1
    with pytest.raises(ZeroDivisionError):
        one.get_or_create("k", lambda: 1 // 0)
    assert one.get_or_create("k", creator) == 2
    r.execute_command("LEASE.GET", "held", "LEASE", 60_000)
    with pytest.raises(Busy):
        one.get_or_create("held", creator)
    with pytest.raises(ValueError):
        region(redis_expiration_time=0)


def test_dogpile_creates_in_another_thread(region):
    def runner(cache, key, creator, mutex):
        def work():
            cache.set(key, creator())
            mutex.release()

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    one, creator = region(0.05), Creator(0)
    one.async_creation_runner = runner
    assert one.get_or_create("k", creator) == 1
    time.sleep(0.1)
    assert one.get_or_create("k", creator) == 1
    assert one.get_or_create("k", creator) == 2 and not one.backend.tokens


@pytest.fixture
def cache(server, r):
    place = {"BACKEND": "redstart.cache.django.LeaseCache", "LOCATION": server.url}
    if not settings.configured:
        settings.configure(
            CACHES={"default": {**place, "OPTIONS": {"wait": 5, "socket_timeout": 20}}}, USE_TZ=True
        )
        django.setup()
    from django.core.cache import caches

    return caches["default"]


def test_django_computes_once(cache, r):
    from django.core.cache import caches

    creator = Creator()
    # Django has a cache for each thread.
    assert at_once(10, lambda: caches["default"].get_or_set("k", creator, timeout=50)) == [1] * 10
    (key,) = r.keys()
    assert key == ":1:k" and 49_000 < r.pttl(key) <= 50_000
    assert cache.get("k") == 1 and cache.incr("k") == 2 and cache.get_or_set("k", creator) == 2
    cache.delete("k")
    assert cache.get_or_set("k", creator, timeout=1.5) == 2 and 1000 < r.pttl(key) <= 1500


def test_django_values_and_timeouts(cache, r):
    for value in ({"a": (1, None)}, None, True, 7, "text"):
        assert [cache.get_or_set("k", lambda: value) for _ in range(2)] == [value] * 2
        assert cache.get("k", "none") == value and cache.delete("k")
    assert cache.get_or_set("k", lambda: 1, timeout=None) == 1 and r.pttl(":1:k") == -1
    assert cache.get_or_set("two", "plain") == "plain" and 299 <= r.ttl(":1:two") <= 300
    assert cache.get_or_set("three", lambda: 3, timeout=0) == 3 and not r.exists(":1:three")
    assert cache.get_or_set("k", lambda: 2, version=2) == 2 and cache.get("k") == 1


def test_django_with_asyncio(cache, r):
    calls = []

    async def creator():
        calls.append(1)
        await asyncio.sleep(0.05)
        return len(calls)

    async def work():
        found = await asyncio.gather(*(cache.aget_or_set("k", creator) for _ in range(20)))
        assert found == [1] * 20 and await cache.aget("k") == 1
        assert await cache.aget_or_set("other", lambda: "plain") == "plain"
        assert await cache.aget_or_set("never", creator, timeout=0) == 2
        await cache.aclose()

    asyncio.run(work())
    assert not r.exists(":1:never")
