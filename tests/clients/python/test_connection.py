"""redis-py: what the library says before, between and around commands."""

import signal
import threading
import time

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

OLDER = int(redis.__version__.split(".")[0]) < 6


def test_the_default_protocol_needs_nothing_set(connect):
    r = connect()
    assert r.ping() is True
    info = r.client_info()
    assert info["resp"] == ("2" if OLDER else "3")
    assert info["lib-name"].startswith("redis-py") if "lib-name" in info else True


def test_names_ids_and_the_list(connect):
    r = connect(client_name="first", decode_responses=True)
    assert r.client_getname() == "first"
    assert r.client_setname("second") is True
    mine = [client for client in r.client_list() if client["name"] == "second"]
    assert len(mine) == 1 and int(mine[0]["id"]) == r.client_id()
    assert int(mine[0]["db"]) == 0
    with pytest.raises(redis.ResponseError, match="spaces, newlines or special characters"):
        r.client_setname("two words")
    assert r.client_getname() == "second"


def test_a_killed_connection_is_opened_again(connect):
    killer, victim = connect(), connect(client_name="victim")
    number = victim.client_id()
    assert killer.client_kill_filter(_id=number) == 1
    assert victim.ping() is True
    assert victim.client_id() != number
    with pytest.raises(redis.ResponseError, match="No such client"):
        killer.client_kill("127.0.0.1:1")


def test_an_unknown_subcommand_is_only_an_error(connect):
    r = connect(single_connection_client=True)
    number = r.client_id()
    with pytest.raises(redis.ResponseError, match="unknown subcommand 'NOSUCH'"):
        r.execute_command("CLIENT", "NOSUCH")
    assert r.client_id() == number


def test_info_is_parsed(connect):
    r = connect()
    r.set("k", 1, ex=1000)
    info = r.info()
    assert info["redis_version"].count(".") == 2
    assert info["redis_mode"] == "standalone"
    assert info["tcp_port"] == r.connection_pool.connection_kwargs["port"]
    assert info["connected_clients"] >= 1
    assert info["used_memory"] > 0
    assert info["role"] == "master"
    assert info["loading"] == 0
    assert info["db0"]["keys"] == 1 and info["db0"]["expires"] == 1
    server = r.info("server")
    assert server["process_id"] > 0 and "used_memory" not in server
    assert r.info("keyspace").keys() == {"db0"}


def test_configuration(r):
    assert r.config_get("maxmemory") == {"maxmemory": "0"}
    assert r.config_get("save") == {"save": ""}
    both = r.config_get("maxmemory", "databases")
    assert both == {"maxmemory": "0", "databases": "16"}
    before = r.config_get("timeout")["timeout"]
    assert r.config_set("timeout", 100) is True
    assert r.config_get("timeou*") == {"timeout": "100"}
    assert r.config_set("timeout", before) is True
    with pytest.raises(redis.ResponseError, match="Unknown option"):
        r.config_set("no-such-option", 1)


def test_time_and_echo(r):
    seconds, micros = r.time()
    assert abs(seconds - time.time()) < 5 and 0 <= micros < 1_000_000
    assert r.echo("héllo") == "héllo"


def test_commands_about_commands(r):
    assert r.command_count() > 50
    assert r.command_getkeys("MSET", "a", 1, "b", 2) == ["a", "b"]
    assert r.execute_command("COMMAND INFO", "get")
    assert r.execute_command("COMMAND DOCS", "get")
    assert "get" in r.command_list()


def test_pipelines_without_transactions(r):
    with r.pipeline(transaction=False) as pipe:
        for i in range(2000):
            pipe.set(f"k{i}", i).get(f"k{i}")
        replies = pipe.execute()
    assert replies[0::2] == [True] * 2000
    assert replies[1::2] == [str(i) for i in range(2000)]
    with r.pipeline(transaction=False) as pipe:
        pipe.set("text", "abc").incr("text").get("text")
        replies = pipe.execute(raise_on_error=False)
    assert replies[0] is True and replies[2] == "abc"
    assert isinstance(replies[1], redis.ResponseError)


def test_a_pool_shared_by_threads(server, connect):
    connect()
    pool = redis.ConnectionPool(host="127.0.0.1", port=server.port, max_connections=8)
    failures = []

    def work(number):
        try:
            r = redis.Redis(connection_pool=pool)
            for i in range(200):
                r.incr("shared")
                r.set(f"own:{number}", i)
                assert r.get(f"own:{number}") == str(i).encode()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert redis.Redis(connection_pool=pool).get("shared") == b"1600"
    pool.disconnect()


def test_a_blocking_pool_waits_for_its_turn(server, connect):
    connect()
    pool = redis.BlockingConnectionPool(
        host="127.0.0.1", port=server.port, max_connections=1, timeout=5
    )
    r = redis.Redis(connection_pool=pool)
    threads = [threading.Thread(target=lambda: r.incr("n")) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert r.get("n") == b"10"
    pool.disconnect()


def test_health_checks(connect):
    r = connect(health_check_interval=1)
    assert r.set("k", 1) is True
    time.sleep(1.1)
    assert r.get("k") == b"1"


def test_a_timeout_is_the_clients_own(server, connect):
    r = connect(socket_timeout=0.1, retry=Retry(NoBackoff(), 0))
    r.set("k", "v")
    server.process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(redis.TimeoutError):
            r.get("k")
    finally:
        server.process.send_signal(signal.SIGCONT)
    assert r.get("k") == b"v"


def test_retries_reconnect(connect):
    r = connect(retry=Retry(NoBackoff(), 3), retry_on_error=[redis.ConnectionError])
    r.set("k", 1)
    for _ in range(3):
        connect().client_kill_filter(_id=r.client_id())
        assert r.get("k") == b"1"


def test_from_an_address(server, connect):
    connect()
    r = redis.Redis.from_url(f"redis://127.0.0.1:{server.port}/3?decode_responses=True")
    r.set("k", "v")
    assert r.get("k") == "v" and connect(db=3).exists("k") == 1
    r.close()


def test_bytes_that_are_no_requests_end_the_connection(server):
    import socket

    def answer(sent):
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as link:
            link.sendall(sent)
            received = b""
            while chunk := link.recv(1000):
                received += chunk
            return received

    assert answer(b"*1\r\n+PING\r\n") == b"-ERR Protocol error: expected '$', got '+'\r\n"
    assert answer(b"*x\r\n") == b"-ERR Protocol error: invalid multibulk length\r\n"
    assert answer(b"*1\r\n$-1\r\n") == b"-ERR Protocol error: invalid bulk length\r\n"
    assert answer(b"SET k \"open\r\n") == b"-ERR Protocol error: unbalanced quotes in request\r\n"
    assert answer(b"PING\r\nQUIT\r\n") == b"+PONG\r\n+OK\r\n"
