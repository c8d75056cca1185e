"""The reliable work queue: workers move a job to a list of their own while they do it, and are
killed at random; what a dead one has left is put back by a reaper.

A job is done when its name stands in `done`, with who did it. It may stand there twice only if the
first to do it was killed before the job was off its list.
"""

import multiprocessing
import random
import time

import pytest
import redis

WORKERS, KILLED, JOBS_PER_KILL = 20, 30, 40
JOBS = KILLED * JOBS_PER_KILL


def connected(port):
    return redis.Redis(host="127.0.0.1", port=port, decode_responses=True, socket_timeout=30)


def work(port, name):
    """Does jobs until it is killed."""
    r = connected(port)
    while True:
        job = r.blmove("jobs", f"processing:{name}", 1, "LEFT", "RIGHT")
        if job:
            time.sleep(random.random() * 0.004)
            r.rpush("done", f"{job} {name}")
            r.lrem(f"processing:{name}", 1, job)


def reap(r, name):
    """Puts back what a dead worker has left, to be done next."""
    while r.lmove(f"processing:{name}", "jobs", "RIGHT", "LEFT"):
        pass


@pytest.mark.needs("BLMOVE")
def test_no_job_is_lost_with_its_worker_or_done_twice(server, connect):
    r = connect(decode_responses=True)
    processes = multiprocessing.get_context("fork")
    living, dead = {}, []

    def hire():
        name = f"worker{len(living) + len(dead)}"
        living[name] = processes.Process(target=work, args=(server.port, name), daemon=True)
        living[name].start()

    def kill(name):
        process = living.pop(name)
        process.kill()
        process.join()
        dead.append(name)

    for _ in range(WORKERS):
        hire()
    until = time.monotonic() + 100
    try:
        for first in range(0, JOBS, JOBS_PER_KILL):
            r.rpush("jobs", *range(first, first + JOBS_PER_KILL))
            time.sleep(random.random() * 0.01)
            kill(random.choice(list(living)))
            hire()
        # Again and again: a job may come to a worker that the server does not know is dead.
        while len({entry.split()[0] for entry in r.lrange("done", 0, -1)}) < JOBS:
            assert time.monotonic() < until, (r.llen("done"), r.llen("jobs"))
            for name in dead:
                reap(r, name)
    finally:
        for name in list(living):
            kill(name)
    workers = {}
    for entry in r.lrange("done", 0, -1):
        job, name = entry.split()
        workers.setdefault(job, []).append(name)
    assert sorted(workers, key=int) == [str(job) for job in range(JOBS)]
    killed = set(dead[:KILLED])
    for job, names in workers.items():
        assert len(set(names)) == len(names) and set(names[:-1]) <= killed, (job, names)
