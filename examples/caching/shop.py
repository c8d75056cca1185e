"""What the examples share: a database that is slow to ask, and a server to cache on.

Each example is a program: `python cache_aside.py` starts a server of its own, and
`python cache_aside.py redis://127.0.0.1:6379` uses that one, whose current database it empties. It
tells what it does, and asserts what it tells.
"""

import sqlite3
import sys
import threading
import time

import redis
import redstart


class Database:
    """Products in SQLite, with counts of how often they were read and written."""

    def __init__(self, path=":memory:", seconds=0.1):
        self.seconds, self.reads, self.writes = seconds, 0, 0
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False)
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS products"
            " (number INTEGER PRIMARY KEY, name TEXT, price REAL)"
        )
        for number in range(1, 6):
            self._put(number, f"product {number}", 10.0 * number)

    def product(self, number):
        """A product, or None; takes as long as a query to another machine."""
        with self._lock:
            self.reads += 1
        time.sleep(self.seconds)
        with self._lock:
            row = self._connection.execute(
                "SELECT number, name, price FROM products WHERE number = ?", (number,)
            ).fetchone()
        return row and dict(zip(("number", "name", "price"), row))

    def put(self, number, name, price):
        with self._lock:
            self.writes += 1
        self._put(number, name, price)
        return {"number": number, "name": name, "price": price}

    def _put(self, number, name, price):
        with self._lock, self._connection:
            self._connection.execute(
                "INSERT OR REPLACE INTO products VALUES (?, ?, ?)", (number, name, price)
            )


def at_once(count, work):
    """Has threads do something at once, and returns what they return."""
    found, gate = [], threading.Barrier(count)

    def one():
        gate.wait()
        found.append(work())

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def run(demonstrate):
    """Runs an example on the server that the command line names, or on one of its own."""
    if len(sys.argv) > 1:
        demonstrate(sys.argv[1])
        return
    with redstart.Server() as server:
        demonstrate(server.url)


def client(url, **options):
    """A client of a server without keys."""
    made = redis.Redis.from_url(url, **options)
    made.flushdb()
    return made
