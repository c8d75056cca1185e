"""redis-py: transactions, channels, locks and queues, as its users write them."""

import threading
import time

import pytest
import redis
from redis.exceptions import LockError, LockNotOwnedError


def in_threads(count, work):
    failures = []

    def guarded(number):
        try:
            work(number)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]


def test_transactions(r):
    with r.pipeline() as pipe:
        pipe.set("a", 1).incr("a").hset("h", "f", "v").rpush("l", 1, 2)
        assert pipe.execute() == [True, 2, 1, 2]
        pipe.set("a", "text").incr("a").get("a")
        replies = pipe.execute(raise_on_error=False)
        assert replies[0] is True and replies[2] == "text"
        assert isinstance(replies[1], redis.ResponseError)
        pipe.execute_command("NOSUCH").set("a", "never")
        with pytest.raises(redis.ResponseError, match="unknown command"):
            pipe.execute()
    assert r.get("a") == "text"


def test_counters_by_watch(r, connect):
    r.set("n", 0)

    def work(_):
        mine = connect(decode_responses=True)

        def add(pipe):
            before = int(pipe.get("n"))
            pipe.multi()
            pipe.set("n", before + 1)

        for _ in range(20):
            mine.transaction(add, "n")

    in_threads(5, work)
    assert r.get("n") == "100"


def test_channels_in_a_thread(r):
    heard = []
    listener = r.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(**{"news": lambda message: heard.append(message["data"])})
    listener.psubscribe(**{"sport.*": lambda message: heard.append(message["channel"])})
    thread = listener.run_in_thread(sleep_time=0.01)
    try:
        until = time.monotonic() + 5
        while r.pubsub_numsub("news") != [("news", 1)] or r.pubsub_numpat() != 1:
            assert time.monotonic() < until
        assert r.pubsub_channels("n*") == ["news"]
        assert r.publish("news", "hello") == 1 and r.publish("sport.chess", "e4") == 1
        assert r.publish("nobody", "hears") == 0
        while len(heard) < 2 and time.monotonic() < until:
            time.sleep(0.01)
        assert heard == ["hello", "sport.chess"]
    finally:
        thread.stop()
        thread.join()
        listener.close()


@pytest.mark.needs("EVALSHA")
class TestLock:
    def test_held_by_one(self, r):
        lock, other = r.lock("job", timeout=10), r.lock("job", timeout=10)
        assert lock.acquire(blocking=False) and lock.locked() and lock.owned()
        assert not other.acquire(blocking=False) and not other.owned()
        with pytest.raises(LockError):
            other.release()
        lock.release()
        with other:
            assert 0 < r.pttl("job") <= 10_000

    def test_the_wrong_owner_cannot_release(self, r):
        lock = r.lock("job", timeout=10)
        lock.acquire()
        r.set("job", "another")
        with pytest.raises(LockNotOwnedError):
            lock.release()
        assert r.get("job") == "another"

    def test_extend_and_reacquire(self, r):
        lock = r.lock("job", timeout=10)
        lock.acquire()
        assert lock.extend(10) and 10_000 < r.pttl("job") <= 20_000
        assert lock.extend(5, replace_ttl=True) and r.pttl("job") <= 5_000
        assert lock.reacquire() and 5_000 < r.pttl("job") <= 10_000
        r.delete("job")
        with pytest.raises(LockNotOwnedError):
            lock.extend(1)

    def test_waiting_ends(self, r):
        r.set("job", "another")
        started = time.monotonic()
        assert not r.lock("job").acquire(blocking_timeout=0.2)
        assert time.monotonic() - started < 2
        r.delete("job")
        held = r.lock("job", timeout=0.1)
        assert held.acquire() and r.lock("job", sleep=0.01).acquire(blocking_timeout=5)
        with pytest.raises(LockNotOwnedError):
            held.release()

    def test_a_token_belongs_to_its_thread(self, r):
        lock = r.lock("job", timeout=10, thread_local=True)
        lock.acquire()
        seen = []
        in_threads(1, lambda _: seen.append(getattr(lock.local, "token", None)))
        assert seen == [None]
        shared = r.lock("other", timeout=10, thread_local=False)
        shared.acquire()
        in_threads(1, lambda _: shared.release())
        assert not r.exists("other")

    def test_twenty_threads_contend(self, r):
        guard, inside, most = threading.Lock(), [], []

        def work(number):
            for _ in range(5):
                with r.lock("job", timeout=30, sleep=0.002):
                    with guard:
                        inside.append(number)
                        most.append(len(inside))
                    time.sleep(0.0005)
                    with guard:
                        inside.remove(number)

        in_threads(20, work)
        assert most == [1] * 100


@pytest.mark.needs("BLMOVE")
def test_a_reliable_queue(r, connect):
    jobs = [f"job {number}" for number in range(200)]
    done, guard = [], threading.Lock()

    def work(number):
        mine = connect(decode_responses=True)
        processing = f"processing:{number}"
        while job := mine.blmove("jobs", processing, 0.5, "LEFT", "RIGHT"):
            with guard:
                done.append(job)
            assert mine.lrem(processing, 1, job) == 1

    def produce():
        for job in jobs:
            r.rpush("jobs", job)

    producer = threading.Thread(target=produce)
    producer.start()
    in_threads(8, work)
    producer.join()
    assert sorted(done) == sorted(jobs) and r.dbsize() == 0


@pytest.mark.needs("EVALSHA")
def test_scripts(r):
    script = r.register_script(
        "local n = redis.call('INCR', KEYS[1])"
        " if n == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end return n"
    )
    assert [script(keys=["limit"], args=[60_000]) for _ in range(3)] == [1, 2, 3]
    assert 0 < r.pttl("limit") <= 60_000
    assert r.script_exists(script.sha) == [True]
    r.script_flush()
    assert script(keys=["limit"], args=[60_000]) == 4
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        r.hset("h", "f", "v")
        script(keys=["h"], args=[1])
