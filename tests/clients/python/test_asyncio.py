"""redis-py's asyncio client: what the synchronous tests ask, asked concurrently."""

import asyncio
import time

import pytest
import redis
import redis.asyncio


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def run(request, server, connect):
    """Runs a coroutine that is given a client."""
    connect()

    def start(body, **options):
        async def work():
            options.setdefault("decode_responses", True)
            r = redis.asyncio.Redis(
                host="127.0.0.1", port=server.port, protocol=request.param, **options
            )
            try:
                async with asyncio.timeout(30):
                    await body(r)
            finally:
                await r.aclose()

        asyncio.run(work())

    return start


def test_many_calls_at_once(run):
    async def body(r):
        await asyncio.gather(*(r.set(f"k{i}", i) for i in range(50)))
        assert await r.mget(*(f"k{i}" for i in range(50))) == [str(i) for i in range(50)]
        await asyncio.gather(*(r.incr("n") for _ in range(50)))
        assert await r.get("n") == "50"
        assert len([key async for key in r.scan_iter("k*", count=7)]) == 50

    run(body)


def test_hashes_and_lists(run):
    async def body(r):
        assert await r.hset("h", mapping={f"f{i}": i for i in range(200)}) == 200
        assert len([pair async for pair in r.hscan_iter("h", match="f1*")]) == 111
        assert (await r.hgetall("h"))["f7"] == "7" and await r.hincrby("h", "f7", 3) == 10
        assert await r.hmget("h", "f1", "none") == ["1", None]
        assert await r.rpush("l", *range(10)) == 10
        assert await r.lrange("l", -2, -1) == ["8", "9"]
        assert await r.lpop("l", 3) == ["0", "1", "2"] and await r.lmove("l", "m") == "3"

    run(body)


def test_pipelines(run):
    async def body(r):
        async with r.pipeline(transaction=False) as pipe:
            for i in range(500):
                pipe.set(f"k{i}", i)
            assert await pipe.execute() == [True] * 500
        async with r.pipeline(transaction=True) as pipe:
            replies = await pipe.incr("n").hset("h", "f", "v").lpush("l", "a", "b").execute()
            assert replies == [1, 1, 2]
            pipe.set("k", "text").incr("k")
            with pytest.raises(redis.ResponseError, match="not an integer"):
                await pipe.execute()
        assert await r.get("k") == "text"

    run(body)


def test_a_watched_key_that_changes_ends_the_transaction(run):
    async def body(r):
        await r.set("balance", 10)
        async with r.pipeline() as pipe:
            await pipe.watch("balance")
            balance = int(await pipe.get("balance"))
            await r.set("balance", 99)
            pipe.multi()
            pipe.set("balance", balance - 1)
            with pytest.raises(redis.WatchError):
                await pipe.execute()
        assert await r.get("balance") == "99"

        async def withdraw(pipe):
            balance = int(await pipe.get("balance"))
            pipe.multi()
            pipe.set("balance", balance - 1)

        await asyncio.gather(*(r.transaction(withdraw, "balance") for _ in range(20)))
        assert await r.get("balance") == "79"

    run(body)


def test_channels(run):
    async def body(r):
        async with r.pubsub() as listener:
            await listener.subscribe("news")
            await listener.psubscribe("n*")
            heard = []

            async def listen():
                async for message in listener.listen():
                    if message["type"].endswith("message"):
                        heard.append((message["type"], message["data"]))
                        if len(heard) == 20:
                            return

            listening = asyncio.create_task(listen())
            while await r.publish("news", "anyone?") < 2:
                await asyncio.sleep(0.01)
            heard.clear()
            for i in range(10):
                await r.publish("news", i)
            await listening
            said = [data for kind, data in heard if kind == "message" and data != "anyone?"]
            assert said == [str(i) for i in range(len(said))] and len(said) >= 9

    run(body)


def test_a_cancelled_call_does_not_mix_up_replies(run):
    async def body(r):
        await r.set("a", "of a")
        await r.set("b", "of b")
        for _ in range(20):
            task = asyncio.create_task(r.get("a"))
            await asyncio.sleep(0)
            task.cancel()
            assert await r.get("b") == "of b"

    run(body)


@pytest.mark.needs("BLPOP")
def test_waiting_for_elements(run):
    async def body(r):
        waiting = asyncio.create_task(r.blpop(["empty", "queue"], timeout=5))
        await asyncio.sleep(0.05)
        await r.rpush("queue", "job")
        assert list(await waiting) == ["queue", "job"]
        started = time.monotonic()
        assert await r.blpop("queue", timeout=0.2) is None
        assert 0.19 < time.monotonic() - started < 2

    run(body)


@pytest.mark.needs("EVALSHA")
def test_locks_and_scripts(run):
    async def body(r):
        inside, most = 0, 0

        async def work():
            nonlocal inside, most
            async with r.lock("job", timeout=10, sleep=0.005):
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0.001)
                inside -= 1

        await asyncio.gather(*(work() for _ in range(20)))
        assert most == 1 and not await r.exists("job")
        script = r.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
        assert await script(keys=["n"], args=[5]) == 5

    run(body)
