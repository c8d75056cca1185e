"""Memoizing in the process: `functools.lru_cache` and `cachetools`, and a shared cache behind them.

A look-up in the process takes less than a microsecond, one on a server fifty and more. But each
process has its own values, computes its own, and none hears of the others' writes. So: pure
functions and what never changes in the process; what changes in the shared cache; and where the
last microseconds count, both, with a TTL in the process that is as long as a value may be wrong.
"""

import functools
import subprocess
import sys
import threading
import time

import cachetools
from redstart.cache import Cache

from shop import Database, client, run

COUNT = """
import sys, functools
sys.path.insert(0, sys.argv[2])
import redis
from redstart.cache import Cache
r = redis.Redis.from_url(sys.argv[1])
@functools.lru_cache
def local(): return r.incr("computed:local")
@Cache(r).cached(key=lambda: "value")
def shared(): return r.incr("computed:shared")
for _ in range(3): local(); shared()
"""


def demonstrate(url):
    r, database = client(url, decode_responses=True), Database(seconds=0)

    @functools.lru_cache(maxsize=1000)
    def price_with_tax(price: float) -> float:
        return round(price * 1.19, 2)

    assert [price_with_tax(10.0) for _ in range(3)] == [11.9] * 3
    assert price_with_tax.cache_info().hits == 2
    print("a pure function: lru_cache, which has no TTL and needs none")

    for _ in range(2):
        subprocess.run([sys.executable, "-c", COUNT, url, *sys.path[:1]], check=True)
    assert (r.get("computed:local"), r.get("computed:shared")) == ("2", "1")
    print("two processes: lru_cache computes in each, the shared cache once")

    shared = Cache(r, prefix="shop:", ttl=60)
    near = cachetools.TTLCache(maxsize=1000, ttl=0.05)

    @cachetools.cached(near, condition=threading.Condition())
    def product(number: int) -> dict:
        return shared.get_or_compute(str(number), lambda: database.product(number))

    r.config_resetstat()
    begun = time.monotonic()
    for _ in range(1000):
        product(1)
    looks = r.info("commandstats")["cmdstat_lease.get"]["calls"]
    assert database.reads == 1 and looks <= 2 + (time.monotonic() - begun) / 0.05
    print(f"both: 1,000 reads, {looks} of the server, 1 of the database")

    database.put(1, "renamed", 1.0)
    shared.drop("1")
    time.sleep(0.06)
    assert product(1)["name"] == "renamed"
    print("and a write is seen after the 50 ms of the process's own cache")


if __name__ == "__main__":
    run(demonstrate)
