"""What a stampede costs: many clients, a hot key that ends every second, computed in 200 ms.

    python stampede.py                       1,000 clients, some seconds each way
    python stampede.py --write ../../docs    writes the picture and the table of docs/caching.md

The clients are threads of several processes. Each reads the key, rests, and reads again, in one of
five ways; each computation is a query to the database, and its load is how many there are at once.
"""

import argparse
import json
import math
import pathlib
import random
import subprocess
import sys
import threading
import time
import uuid

import redis
import redstart
from dogpile.cache import make_region
from redstart.cache import Cache

TTL, COMPUTATION, PROCESSES = 1.0, 0.2, 4
# How long a client rests between two reads, how long one that polls sleeps, and how long it takes
# until all have connected and what is measured begins.
REST, POLL, WARM_UP = 1.0, 0.05, 5.0


def connect(url):
    """A client whose pool has a connection for each thread: redis-py's has a hundred by default."""
    return redis.Redis.from_url(url, max_connections=10_000)


def cache_aside(url):
    """Whoever misses computes."""
    r = connect(url)

    def read(compute):
        if r.get("hot") is None:
            r.set("hot", compute(), px=int(TTL * 1000))

    return read


def setnx_lock(url):
    """Whoever misses takes a lock by SET NX; the others sleep and look again."""
    r = connect(url)
    release = r.register_script(
        "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"
    )

    def read(compute):
        while r.get("hot") is None:
            owner = uuid.uuid4().hex
            if not r.set("hot:lock", owner, nx=True, px=10_000):
                time.sleep(POLL)
                continue
            # Another may have stored it between the look and the lock.
            if r.get("hot") is None:
                r.set("hot", compute(), px=int(TTL * 1000))
            release(["hot:lock"], [owner])

    return read


def dogpile(url):
    """dogpile.cache with its lock on Redis: one computes, the others have the value before."""
    arguments = {"url": url, "redis_expiration_time": 60, "distributed_lock": True}
    arguments |= {"connection_kwargs": {"max_connections": 10_000}}
    arguments |= {"lock_timeout": 10, "thread_local_lock": False, "lock_sleep": POLL}
    region = make_region().configure(
        "dogpile.cache.redis", expiration_time=TTL, arguments=arguments
    )
    return lambda compute: region.get_or_create("hot", compute)


def leases_that_wait(url):
    """A lease: one computes, the others wait on the server."""
    cache = Cache(connect(url), ttl=TTL, early=0)
    return lambda compute: cache.get_or_compute("hot", compute)


def leases_early(url):
    """A lease before the value ends: one computes, the others have the value before."""
    cache = Cache(connect(url), ttl=TTL, early=0.3, grace=10)
    return lambda compute: cache.get_or_compute("hot", compute)


WAYS = {
    "cache-aside": cache_aside,
    "a lock by SET NX": setnx_lock,
    "dogpile's lock": dogpile,
    "leases, waiting": leases_that_wait,
    "leases, early and stale": leases_early,
}


