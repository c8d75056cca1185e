"""cachy's redis store: a cache manager over named stores, tags included."""

import datetime

import pytest
from cachy import CacheManager


@pytest.fixture(params=["pickle", "json"])
def cache(request, server, r):
    return CacheManager({
        "default": "redis",
        "serializer": request.param,
        "stores": {
            "redis": {"driver": "redis", "host": "127.0.0.1", "port": server.port, "prefix": "c:"},
            "other": {"driver": "redis", "host": "127.0.0.1", "port": server.port, "db": 1},
        },
    })


def test_put_get_and_pull(cache, r):
    cache.put("greeting", {"text": "hello"}, 10)
    assert cache.get("greeting") == {"text": "hello"}
    assert 590 < r.ttl("c:greeting") <= 600
    assert cache.has("greeting") and not cache.has("nothing")
    assert cache.get("nothing", "default") == "default"
    assert cache.get("nothing", lambda: "made") == "made"
    assert cache.pull("greeting") == {"text": "hello"}
    assert cache.get("greeting") is None and r.exists("c:greeting") == 0


def test_deadlines_as_datetimes_and_for_ever(cache, r):
    cache.put("later", 1, datetime.datetime.now() + datetime.timedelta(minutes=5))
    assert 230 < r.ttl("c:later") <= 300
    cache.forever("always", 1)
    assert r.ttl("c:always") == -1
    assert cache.forget("always") and not cache.forget("always")


def test_add_keeps_what_is_there(cache):
    assert cache.add("once", "first", 5) is True
    assert cache.add("once", "second", 5) is False
    assert cache.get("once") == "first"


def test_remember_computes_once(cache):
    calls = []

    def compute():
        calls.append(1)
        return ["a", "list"]

    assert cache.remember("r", 5, compute) == ["a", "list"]
    assert cache.remember("r", 5, compute) == ["a", "list"]
    assert cache.remember_forever("f", compute) == ["a", "list"]
    assert cache.remember_forever("f", compute) == ["a", "list"]
    assert len(calls) == 2


def test_counters(cache, r):
    store = cache.store()
    assert store.increment("n") == 1
    assert store.increment("n", 41) == 42
    assert store.decrement("n", 2) == 40
    assert r.get("c:n") == "40"


def test_a_decorated_function_is_cached(cache):
    calls = []

    @cache(key="the answer", minutes=5)
    def answer():
        calls.append(1)
        return 42

    assert [answer(), answer()] == [42, 42]
    assert len(calls) == 1


def test_stores_are_apart_and_flushed_alone(cache):
    cache.put("k", "default store", 5)
    cache.store("other").put("k", "other store", 5)
    cache.store("other").flush()
    assert cache.get("k") == "default store" and cache.store("other").get("k") is None


def test_tags_are_flushed_together(cache, r):
    cache.tags("people", "artists").put("John", "singer", 5)
    cache.tags("people", "authors").put("Anne", "writer", 5)
    cache.tags("people", "authors").forever("Jane", "novelist")
    cache.put("untagged", 1, 5)
    assert cache.tags("people", "artists").get("John") == "singer"
    assert cache.tags("people").get("John") is None
    forever = [key for key in r.keys("c:*") if key.endswith(":forever")]
    assert len(forever) == 2 and all(r.type(key) == "list" for key in forever)
    cache.tags("authors").flush()
    assert cache.tags("people", "authors").get("Anne") is None
    assert cache.tags("people", "artists").get("John") == "singer"
    cache.tags("people").flush()
    assert cache.tags("people", "artists").get("John") is None
    assert cache.get("untagged") == 1
    assert cache.tags("artists").remember("Rita", 5, lambda: "painter") == "painter"
    assert cache.tags("artists").get("Rita") == "painter"
