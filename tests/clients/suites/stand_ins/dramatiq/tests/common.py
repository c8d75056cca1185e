"""What dramatiq's tests share; its source distribution lacks the file."""

import contextlib

from dramatiq import Worker


@contextlib.contextmanager
def worker(*args, **options):
    running = Worker(*args, **options)
    running.start()
    try:
        yield running
    finally:
        running.stop()


def skip_in_ci(test):
    return test
