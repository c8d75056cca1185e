"""Cache-aside: the application asks the cache, then the database, and fills the cache itself.

The one to begin with: any Redis client and three lines. What it does not do: hold back the others
while one asks the database, or notice that the data changed between its read and its SET.
"""

import json
import random

from shop import Database, at_once, client, run

TTL_MS = 60_000


def product(cache, database, number):
    key = f"product:{number}"
    found = cache.get(key)
    if found is not None:
        return json.loads(found)
    value = database.product(number)
    # None is stored, too, for a shorter time: what is asked for and is not there costs as much.
    ttl_ms = TTL_MS if value is not None else TTL_MS // 10
    # Times differ by a tenth, so that what came together does not end together.
    cache.set(key, json.dumps(value), px=int(ttl_ms * random.uniform(0.9, 1)))
    return value


def demonstrate(url):
    cache, database = client(url), Database()
    for _ in range(3):
        assert product(cache, database, 1) == {"number": 1, "name": "product 1", "price": 10.0}
        assert product(cache, database, 404) is None
    assert database.reads == 2
    print("six reads, two of the database: one of a product, one of a product that is not there")

    at_once(20, lambda: product(cache, database, 2))
    computed = database.reads - 2
    assert computed > 1
    print(f"20 readers at once of a product that is not cached: {computed} reads of the database")

    # An update without an invalidation is wrong until the TTL ends: see write_around.py.
    database.put(1, "renamed", 11.0)
    assert product(cache, database, 1)["name"] == "product 1"
    print("after an update the old value is served, for a minute at most")


if __name__ == "__main__":
    run(demonstrate)
