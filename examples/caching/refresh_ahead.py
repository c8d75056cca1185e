"""Refresh-ahead: what is asked for shortly before its end is renewed, the old value served.

For what everybody wants and what takes long: after the first reader nobody waits for the database.
What nobody asks for is not renewed, and ends. `early` is the last part of the TTL; make it longer
than a computation takes. With `grace` a value that has ended is still given, while one reader
renews it: readers that come seldom do not wait, either, for the price of an older value.
"""

import json
import time

from redstart.cache import Cache

from shop import Database, client, run


def demonstrate(url):
    r = client(url)
    database = Database()
    cache = Cache(r, ttl=1, early=0.8, background=True)

    @cache.cached(key=lambda: "front-page")
    def front_page() -> list:
        return [database.product(number) for number in (1, 2)]

    front_page()
    slowest, reads = 0.0, 0
    until = time.monotonic() + 3
    while time.monotonic() < until:
        begun = time.monotonic()
        front_page()
        slowest, reads = max(slowest, time.monotonic() - begun), reads + 1
        time.sleep(0.01)
    renewed = database.reads // 2 - 1
    assert 3 <= renewed <= 10, renewed
    assert slowest < 2 * database.seconds, slowest
    print(
        f"{reads} reads in 3 s: renewed {renewed} times, the slowest took {slowest * 1000:.1f} ms"
    )

    time.sleep(1.3)
    assert r.get("front-page") is None
    print("what nobody asks for ends")

    @cache.cached(key=lambda: "seldom", ttl=0.15, grace=60)
    def seldom() -> int:
        time.sleep(0.2)
        return database.reads

    first = seldom()
    time.sleep(0.3)
    database.product(1)
    begun = time.monotonic()
    assert seldom() == first and time.monotonic() - begun < 0.2
    cache.finish()
    assert json.loads(r.get("seldom")) == first + 1
    print("in its grace a value that has ended is given at once, and renewed behind it")


if __name__ == "__main__":
    run(demonstrate)
