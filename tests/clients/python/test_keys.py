"""redis-py: keys of any type, their deadlines, scans and databases."""

import datetime
import time

import pytest
import redis


def test_existence_and_type(r):
    r.mset({"a": 1, "b": 2})
    assert r.exists("a", "b", "a", "x") == 3
    assert r.touch("a", "x") == 1
    assert r.type("a") == "string" and r.type("x") == "none"
    assert r.dbsize() == 2
    assert r.randomkey() in {"a", "b"}
    assert sorted(r.keys("*")) == ["a", "b"]
    assert r.keys("[b-z]") == ["b"]


def test_deadlines(r):
    r.set("k", "v")
    assert r.ttl("k") == -1 and r.ttl("x") == -2
    assert r.expire("k", 100) and 0 < r.ttl("k") <= 100
    assert r.expire("k", datetime.timedelta(seconds=200)) and r.ttl("k") > 100
    assert r.expire("k", 300, nx=True) == 0
    assert r.expire("k", 100, gt=True) == 0
    assert r.expire("k", 100, lt=True) == 1
    assert r.expireat("k", 4102444800) and r.expiretime("k") == 4102444800
    when = datetime.datetime(2100, 1, 2, tzinfo=datetime.timezone.utc)
    assert r.expireat("k", when) and r.expiretime("k") == 4102444800 + 86400
    assert r.pexpireat("k", 4102444800001) and r.pexpiretime("k") == 4102444800001
    assert r.persist("k") and r.ttl("k") == -1
    assert r.expire("k", 0) and r.exists("k") == 0


def test_a_key_is_gone_at_its_deadline(r):
    r.psetex("p", 30, "v")
    r.set("s", "v", px=30)
    r.set("stays", "v")
    time.sleep(0.1)
    assert r.keys() == ["stays"]
    assert r.mget("p", "s", "stays") == [None, None, "v"]
    assert r.dbsize() == 1


def test_renames_and_copies(r):
    r.set("a", 1, ex=100)
    assert r.rename("a", "b") is True and r.ttl("b") > 0
    r.set("c", 2)
    assert r.renamenx("b", "c") is False
    assert r.copy("b", "c") is False
    assert r.copy("b", "c", replace=True) is True and r.get("c") == "1"
    with pytest.raises(redis.ResponseError, match="no such key"):
        r.rename("x", "y")


def test_databases(connect):
    zero, one = connect(decode_responses=True), connect(db=1, decode_responses=True)
    zero.set("k", "zero")
    one.set("k", "one")
    assert zero.get("k") == "zero"
    assert zero.copy("k", "copied", destination_db=1) is True and one.get("copied") == "zero"
    assert zero.move("k", 1) == 0
    one.delete("k")
    assert zero.move("k", 1) == 1 and one.get("k") == "zero"
    one.swapdb(0, 1)
    assert zero.get("k") == "zero" and one.dbsize() == 0
    zero.flushdb()
    assert zero.dbsize() == 0


def test_scans_return_every_key_once_at_least(r):
    pipe = r.pipeline(transaction=False)
    for i in range(10_000):
        pipe.set(f"key:{i}", i)
    pipe.execute()
    r.set("other", 1)
    found = list(r.scan_iter(match="key:*", count=100))
    assert set(found) == {f"key:{i}" for i in range(10_000)}
    assert set(r.scan_iter(count=1000, _type="string")) == set(found) | {"other"}
    assert list(r.scan_iter(count=1000, _type="list")) == []


def test_a_scan_survives_growth(r):
    stable = {f"stable:{i}" for i in range(1000)}
    for key in stable:
        r.set(key, 1)
    found, cursor, grown = set(), None, 0
    while cursor != 0:
        cursor, keys = r.scan(cursor or 0, count=50)
        found.update(keys)
        if grown < 20_000:
            r.mset({f"grown:{grown + i}": 1 for i in range(1000)})
            grown += 1000
    assert stable <= found
