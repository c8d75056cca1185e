"""walrus: containers, models with indexes, autocompletion, limits and locks."""

import pytest
import walrus


@pytest.fixture
def db(r, server):
    return walrus.Database(host="127.0.0.1", port=server.port)


def test_sets_are_combined(db):
    odd, prime = db.Set("odd"), db.Set("prime")
    odd.add(1, 3, 5, 7, 9)
    prime.add(2, 3, 5, 7)
    assert len(odd & prime) == 3 and len(odd | prime) == 6 and len(odd - prime) == 2
    assert prime.interstore("both", odd).members() == {b"3", b"5", b"7"}
    assert 3 in odd and 4 not in odd and odd.pop() in {b"1", b"3", b"5", b"7", b"9"}


def test_a_sorted_set_is_sliced(db):
    ranks = db.ZSet("ranks")
    ranks.add({"a": 1, "b": 2, "c": 3, "d": 4})
    assert ranks[:2] == [b"a", b"b"] and ranks["b":] == [b"b", b"c", b"d"]
    assert ranks.rank("c") == 2 and ranks.score("a") == 1.0
    assert ranks.incr("a", 10) == 11.0 and ranks[-1] == [b"a"]
    del ranks["b"]
    assert len(ranks) == 3 and [name for name, _ in ranks.popmin(2)] == [b"c", b"d"]


def test_models_are_found_by_their_indexes(db):
    class User(walrus.Model):
        __database__ = db
        name = walrus.TextField(primary_key=True)
        age = walrus.IntegerField(index=True)
        about = walrus.TextField(fts=True)

    for name, age, about in (("ann", 30, "likes tea"), ("bob", 20, "likes rum"), ("eve", 40, "")):
        User.create(name=name, age=age, about=about)
    assert {user.name for user in User.query(User.age > 25)} == {"ann", "eve"}
    assert [user.name for user in User.query(User.about.match("rum"), User.age)] == ["bob"]
    User.load("ann").delete()
    assert {user.name for user in User.all()} == {"bob", "eve"}


def test_phrases_are_completed(db):
    complete = db.autocomplete()
    for phrase in ("redis server", "red star", "blue star"):
        complete.store(phrase, title=phrase)
    assert set(complete.search("red")) == {"redis server", "red star"}


def test_a_limit_and_a_lock(db):
    limit = db.rate_limit("clicks", limit=3, per=60)
    assert [limit.limit("ann") for _ in range(5)] == [False] * 3 + [True] * 2
    lock, other = db.lock("job", ttl=10000), db.lock("job", ttl=10000)
    assert lock.acquire(block=False) and not other.acquire(block=False) and lock.release()


def test_consumer_groups_read_streams(db):
    stream = db.Stream("orders")
    ids = [stream.add({"number": number}) for number in range(3)]
    group = db.consumer_group("shop", ["orders"])
    group.create()
    group.set_id("0")
    [(name, messages)] = group.read(count=2)
    assert name == b"orders" and [message for message, _ in messages] == ids[:2]
    assert group.orders.ack(ids[0]) == 1
    assert [entry["message_id"] for entry in group.orders.pending()] == [ids[1]]
    other = group.consumer("other")
    claimed = other.orders.claim(ids[1], min_idle_time=0)
    assert claimed == [(ids[1], {b"number": b"1"})]
    assert [message for message, _ in other.orders.read()] == ids[2:]
    stream.trim(1, approximate=False)
    assert len(stream) == 1
