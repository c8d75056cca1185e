"""What the worker of the Celery tests knows. `CELERY_URL` names the server."""

import os
import time

from celery import Celery

app = Celery("tasks", broker=os.environ["CELERY_URL"], backend=os.environ["CELERY_URL"])
app.conf.update(
    broker_connection_retry_on_startup=True,
    task_track_started=True,
    # Unacknowledged messages stay in a hash and a sorted set until their task is done.
    task_acks_late=True,
    worker_send_task_events=True,
    broker_transport_options={"priority_steps": [0, 3, 6, 9], "queue_order_strategy": "priority"},
)


@app.task
def add(a, b):
    return a + b


@app.task
def total(numbers):
    return sum(numbers)


@app.task(bind=True, max_retries=3)
def third_time(self):
    if self.request.retries < 2:
        raise self.retry(countdown=0)
    return self.request.retries


@app.task
def fail(text):
    raise ValueError(text)


@app.task
def moment():
    return time.time()
