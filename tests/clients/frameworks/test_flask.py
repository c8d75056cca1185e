"""Flask-Caching and Flask-Session in a small Flask application."""

import time

import flask
import pytest
import redis
from flask_caching import Cache
from flask_session import Session


@pytest.fixture
def app(server, r):
    app = flask.Flask("shop")
    app.config.update(
        CACHE_TYPE="RedisCache", CACHE_REDIS_HOST="127.0.0.1", CACHE_REDIS_PORT=server.port,
        CACHE_DEFAULT_TIMEOUT=300, CACHE_KEY_PREFIX="shop:",
    )
    return app


@pytest.fixture
def cache(app):
    with app.app_context():
        yield Cache(app)


def test_values_and_deadlines(cache, r):
    assert cache.set("k", {"a": [1]}) and cache.get("k") == {"a": [1]}
    assert 290 < r.ttl("shop:k") <= 300
    assert cache.set("own", 1, timeout=20) and r.ttl("shop:own") <= 20
    assert cache.set("always", 1, timeout=0) and r.ttl("shop:always") == -1
    assert cache.add("once", 1) and not cache.add("once", 2)
    assert cache.has("once") and cache.delete("once") and not cache.has("once")
    cache.set("soon", 1, timeout=1)
    time.sleep(1.05)
    assert cache.get("soon") is None


def test_many_at_once(cache):
    assert cache.set_many({"a": 1, "b": 2}, timeout=60)
    assert cache.get_many("a", "none", "b") == [1, None, 2]
    assert cache.get_dict("a", "b") == {"a": 1, "b": 2}
    assert cache.delete_many("a", "b") and cache.get_many("a", "b") == [None, None]


def test_clearing_leaves_other_prefixes(cache, r):
    r.set("foreign", 1)
    cache.set_many({f"k{i}": i for i in range(100)})
    assert cache.clear() and r.keys() == ["foreign"]


def test_memoized_functions_and_their_versions(cache):
    calls = []

    @cache.memoize(timeout=60)
    def price(article, amount=1):
        calls.append(article)
        return len(article) * amount

    assert [price("tea"), price("tea", amount=1), price("rice", 2)] == [3, 3, 8]
    assert calls == ["tea", "rice"]
    cache.delete_memoized(price, "tea")
    assert price("tea") == 3 and price("rice", 2) == 8 and calls == ["tea", "rice", "tea"]
    cache.delete_memoized(price)
    assert price("rice", 2) == 8 and len(calls) == 4


def test_cached_views(app, cache):
    calls = []

    @app.route("/articles")
    @cache.cached(timeout=60, query_string=True)
    def articles():
        calls.append(1)
        return f"page {flask.request.args.get('page')}, made {len(calls)}"

    browser = app.test_client()
    assert browser.get("/articles?page=1").text == "page 1, made 1"
    assert browser.get("/articles?page=1").text == "page 1, made 1"
    assert browser.get("/articles?page=2").text == "page 2, made 2"
    cache.clear()
    assert browser.get("/articles?page=1").text == "page 1, made 3"


@pytest.mark.parametrize("format", ["msgpack", "json"])
def test_sessions(app, server, r, format):
    app.config.update(
        SESSION_TYPE="redis", SESSION_PERMANENT=True, PERMANENT_SESSION_LIFETIME=100,
        SESSION_REDIS=redis.Redis(host="127.0.0.1", port=server.port),
        SESSION_SERIALIZATION_FORMAT=format,
    )
    Session(app)

    @app.route("/add/<article>")
    def add(article):
        basket = flask.session.setdefault("basket", [])
        basket.append(article)
        flask.session.modified = True
        return " ".join(basket)

    @app.route("/leave")
    def leave():
        flask.session.clear()
        return "bye"

    mine, another = app.test_client(), app.test_client()
    assert mine.get("/add/tea").text == "tea"
    assert mine.get("/add/rice").text == "tea rice"
    assert another.get("/add/milk").text == "milk"
    keys = r.keys("session:*")
    assert len(keys) == 2 and all(90 < r.ttl(key) <= 100 for key in keys)
    mine.get("/leave")
    assert len(r.keys("session:*")) == 1
    assert mine.get("/add/salt").text == "salt"
