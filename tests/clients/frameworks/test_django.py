"""Django's own Redis cache backend and django-redis: the low-level cache, sessions kept in it, and
what django-redis adds (deadlines in milliseconds, patterns, locks, raw clients)."""

import threading
import time

import django
import pytest
from django.conf import settings

NATIVE = "django.core.cache.backends.redis.RedisCache"
ADDED = "django_redis.cache.RedisCache"


@pytest.fixture(scope="module", autouse=True)
def configured(server):
    url = f"redis://127.0.0.1:{server.port}"

    def cache(backend, **more):
        return {"BACKEND": backend, "LOCATION": f"{url}/0", "TIMEOUT": 300, **more}

    zlib = {"COMPRESSOR": "django_redis.compressors.zlib.ZlibCompressor"}
    json = {"SERIALIZER": "django_redis.serializers.json.JSONSerializer"}
    herd = {"CLIENT_CLASS": "django_redis.client.HerdClient", "CACHE_HERD_TIMEOUT": 60}
    settings.configure(
        CACHES={
            "default": cache(ADDED, KEY_PREFIX="site"),
            "native": cache(NATIVE, KEY_PREFIX="native"),
            "zlib": cache(ADDED, OPTIONS=zlib),
            "json": cache(ADDED, OPTIONS=json),
            "herd": cache(ADDED, OPTIONS=herd),
        },
        INSTALLED_APPS=["django.contrib.sessions"],
        SESSION_ENGINE="django.contrib.sessions.backends.cache",
        SECRET_KEY="only for tests",
        USE_TZ=True,
    )
    django.setup()


@pytest.fixture(params=["native", "default", "zlib", "json"])
def cache(request, r):
    from django.core.cache import caches

    return caches[request.param]


@pytest.fixture
def added(r):
    from django.core.cache import caches

    return caches["default"]


def test_values_of_every_kind(cache, r):
    for value in ("text", 42, 1.5, [1, "two"], {"a": {"b": None}}, True, "x" * 5000):
        cache.set("k", value)
        assert cache.get("k") == value
    assert cache.get("none") is None and cache.get("none", "default") == "default"
    assert "k" in cache and not cache.has_key("none")
    assert cache.delete("k") and not cache.delete("k")


def test_deadlines(cache, r):
    cache.set("default", 1)
    cache.set("own", 1, timeout=10)
    cache.set("always", 1, timeout=None)
    cache.set("never", 1, timeout=0)
    seconds = {key.rsplit(":", 1)[1]: r.ttl(key) for key in r.keys()}
    assert 290 < seconds["default"] <= 300 and 0 < seconds["own"] <= 10
    assert seconds["always"] == -1 and "never" not in seconds
    assert cache.get("never") is None


def test_a_value_is_gone_at_its_deadline(cache):
    cache.set("k", 1, timeout=1)
    assert cache.get("k") == 1
    time.sleep(1.05)
    assert cache.get("k") is None and cache.add("k", 2)


def test_add_get_or_set_and_touch(cache, r):
    assert cache.add("k", "first") and not cache.add("k", "second")
    assert cache.get_or_set("k", lambda: "made") == "first"
    assert cache.get_or_set("made", lambda: "made", timeout=50) == "made"
    assert cache.touch("k", 20) and not cache.touch("none", 20)
    assert cache.get("k") == "first"


def test_many_at_once(cache):
    assert not cache.set_many({f"k{i}": i for i in range(100)}, timeout=60)
    wanted = [f"k{i}" for i in range(0, 100, 7)] + ["none"]
    assert cache.get_many(wanted) == {f"k{i}": i for i in range(0, 100, 7)}
    cache.delete_many(["k0", "k1", "none"])
    assert cache.get_many(["k0", "k1", "k2"]) == {"k2": 2}


@pytest.mark.needs("EVAL")
def test_counters(cache):
    cache.set("n", 1)
    assert cache.incr("n") == 2 and cache.incr("n", 40) == 42 and cache.decr("n", 2) == 40
    assert cache.get("n") == 40
    with pytest.raises(ValueError):
        cache.incr("none")


def test_versions_of_keys(cache):
    cache.set("k", "one", version=1)
    cache.set("k", "two", version=2)
    assert cache.get("k") == "one" and cache.get("k", version=2) == "two"
    assert cache.incr_version("k", version=2) == 3
    assert cache.get("k", version=2) is None and cache.get("k", version=3) == "two"


def test_clear_empties_the_database(cache, r):
    cache.set("k", 1)
    cache.clear()
    assert cache.get("k") is None and r.dbsize() == 0


def test_sessions(r):
    from importlib import import_module

    store = import_module(settings.SESSION_ENGINE).SessionStore
    session = store()
    session["user"] = 7
    session.set_expiry(100)
    session.save()
    again = store(session_key=session.session_key)
    assert again["user"] == 7
    (key,) = r.keys("*sessions*")
    assert 0 < r.ttl(key) <= 100
    again.cycle_key()
    assert store(session_key=session.session_key).get("user") is None
    again.flush()
    assert r.keys("*sessions*") == []


