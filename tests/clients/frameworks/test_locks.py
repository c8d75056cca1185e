"""Locks: python-redis-lock on one server, pottery's Redlock over three."""

import threading
import time

import pytest
import redis
import redis_lock
from pottery import QuorumNotAchieved, ReleaseUnlockedLock, Redlock

from server import Server


@pytest.fixture
def client(server, r):
    with redis.Redis(host="127.0.0.1", port=server.port) as client:
        yield client


def contend(lock_of, threads, rounds):
    """Enters the locks that `lock_of(number)` makes, from threads at once: how many were ever
    inside together, and how often one was."""
    guard = threading.Lock()
    state = {"inside": 0, "most": 0, "entered": 0}
    failures = []

    def work(number):
        try:
            for _ in range(rounds):
                with lock_of(number):
                    with guard:
                        state["inside"] += 1
                        state["most"] = max(state["most"], state["inside"])
                        state["entered"] += 1
                    time.sleep(0.001)
                    with guard:
                        state["inside"] -= 1
        except Exception as error:
            failures.append(error)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures, failures[0]
    return state["most"], state["entered"]


@pytest.mark.needs("EVALSHA", "BLPOP")
class TestPythonRedisLock:
    def test_held_by_one_and_signalled_to_the_next(self, client):
        lock, other = redis_lock.Lock(client, "job"), redis_lock.Lock(client, "job")
        assert lock.acquire()
        assert not other.acquire(blocking=False)
        threading.Timer(0.1, lock.release).start()
        started = time.monotonic()
        # BLPOP wakes it: no polling lies in between.
        assert other.acquire(timeout=5) and time.monotonic() - started < 2
        other.release()
        with pytest.raises(redis_lock.NotAcquired):
            other.release()

    def test_a_timeout_of_waiting(self, client):
        with redis_lock.Lock(client, "job"):
            other = redis_lock.Lock(client, "job")
            started = time.monotonic()
            assert not other.acquire(timeout=1)
            assert 0.9 < time.monotonic() - started < 3

    def test_it_expires_extends_and_renews_itself(self, client):
        lock = redis_lock.Lock(client, "job", expire=1)
        assert lock.acquire()
        lock.extend(expire=20)
        assert 10 < client.ttl("lock:job") <= 20
        lock.release()
        with redis_lock.Lock(client, "job", expire=1, auto_renewal=True):
            time.sleep(1.5)
            assert not redis_lock.Lock(client, "job").acquire(blocking=False)

    def test_owners_and_resetting(self, client):
        lock = redis_lock.Lock(client, "job", id="owner one", expire=30)
        lock.acquire()
        again = redis_lock.Lock(client, "job", id="owner one")
        assert again.get_owner_id() == "owner one"
        redis_lock.reset_all(client)
        assert redis_lock.Lock(client, "job").acquire(blocking=False)

    def test_twenty_threads_contend(self, client):
        assert contend(lambda _: redis_lock.Lock(client, "job", expire=30), 20, 5) == (1, 100)


@pytest.fixture
def masters():
    servers = [Server() for _ in range(3)]
    clients = [redis.Redis(host="127.0.0.1", port=one.port, socket_timeout=2) for one in servers]
    yield servers, set(clients)
    for client in clients:
        client.close()
    for one in servers:
        one.stop()


@pytest.mark.needs("EVALSHA")
class TestRedlock:
    def test_a_majority_grants_and_releases(self, masters):
        _, clients = masters
        lock = Redlock(key="printer", masters=clients, auto_release_time=20)
        other = Redlock(key="printer", masters=clients, auto_release_time=20)
        assert lock.acquire() and 0 < lock.locked() <= 20
        assert sum(client.exists("redlock:printer") for client in clients) == 3
        assert not other.acquire(blocking=False)
        lock.extend()
        lock.release()
        assert other.acquire(blocking=False)
        other.release()
        with pytest.raises(ReleaseUnlockedLock):
            other.release()

    def test_it_lives_with_one_server_dead_and_not_with_two(self, masters):
        servers, clients = masters
        servers[0].process.kill()
        with Redlock(key="printer", masters=clients, auto_release_time=10) as lock:
            assert lock.locked() > 0
        servers[1].process.kill()
        lock = Redlock(
            key="printer", masters=clients, auto_release_time=10, context_manager_timeout=0.5
        )
        with pytest.raises(QuorumNotAchieved):
            with lock:
                pass

    def test_it_expires(self, masters):
        _, clients = masters
        assert Redlock(key="printer", masters=clients, auto_release_time=0.3).acquire()
        # The servers set it one after the other, and a busy machine takes its time for that.
        lock = Redlock(key="printer", masters=clients, auto_release_time=20)
        began = time.monotonic()
        assert lock.acquire(timeout=10)
        assert time.monotonic() - began < 5

    def test_threads_contend(self, masters):
        _, clients = masters

        def lock_of(_):
            return Redlock(key="printer", masters=clients, auto_release_time=20)

        assert contend(lock_of, 5, 4) == (1, 20)
