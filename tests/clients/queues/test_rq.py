"""RQ: jobs in lists and hashes, what becomes of them in sorted sets, workers in sets, the results of
jobs in streams."""

import datetime
import pathlib
import sys

import pytest
import rq
from rq.job import JobStatus
from rq.registry import (
    CanceledJobRegistry, FailedJobRegistry, FinishedJobRegistry, ScheduledJobRegistry,
)

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import rq_tasks  # noqa: E402


@pytest.fixture
def queue(r):
    return rq.Queue("mail", connection=r)


def work(queue, kind=rq.SimpleWorker, **options):
    kind([queue], connection=queue.connection).work(burst=True, logging_level="ERROR", **options)


@pytest.mark.parametrize("kind", [rq.SimpleWorker, rq.Worker])
def test_a_job_runs_and_its_result_stays(queue, kind):
    job = queue.enqueue(rq_tasks.add, 2, 3)
    assert queue.count == 1 and rq.Worker.count(connection=queue.connection) == 0
    work(queue, kind)
    assert job.get_status() == JobStatus.FINISHED and job.return_value() == 5
    assert queue.connection.xlen(f"rq:results:{job.id}") == 1
    assert job.id in FinishedJobRegistry(queue=queue).get_job_ids()
    assert queue.count == 0


def test_a_failed_job_is_listed_and_can_be_sent_again(queue):
    job = queue.enqueue(rq_tasks.fail)
    work(queue)
    failed = FailedJobRegistry(queue=queue)
    assert failed.get_job_ids() == [job.id] and job.get_status() == JobStatus.FAILED
    failed.requeue(job)
    assert queue.job_ids == [job.id] and failed.count == 0


def test_a_job_waits_for_those_it_depends_on(queue):
    first = queue.enqueue(rq_tasks.add, 1, 1)
    second = queue.enqueue(rq_tasks.add, 2, 2, depends_on=first)
    assert queue.job_ids == [first.id] and second.get_status() == JobStatus.DEFERRED
    work(queue)
    assert second.get_status() == JobStatus.FINISHED


def test_jobs_are_listed_moved_and_cancelled(queue, r):
    first, second = (queue.enqueue(rq_tasks.add, number, 1) for number in (1, 2))
    front = queue.enqueue(rq_tasks.add, 3, 1, at_front=True)
    assert queue.job_ids == [front.id, first.id, second.id]
    second.cancel()
    assert CanceledJobRegistry(queue=queue).get_job_ids() == [second.id]
    job, _ = rq.Queue.dequeue_any([queue], timeout=None, connection=r)
    assert job == front and queue.job_ids == [first.id]
    assert queue.empty() == 1 and not r.exists(first.key)


def test_a_job_of_a_later_time_is_scheduled(queue, wait_until):
    job = queue.enqueue_in(datetime.timedelta(milliseconds=200), rq_tasks.add, 1, 2)
    scheduled = ScheduledJobRegistry(queue=queue)
    assert scheduled.get_job_ids() == [job.id] and queue.count == 0
    scheduler = rq.scheduler.RQScheduler([queue], connection=queue.connection)
    scheduler.acquire_locks()

    def came():
        scheduler.enqueue_scheduled_jobs()
        return queue.job_ids == [job.id]

    wait_until(came)
    scheduler.release_locks()
    assert job.get_status() == JobStatus.QUEUED and scheduled.count == 0


def test_jobs_of_many_queues_run_in_the_queues_order(queue, r):
    urgent = rq.Queue("urgent", connection=r)
    late, soon = queue.enqueue(rq_tasks.add, 1, 1), urgent.enqueue(rq_tasks.add, 2, 2)
    worker = rq.SimpleWorker([urgent, queue], connection=r)
    worker.work(burst=True, max_jobs=1, logging_level="ERROR")
    assert soon.get_status() == JobStatus.FINISHED and late.get_status() == JobStatus.QUEUED
    assert {item.name for item in rq.Queue.all(connection=r)} == {"mail", "urgent"}
