"""What the jobs of the RQ tests do: a worker imports them by name."""


def add(a, b):
    return a + b


def fail():
    raise ValueError("no such thing")
