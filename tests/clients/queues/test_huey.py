"""huey: tasks in a list or, by priority, in a sorted set; schedules in a sorted set."""

import threading
import time

import pytest
from huey import PriorityRedisHuey, RedisHuey
from huey.exceptions import TaskLockedException


@pytest.fixture(params=[RedisHuey, PriorityRedisHuey])
def huey(r, url, request):
    return request.param("work", url=url, blocking=request.param is RedisHuey)


@pytest.fixture
def consume(huey):
    """Starts a consumer, which is stopped at the test's end."""
    running = []

    def start(workers=2):
        consumer = huey.create_consumer(workers=workers, initial_delay=0.01, max_delay=0.05)
        # Signal handlers are the main thread's.
        consumer._set_signal_handlers = lambda: None
        consumer.start()
        running.append(consumer)

    yield start
    for consumer in running:
        consumer.stop(graceful=False)


def test_results_come_back(huey, consume):
    add = huey.task()(lambda a, b: a + b)
    consume()
    assert [add(number, 1).get(blocking=True, timeout=10) for number in range(20)] == list(
        range(1, 21)
    )


def test_a_task_of_a_later_time_waits(huey, consume):
    now = huey.task()(lambda: time.time())
    sent = time.time()
    result = now.schedule(delay=1)
    consume()
    assert result.get(blocking=True, timeout=10) - sent >= 0.9


def test_a_failed_task_is_tried_again(huey, consume):
    tries = []

    @huey.task(retries=2)
    def third_time():
        tries.append(1)
        if len(tries) < 3:
            raise ValueError
        return len(tries)

    result = third_time()
    consume(workers=1)
    end = time.monotonic() + 10
    while len(tries) < 3 and time.monotonic() < end:
        time.sleep(0.01)
    assert len(tries) == 3 and result.id


def test_a_revoked_task_does_not_run(huey, consume):
    ran = threading.Event()

    @huey.task()
    def work():
        ran.set()

    @huey.task()
    def other():
        return "ran"

    work().revoke()
    behind = other()
    consume(workers=1)
    assert behind.get(blocking=True, timeout=10) == "ran" and not ran.is_set()


def test_the_higher_priority_comes_first(r, url):
    huey = PriorityRedisHuey("ranks", url=url)
    order = []
    note = huey.task()(lambda name: order.append(name))
    for name, priority in (("low", 1), ("high", 9), ("middle", 5)):
        note(name, priority=priority)
    while task := huey.dequeue():
        huey.execute(task)
    assert order == ["high", "middle", "low"]


def test_a_lock_is_held_by_one(huey):
    with huey.lock_task("alone"):
        with pytest.raises(TaskLockedException):
            with huey.lock_task("alone"):
                pass
    with huey.lock_task("alone"):
        pass
