"""Read-through: the application asks the cache only, and the cache loads what it lacks.

As the cache does the loading, it can do it once for all who ask: here by a lease of the server. The
same decorator in asyncio is `AsyncCache`.
"""

from redstart.cache import Cache

from shop import Database, at_once, client, run


def demonstrate(url):
    database = Database()
    cache = Cache(client(url), prefix="shop:", ttl=60)

    @cache.cached()
    def product(number: int) -> dict | None:
        return database.product(number)

    found = at_once(20, lambda: product(2))
    assert found == [{"number": 2, "name": "product 2", "price": 20.0}] * 20
    assert database.reads == 1
    print("20 readers at once of a product that is not cached: 1 read of the database")

    assert product(404) is None and product(404) is None and database.reads == 2
    print("that there is no such product is a value, too")

    # A loader that fails is its caller's error, and the next caller loads.
    @cache.cached()
    def broken(number: int) -> int:
        database.product(number)
        raise ConnectionError("the database is away")

    for _ in range(2):
        try:
            broken(1)
            raise AssertionError("it fails")
        except ConnectionError:
            pass
    assert database.reads == 4
    print("an error is not cached")


if __name__ == "__main__":
    run(demonstrate)
