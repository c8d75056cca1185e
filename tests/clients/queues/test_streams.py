"""Consumers of streams: FastStream and taskiq, whose groups read by XREADGROUP, acknowledge by XACK
and take over by XAUTOCLAIM what a dead consumer has left."""

import asyncio

from faststream.middlewares import AckPolicy
from faststream.redis import RedisBroker, StreamSub
from taskiq.api import run_receiver_task
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker


async def until(holds, seconds=60):
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.01)


def test_faststream_shares_a_streams_messages_in_a_group(r, url):
    async def run():
        broker = RedisBroker(url, logger=None)
        heard, alone = [], []

        for name in ("one", "two"):
            @broker.subscriber(stream=StreamSub("orders", group="shop", consumer=name, last_id=">"))
            async def take(number: int):
                heard.append(number)

        @broker.subscriber(stream=StreamSub("orders", last_id="0"))
        async def watch(number: int):
            alone.append(number)

        async with broker:
            await broker.start()
            for number in range(100):
                await broker.publish(number, stream="orders", maxlen=1000)
            await until(lambda: len(heard) >= 100 and len(alone) >= 100)
        assert sorted(heard) == list(range(100)) and alone == list(range(100))

    asyncio.run(run())
    assert r.xpending("orders", "shop")["pending"] == 0 and r.xlen("orders") == 100
    assert r.xinfo_groups("orders")[0]["lag"] == 0


def test_faststream_batches_and_claims_what_was_left(r, url):
    r.xgroup_create("orders", "shop", mkstream=True)

    async def run():
        broker = RedisBroker(url, logger=None)
        batches, claimed = [], []

        @broker.subscriber(
            stream=StreamSub("orders", group="shop", consumer="slow", batch=True, last_id=">"),
            ack_policy=AckPolicy.MANUAL,
        )
        async def leave(numbers: list[int]):
            batches.extend(numbers)

        async with broker:
            for number in range(10):
                await broker.publish(number, stream="orders")
            await broker.start()
            await until(lambda: len(batches) == 10)
        assert r.xpending("orders", "shop")["pending"] == 10

        broker = RedisBroker(url, logger=None)

        @broker.subscriber(
            stream=StreamSub("orders", group="shop", consumer="next", min_idle_time=50)
        )
        async def take(number: int):
            claimed.append(number)

        async with broker:
            await broker.start()
            await until(lambda: len(claimed) >= 10)
        assert sorted(claimed) == batches

    asyncio.run(run())
    assert r.xpending("orders", "shop")["pending"] == 0


def test_taskiq_runs_tasks_of_a_stream(r, url):
    async def run():
        results = RedisAsyncResultBackend(url)
        broker = RedisStreamBroker(url, xread_block=100).with_result_backend(results)

        @broker.task
        async def double(number: int) -> int:
            return number * 2

        await broker.startup()
        receiver = asyncio.create_task(run_receiver_task(broker))
        tasks = [await double.kiq(number) for number in range(50)]
        found = [(await task.wait_result(timeout=20)).return_value for task in tasks]
        # A task is acknowledged behind its result.
        await until(lambda: r.xpending("taskiq", "taskiq")["pending"] == 0)
        receiver.cancel()
        await asyncio.gather(receiver, return_exceptions=True)
        await broker.shutdown()
        assert found == [number * 2 for number in range(50)]

    asyncio.run(run())
