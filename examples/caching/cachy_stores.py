"""cachy: named stores behind one interface, and `remember`.

Plain cache-aside: `remember` holds nobody back, so that all who miss compute. Times are in minutes.
`tags` of cachy are a reference that is part of the key's name: flushing changes the reference, and
what had the old one stays in memory until its time is over.
"""

from urllib.parse import urlsplit

from cachy import CacheManager

from shop import Database, at_once, client, run


def demonstrate(url):
    r, database = client(url), Database()
    place = {"driver": "redis", "host": "127.0.0.1", "port": urlsplit(url).port, "prefix": "shop:"}
    stores = {"redis": place, "process": {"driver": "dict"}}
    cache = CacheManager({"default": "redis", "serializer": "json", "stores": stores})

    for _ in range(3):
        found = cache.remember("product:1", 10, lambda: database.product(1))
        assert found["name"] == "product 1"
    assert database.reads == 1 and 0 < r.ttl("shop:product:1") <= 600
    print("`remember`: three reads, one of the database")

    at_once(10, lambda: cache.remember("product:2", 10, lambda: database.product(2)))
    computed = database.reads - 1
    assert computed > 1
    print(f"ten readers at once: {computed} reads of the database")

    cache.store("process").put("near", 1, 10)
    assert cache.store("process").get("near") == 1 and cache.get("near") is None
    print("stores do not see each other")

    cache.tags("products").put("1", "tagged", 10)
    assert cache.tags("products").get("1") == "tagged"
    cache.tags("products").flush()
    assert cache.tags("products").get("1") is None
    print("a flushed tag reads as a miss")


if __name__ == "__main__":
    run(demonstrate)
