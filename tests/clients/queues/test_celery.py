"""Celery with the server as its broker and its store of results, and a real worker."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
import redis
from celery import chain, chord, group

here = pathlib.Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def tasks(server):
    url = f"redis://127.0.0.1:{server.port}/3"
    os.environ["CELERY_URL"] = url
    sys.path.insert(0, str(here))
    import celery_tasks

    log = pathlib.Path(server.directory) / "celery.log"
    with open(log, "wb") as out:
        worker = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "celery_tasks", "worker", "--pool", "threads",
             "--concurrency", "4", "--without-mingle", "--without-gossip"],
            cwd=here, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
        )
    try:
        yield celery_tasks
    finally:
        worker.send_signal(signal.SIGTERM)
        try:
            worker.wait(10)
        except subprocess.TimeoutExpired:
            worker.kill()
        print(log.read_text()[-2000:])


def test_a_result_comes_back(tasks):
    assert tasks.add.delay(2, 3).get(timeout=30) == 5


def test_a_chain_hands_results_on(tasks):
    assert chain(tasks.add.s(1, 2), tasks.add.s(10), tasks.add.s(100))().get(timeout=15) == 113


def test_a_group_gives_all_results_in_order(tasks):
    jobs = group(tasks.add.s(number, number) for number in range(40))
    assert jobs().get(timeout=15) == [number * 2 for number in range(40)]


def test_a_chord_runs_its_body_once_all_are_done(tasks):
    # The results of a chord's header are counted in a sorted set.
    assert chord(tasks.add.s(number, 1) for number in range(20))(tasks.total.s()).get(15) == 210


def test_a_task_with_a_countdown_waits(tasks):
    sent = time.time()
    assert tasks.moment.apply_async(countdown=1).get(timeout=15) - sent >= 1


def test_a_task_is_tried_again(tasks):
    assert tasks.third_time.delay().get(timeout=15) == 2


def test_a_failure_comes_back_as_the_exception(tasks):
    with pytest.raises(ValueError, match="no such thing"):
        tasks.fail.delay("no such thing").get(timeout=15)


def test_a_revoked_task_does_not_run(tasks):
    revoked = tasks.moment.apply_async(countdown=2)
    # The worker hears of it over a channel of its own, made of a set of bindings.
    revoked.revoke()
    with pytest.raises(Exception, match="revoked"):
        revoked.get(timeout=15)


def test_the_worker_answers_and_nothing_stays_unacknowledged(tasks, server, wait_until):
    assert tasks.add.delay(1, 1).get(timeout=15) == 2
    (answer,) = tasks.app.control.ping(timeout=2)
    assert list(answer.values()) == [{"ok": "pong"}]
    with redis.Redis(port=server.port, db=3) as client:
        wait_until(lambda: not client.exists("unacked", "unacked_index"))
        assert client.smembers("_kombu.binding.celery")
