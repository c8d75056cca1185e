"""How long to keep a value: what a TTL gives, and what it costs.

A value that is asked for `rate` times a second, at random, and kept for `ttl` seconds from each
computation on, is found in the cache with the share

    rate * ttl / (1 + rate * ttl)

because each computation serves itself and `rate * ttl` readers on average. So ten times the time
between two reads gives 91 %, a hundred times 99 %; longer TTLs bring little, and make values older:
a reader sees one of `ttl / 2` on average. This measures it on the server.
"""

import random
import time

from shop import client, run


def hit_rate(r, rate, ttl, seconds):
    """Reads a key at random times, and returns the share of hits."""
    hits = reads = 0
    r.delete("k")
    now = time.monotonic()
    next_read, end = now, now + seconds
    while next_read < end:
        next_read += random.expovariate(rate)
        time.sleep(max(next_read - time.monotonic(), 0))
        reads += 1
        if r.get("k") is None:
            r.set("k", "v", px=int(ttl * 1000))
        else:
            hits += 1
    return hits / reads


def demonstrate(url):
    random.seed(7)
    r = client(url)
    rate = 100
    for ttl in (0.01, 0.1, 1.0):
        expected = rate * ttl / (1 + rate * ttl)
        measured = hit_rate(r, rate, ttl, 3)
        assert abs(measured - expected) < 0.12, (ttl, measured, expected)
        print(
            f"TTL {ttl * rate:5.0f} times the time between two reads: "
            f"{measured:.0%} hits, {expected:.0%} by the formula"
        )


if __name__ == "__main__":
    run(demonstrate)