def be_clients(way, url, count, seconds):
    """A process of clients: prints its computations and how long its reads took."""
    sys.setswitchinterval(0.0005)
    threading.stack_size(256 * 1024)
    read = WAYS[way](url)
    computations, waits = [], []
    begin = time.monotonic() + WARM_UP
    end = begin + seconds

    def compute():
        begun = time.monotonic()
        time.sleep(COMPUTATION)
        computations.append((begun, time.monotonic()))
        return "value"

    def client():
        time.sleep(random.uniform(0, WARM_UP - REST))
        while (begun := time.monotonic()) < end:
            read(compute)
            if begun >= begin:
                waits.append(time.monotonic() - begun)
            time.sleep(REST * random.uniform(0.8, 1.2))

    threads = [threading.Thread(target=client) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    json.dump(
        {"begin": begin, "end": end, "computations": computations, "waits": waits}, sys.stdout
    )


def measure(way, clients, seconds):
    """One way: the database's load over time, computations for each expiry, what readers wait."""
    with redstart.Server() as server:
        share = [str(clients // PROCESSES), str(seconds)]
        command = [sys.executable, __file__, "--way", way, "--url", server.url, "--be", *share]
        processes = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(PROCESSES)]
        parts = [json.loads(process.communicate()[0]) for process in processes]
    begin, end = max(part["begin"] for part in parts), min(part["end"] for part in parts)
    computations = sorted(
        tuple(pair)
        for part in parts
        for pair in part["computations"]
        if begin <= pair[0] and pair[1] <= end
    )
    # What overlaps or follows at once belongs to one expiry.
    expiries, until = 0, 0.0
    for begun, ended in computations:
        expiries += begun > until + 0.3 * TTL
        until = max(until, ended)
    waits = sorted(wait for part in parts for wait in part["waits"])
    steps = sorted(
        [(at - begin, 1) for at, _ in computations] + [(at - begin, -1) for _, at in computations]
    )
    load, line = 0, [(0.0, 0)]
    for at, step in steps:
        load += step
        line.append((at, load))
    return {
        "line": line,
        "seconds": end - begin,
        "per_expiry": len(computations) / max(expiries, 1),
        "at_once": max(load for _, load in line),
        "p50": waits[len(waits) // 2] * 1000,
        "p99": waits[int(len(waits) * 0.99)] * 1000,
    }


def table(found):
    lines = ["| way | computations for each expiry | at once at most | a reader waits, p50 | p99 |"]
    lines += ["| --- | --- | --- | --- | --- |"]
    for way, seen in found.items():
        lines += [
            f"| {way} | {seen['per_expiry']:.1f} | {seen['at_once']} "
            f"| {seen['p50']:.1f} ms | {seen['p99']:.1f} ms |"
        ]
    return "\n".join(lines)


def picture(found):
    """The load of the database over five seconds, a strip for each way, as SVG."""
    width, height, left, top, gap, shown = 640, 70, 190, 40, 16, 5.0
    full = len(found) * (height + gap) + top + 40
    highest = max(seen["at_once"] for seen in found.values())
    scale = height / _log(highest)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 20} {full}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{left + width + 20}" height="{full}" fill="#fff"/>',
        '<text x="10" y="20" font-size="14">Queries to the database at once '
        "(logarithmic), while a hot key ends every second</text>",
    ]
    for row, (way, seen) in enumerate(found.items()):
        base = top + row * (height + gap) + height
        parts += [f'<text x="10" y="{base - height / 2}">{way}</text>']
        parts += [
            f'<text x="10" y="{base - height / 2 + 16}" fill="#666">'
            f"{seen['per_expiry']:.0f} for each expiry</text>"
        ]
        for mark in (1, 10, 100):
            if mark <= highest:
                y = base - _log(mark) * scale
                parts += [f'<path d="M{left} {y:.1f}h{width}" stroke="#ddd"/>']
                parts += [
                    f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end" '
                    f'fill="#666" font-size="10">{mark}</text>'
                ]
        path, level = [f"M{left} {base}"], 0
        for at, load in seen["line"]:
            if at > shown:
                break
            x = left + at / shown * width
            path += [
                f"L{x:.1f} {base - _log(level) * scale:.1f}L{x:.1f} {base - _log(load) * scale:.1f}"
            ]
            level = load
        path += [f"H{left + width}V{base}Z"]
        parts += [f'<path d="{"".join(path)}" fill="#c33" stroke="#c33"/>']
        parts += [f'<path d="M{left} {base}h{width}" stroke="#333"/>']
    for second in range(int(shown) + 1):
        x = left + second / shown * width
        parts += [
            f'<text x="{x}" y="{full - 18}" text-anchor="middle" fill="#666">{second} s</text>'
        ]
    return "\n".join([*parts, "</svg>", ""])


def _log(load):
    """The height of a load: none at 0, and more for each power of ten."""
    return 0.0 if load == 0 else 1 + 1.5 * math.log10(load)


def write(folder, found, clients):
    (folder / "stampede.svg").write_text(picture(found))
    document = folder / "caching.md"
    text = document.read_text()
    before, rest = text.split("<!-- stampede.py writes this table -->\n")
    _, after = rest.split("<!-- to here -->\n")
    mark = "<!-- stampede.py writes this table -->\n"
    document.write_text(f"{before}{mark}{table(found)}\n<!-- to here -->\n{after}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--write", type=pathlib.Path)
    parser.add_argument("--way", help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--be", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.be:
        be_clients(options.way, options.url, int(options.be[0]), float(options.be[1]))
        return
    found = {way: measure(way, options.clients, options.seconds) for way in WAYS}
    print(f"{options.clients} clients, TTL {TTL} s, a computation takes {COMPUTATION} s")
    print(table(found))
    assert found["cache-aside"]["per_expiry"] > 5 * options.clients / 1000
    for way in ("leases, waiting", "leases, early and stale"):
        assert found[way]["per_expiry"] == 1 == found[way]["at_once"], way
    if options.write:
        write(options.write, found, options.clients)


if __name__ == "__main__":
    main()
