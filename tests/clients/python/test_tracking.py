"""redis-py: the cache that it keeps of what it reads, and MONITOR."""

import threading
import time

import pytest

cache = pytest.importorskip("redis.cache", reason="SKIPPED: this redis-py keeps no cache")


def eventually(condition):
    """Waits for what the server says by itself, however slow the machine is."""
    for _ in range(2000):
        if condition():
            return True
        time.sleep(0.01)
    return False


@pytest.fixture(autouse=True)
def _skip_old_servers(connect):
    version = connect().info("server")["redis_version"]
    if tuple(map(int, version.split(".")[:2])) < (7, 4):
        pytest.skip("SKIPPED: redis-py asks for a server of version 7.4")


@pytest.fixture
def caching(connect):
    return connect(protocol=3, decode_responses=True, cache_config=cache.CacheConfig())


def test_a_cached_value_is_read_again_when_somebody_changes_it(caching, connect):
    other = connect(decode_responses=True)
    other.set("k", "1")
    assert caching.get("k") == "1"
    assert caching.get_cache().size == 1
    hits = other.info("stats")["keyspace_hits"]
    assert caching.get("k") == "1"
    assert other.info("stats")["keyspace_hits"] == hits, "the second read came from the cache"
    other.set("k", "2")
    assert eventually(lambda: caching.get("k") == "2")
    other.delete("k")
    assert eventually(lambda: caching.get("k") is None)


def test_own_changes_expiry_and_flushing_end_what_is_cached(caching, connect):
    other = connect(decode_responses=True)
    caching.set("k", "1")
    assert caching.get("k") == "1"
    caching.set("k", "2")
    assert eventually(lambda: caching.get("k") == "2")
    caching.hset("h", "f", "1")
    assert caching.hget("h", "f") == "1"
    other.hset("h", "f", "2")
    assert eventually(lambda: caching.hget("h", "f") == "2")
    other.pexpire("h", 20)
    assert eventually(lambda: caching.hget("h", "f") is None)
    assert caching.get("k") == "2"
    other.flushall()
    assert eventually(lambda: caching.get("k") is None)


def test_many_clients_keep_caches(connect):
    other = connect(decode_responses=True)
    other.mset({f"k{n}": "0" for n in range(20)})
    options = {"protocol": 3, "decode_responses": True}
    clients = [connect(cache_config=cache.CacheConfig(), **options) for _ in range(4)]

    def read(client):
        for _ in range(30):
            for n in range(20):
                assert client.get(f"k{n}").isdigit()

    threads = [threading.Thread(target=read, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for value in range(1, 20):
        other.mset({f"k{n}": str(value) for n in range(20)})
    for thread in threads:
        thread.join()
    for client in clients:
        assert eventually(lambda: all(client.get(f"k{n}") == "19" for n in range(20)))


def test_monitor_shows_commands(connect):
    r, other = connect(decode_responses=True), connect(decode_responses=True)
    other.ping()
    with r.monitor() as monitor:
        other.set("k", 'say "hi"\n')
        other.eval("return redis.call('get', KEYS[1])", 1, "k")
        while (line := monitor.next_command())["command"].split()[0] != "SET":
            pass
        assert "hi" in line["command"]
        assert line["db"] == 0 and line["client_type"] == "tcp"
        assert monitor.next_command()["command"].startswith("EVAL")
        assert monitor.next_command()["client_type"] == "lua"