def test_asynchronous_calls(cache):
    import asyncio

    async def work():
        await cache.aset("k", 1)
        assert await cache.aget("k") == 1
        assert await cache.aincr("k") == 2
        assert await cache.aget_many(["k"]) == {"k": 2}
        await cache.adelete("k")

    asyncio.run(work())


def test_deadlines_told_and_changed(added):
    added.set("k", 1, timeout=100)
    assert 0 < added.ttl("k") <= 100 and 0 < added.pttl("k") <= 100_000
    assert added.ttl("none") == 0
    assert added.persist("k") and added.ttl("k") is None
    assert added.expire("k", timeout=50) and added.pexpire("k", timeout=40_500)
    assert 40_000 < added.pttl("k") <= 40_500
    assert added.pexpire_at("k", int((time.time() + 30) * 1000)) and added.ttl("k") <= 30
    assert added.set("k", 2, nx=True) is False or added.get("k") == 1
    assert added.set("k", 2, xx=True) and added.get("k") == 2


def test_patterns(added, r):
    added.set_many({f"user:{i}": i for i in range(500)})
    added.set("other", 1)
    assert len(added.keys("user:*")) == 500
    assert len(list(added.iter_keys("user:1*", itersize=50))) == 111
    assert added.delete_pattern("user:*", itersize=100) == 500
    assert added.keys("*") == ["other"]


@pytest.mark.needs("EVALSHA")
def test_locks(added, r):
    with added.lock("job", timeout=10):
        assert not added.lock("job", timeout=10).acquire(blocking=False)
    assert added.lock("job", timeout=10).acquire(blocking=False)
    assert len(r.keys("*job*")) == 1


@pytest.mark.needs("EVALSHA")
def test_a_lock_lets_one_thread_at_a_time_in(added):
    inside, most, seen = 0, 0, []
    guard = threading.Lock()

    def work():
        nonlocal inside, most
        with added.lock("job", timeout=30, sleep=0.005):
            with guard:
                inside += 1
                most = max(most, inside)
            time.sleep(0.002)
            with guard:
                inside -= 1
                seen.append(1)

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1 and len(seen) == 20


def test_the_raw_client(added):
    from django_redis import get_redis_connection

    connection = get_redis_connection("default")
    with connection.pipeline() as pipe:
        pipe.hset("profile", mapping={"name": "Ada", "visits": 1})
        pipe.hincrby("profile", "visits", 2)
        pipe.rpush("recent", "a", "b", "c")
        pipe.ltrim("recent", -2, -1)
        pipe.execute()
    assert connection.hgetall("profile") == {b"name": b"Ada", b"visits": b"3"}
    assert connection.lrange("recent", 0, -1) == [b"b", b"c"]


def test_the_herd_client_lets_one_caller_renew(r):
    from django.core.cache import caches

    cache = caches["herd"]
    cache.set_many({"a": 1, "b": 2}, timeout=1)
    assert cache.get_many(["a", "b"]) == {"a": 1, "b": 2}
    # Values are kept for a minute past their deadline, to be served while they are made anew.
    assert all(60 < r.ttl(key) <= 61 for key in r.keys())
    time.sleep(1.05)
    # Past it, callers are told at random to renew; whoever is not gets the old value.
    assert {cache.get("a") for _ in range(300)} <= {1, None}
    cache.set("a", 3, timeout=50)
    assert cache.get("a") == 3


def test_hashes_of_django_redis(added):
    added.hset("h", "field", {"a": 1})
    added.hset("h", "other", 2)
    assert added.hlen("h") == 2
    assert sorted(added.hkeys("h")) == ["field", "other"] and added.hexists("h", "other")
    assert added.hdel("h", "field") and not added.hexists("h", "field")


@pytest.mark.needs("SADD", "SMEMBERS", "SCARD")
def test_sets_of_django_redis(added):
    assert added.sadd("s", 1, "two") == 2
    assert added.smembers("s") == {1, "two"} and added.scard("s") == 2
    added.sadd("t", "two", 3)
    assert added.sinter("s", "t") == {"two"} and added.sdiff("s", "t") == {1}
    assert added.sunionstore("u", "s", "t") == 3 and set(added.sscan_iter("u")) == {1, "two", 3}
    assert added.smove("s", "t", 1) and added.smismember("t", 1, 2) == [True, False]
    assert added.srem("u", 3) == 1 and added.spop("u", 2) in ({1, "two"}, [1, "two"], ["two", 1])


@pytest.mark.needs("ZADD", "ZRANGE", "ZPOPMIN")
def test_sorted_sets_of_django_redis(added):
    assert added.zadd("z", {"a": 1.5, ("b", 2): 2, 3: 3}) == 3
    assert added.zrange("z", 0, -1) == ["a", ("b", 2), 3]
    assert added.zincrby("z", 10, "a") == 11.5 and added.zrank("z", "a") == 2
    assert added.zrangebyscore("z", 2, "(11.5", withscores=True) == [(("b", 2), 2.0), (3, 3.0)]
    assert added.zadd("z", {"a": 1}, gt=True) == 0 and added.zscore("z", "a") == 11.5
    assert added.zremrangebyscore("z", 0, 2) == 1 and added.zcount("z", 3, 12) == 2
    assert added.zpopmin("z") == (3, 3.0) and added.zcard("z") == 1
