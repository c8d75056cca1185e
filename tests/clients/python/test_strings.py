"""redis-py: string commands, with the types that the library makes of their replies."""

import pytest
import redis


def test_set_and_get_with_every_option(r):
    assert r.set("k", "v") is True
    assert r.get("k") == "v"
    assert r.get("missing") is None
    assert r.set("k", "w", nx=True) is None
    assert r.set("k", "w", xx=True) is True
    assert r.set("k", "x", get=True) == "w"
    assert r.set("new", "x", get=True) is None
    assert r.set("k", "y", ex=100) and 0 < r.ttl("k") <= 100
    assert r.set("k", "z", keepttl=True) and r.ttl("k") > 0
    assert r.set("k", "z") and r.ttl("k") == -1
    assert r.set("k", "z", px=100_000) and 0 < r.pttl("k") <= 100_000
    assert r.set("k", "z", exat=4102444800) and r.expiretime("k") == 4102444800
    assert r.set("k", "z", pxat=4102444800123) and r.pexpiretime("k") == 4102444800123
    assert r.getex("k", persist=True) == "z" and r.ttl("k") == -1
    assert r.getex("k", ex=50) == "z" and 0 < r.ttl("k") <= 50
    assert r.getdel("k") == "z" and r.exists("k") == 0


def test_counters(r):
    assert r.incr("n") == 1
    assert r.incrby("n", 41) == 42
    assert r.decr("n") == 41
    assert r.decrby("n", 50) == -9
    assert r.incrbyfloat("n", 0.5) == -8.5
    assert r.get("n") == "-8.5"
    with pytest.raises(redis.ResponseError, match="value is not an integer or out of range"):
        r.incr("n")
    r.set("max", 2**63 - 1)
    with pytest.raises(redis.ResponseError, match="increment or decrement would overflow"):
        r.incr("max")


def test_several_keys(r):
    assert r.mset({"a": 1, "b": "two"}) is True
    assert r.mget("a", "x", "b") == ["1", None, "two"]
    assert r.msetnx({"b": 1, "c": 1}) is False
    assert r.msetnx({"c": 1, "d": 1}) is True
    assert r.delete("a", "b", "x") == 2
    assert r.unlink("c", "d") == 2


def test_parts(r):
    assert r.append("s", "Hello") == 5
    assert r.setrange("s", 6, "World") == 11
    assert r.getrange("s", 0, -1) == "Hello\x00World"
    assert r.strlen("s") == 11
    assert r.substr("s", 0, 4) == "Hello"


def test_longest_common_subsequence(r):
    r.mset({"a": "ohmytext", "b": "mynewtext"})
    assert r.lcs("a", "b") == "mytext"
    assert r.lcs("a", "b", len=True) == 6
    found = r.lcs("a", "b", idx=True, withmatchlen=True)
    expected = [[[4, 7], [5, 8], 4], [[2, 3], [0, 1], 2]]
    if isinstance(found, dict):
        assert found == {"matches": expected, "len": 6}
    else:
        assert found == ["matches", expected, "len", 6]


def test_binary_is_untouched(connect):
    raw = connect()
    everything = bytes(range(256))
    raw.set(everything, everything * 1000)
    assert raw.get(everything) == everything * 1000
    assert raw.keys() == [everything]


def test_values_of_many_megabytes(connect):
    raw = connect()
    big = b"0123456789abcdef" * (1 << 20)
    raw.set("big", big)
    assert raw.get("big") == big
    assert raw.strlen("big") == len(big)


def test_wrong_calls_are_response_errors(r):
    with pytest.raises(redis.ResponseError, match="wrong number of arguments for 'get' command"):
        r.execute_command("GET")
    with pytest.raises(redis.ResponseError, match="unknown command 'NOSUCH'"):
        r.execute_command("NOSUCH", "a")
    with pytest.raises(redis.ResponseError, match="syntax error"):
        r.execute_command("SET", "k", "v", "EX", "10", "PX", "10")
    assert r.ping() is True


def test_a_lock_as_its_users_write_it(r):
    assert r.set("lock", "me", nx=True, px=30_000) is True
    assert r.set("lock", "you", nx=True, px=30_000) is None
    assert r.get("lock") == "me"
    assert r.delete("lock") == 1
    assert r.set("lock", "you", nx=True, px=30_000) is True
