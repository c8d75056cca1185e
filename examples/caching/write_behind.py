"""Write-behind: a write goes to the cache and a queue, and is answered; a worker stores it later.

For counters and other small writes that come by the thousand: the database sees batches. What has
been answered must not be lost, and not be counted twice, whoever crashes:

- The write and its place in the queue are one transaction on the server, and the queue is a stream
  in a server with `appendonly yes`: one that is killed has both or neither. For a power cut, too,
  it wants `appendfsync always`.
- The worker acknowledges after the database has committed. One that is killed before leaves its
  entries pending, and the next one takes them over.
- The database remembers which entries it has (their ids, in the same transaction), so that one that
  comes twice counts once.

`python write_behind.py` kills a worker and the server in the midst, and counts.
"""

import os
import pathlib
import sqlite3
import subprocess
import sys
import tempfile
import time

import redis
import redstart

STREAM, GROUP = "views:queue", "writers"


def view(r, number):
    """A view of a product: counted in the cache, and in the queue."""
    with r.pipeline(transaction=True) as pipe:
        pipe.hincrby("views", number, 1)
        pipe.xadd(STREAM, {"number": number})
        return pipe.execute()[0]


def open_database(path):
    database = sqlite3.connect(path, timeout=20)
    with database:
        database.execute(
            "CREATE TABLE IF NOT EXISTS views (number INTEGER PRIMARY KEY, count INTEGER)"
        )
        database.execute("CREATE TABLE IF NOT EXISTS applied (id TEXT PRIMARY KEY)")
    return database


def apply(database, entries):
    """Writes entries in one transaction, but for those that were written before."""
    with database:
        for entry, fields in entries:
            added = database.execute("INSERT OR IGNORE INTO applied VALUES (?)", (entry,))
            if added.rowcount:
                database.execute(
                    "INSERT INTO views VALUES (?, 1)"
                    " ON CONFLICT (number) DO UPDATE SET count = count + 1",
                    (int(fields["number"]),),
                )


def work(url, path, idle_ms=200):
    """The worker: runs until it is ended. Entries that another has had for `idle_ms`, which is more
    than a batch takes, are taken over."""
    r = redis.Redis.from_url(url, decode_responses=True)
    database = open_database(path)
    name = f"worker-{os.getpid()}"
    try:
        r.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    except redis.ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise
    while True:
        _, entries, _ = r.xautoclaim(STREAM, GROUP, name, idle_ms, count=100)
        if not entries:
            found = r.xreadgroup(GROUP, name, {STREAM: ">"}, count=100, block=100)
            entries = [entry for _, batch in found for entry in batch]
        if entries:
            apply(database, entries)
            if os.environ.get("DIES") == "before it acknowledges":
                os.kill(os.getpid(), 9)
            ids = [entry for entry, _ in entries]
            with r.pipeline() as pipe:
                pipe.xack(STREAM, GROUP, *ids)
                pipe.xdel(STREAM, *ids)
                pipe.execute()
            # What was acknowledged an hour ago does not come again. Ids begin with the time.
            with database:
                an_hour_ago = f"{int(time.time() - 3600) * 1000}-0"
                database.execute("DELETE FROM applied WHERE id < ?", (an_hour_ago,))


def start_worker(url, path, **environment):
    command = [sys.executable, __file__, "work", url, str(path)]
    return subprocess.Popen(command, env={**os.environ, **environment})


def total(path):
    return open_database(path).execute("SELECT coalesce(sum(count), 0) FROM views").fetchone()[0]


def demonstrate(folder):
    path = folder / "shop.sqlite"
    server = redstart.Server(directory=folder, appendonly=True)
    r = server.client(decode_responses=True)
    for number in range(500):
        view(r, number % 5)

    first = start_worker(server.url, path, DIES="before it acknowledges")
    first.wait()
    stored = total(path)
    pending = r.xpending(STREAM, GROUP)["pending"]
    assert first.returncode == -9 and 0 < stored == pending <= 100
    print(f"a worker is killed: {stored} views are stored, and {pending} are still pending")

    second = start_worker(server.url, path)
    for number in range(300):
        view(r, number % 5)
    server.kill()
    print("the server is killed while another worker and a writer are at it")
    second.kill()
    second.wait()

    with redstart.Server(directory=folder, appendonly=True) as server:
        r = server.client(decode_responses=True)
        third = start_worker(server.url, path)
        until = time.monotonic() + 20
        while total(path) < 800 and time.monotonic() < until:
            time.sleep(0.02)
        # Were one written twice, it would come now.
        time.sleep(0.3)
        third.kill()
        third.wait()
        assert total(path) == sum(map(int, r.hvals("views"))) == 800
        print("in the end all 800 views are in the database, each once")


if __name__ == "__main__":
    if sys.argv[1:2] == ["work"]:
        work(*sys.argv[2:4])
    else:
        with tempfile.TemporaryDirectory() as folder:
            demonstrate(pathlib.Path(folder))
