"""Pottery's containers, which look like Python's own: sets, counters, lists, deques, caches, ids."""

import pytest
import redis
from pottery import (
    NextID, RedisCounter, RedisDeque, RedisDict, RedisList, RedisSet, redis_cache,
)


@pytest.fixture
def client(server, r):
    with redis.Redis(host="127.0.0.1", port=server.port) as client:
        yield client


def test_sets_are_combined(client):
    odd = RedisSet({1, 3, 5, "text"}, redis=client, key="odd")
    low = RedisSet({1, 2, 3}, redis=client, key="low")
    assert not odd.isdisjoint(low) and odd.isdisjoint({2, 4}) and odd.issuperset({1, 5})
    odd.update(low)
    assert odd == {1, 2, 3, 5, "text"} and list(odd.contains_many(1, 9)) == [True, False]
    odd.difference_update(low)
    assert odd == {5, "text"} and odd.pop() not in odd and len(odd) == 1
    low.clear()
    assert low == set() and not client.exists("low")


def test_counts_lists_and_dicts(client):
    counter = RedisCounter("abracadabra", redis=client, key="letters")
    assert counter.most_common(1) == [("a", 5)] and counter["c"] == 1 and counter["x"] == 0
    squares = RedisList([1, 4, 9], redis=client, key="squares")
    squares[1] = 3
    squares.insert(0, 0)
    assert squares == [0, 1, 3, 9] and squares.index(9) == 3
    table = RedisDict({"a": 1}, redis=client, key="table")
    table.update(b=[2, None])
    assert table == {"a": 1, "b": [2, None]} and table.pop("a") == 1


def test_a_deque_keeps_its_length(client):
    last = RedisDeque("abc", maxlen=3, redis=client, key="last")
    last.append("d")
    last.rotate(1)
    assert list(last) == ["d", "b", "c"] and last.popleft() == "d"


def test_results_are_cached(client):
    calls = []

    @redis_cache(redis=client, key="squares-of", timeout=60)
    def square(number):
        calls.append(number)
        return number * number

    assert [square(number) for number in (2, 3, 2)] == [4, 9, 4] and calls == [2, 3]
    square.cache_clear()
    assert square(2) == 4 and calls == [2, 3, 2]


def test_ids_rise(client):
    ids = NextID(key="orders", masters={client})
    assert [next(ids) for _ in range(3)] == [1, 2, 3]
