"""Write-around: a write goes to the database, and the cache forgets; the next reader loads.

For what is written more often than it is read, and the safest way to invalidate. Forget *after* the
database has committed. With a plain cache one hole is left: a reader that has read the old row
before the commit may store it after the DEL, and it stays for its whole TTL. Leases close it: DEL
voids what is being computed, also where the key is not there.
"""

import json
import threading

from redstart.cache import Cache

from shop import Database, client, run


def race(load_and_store, write):
    """A reader reads the old row; a writer writes and invalidates; then the reader stores."""
    has_read, may_store = threading.Event(), threading.Event()

    def pause():
        has_read.set()
        may_store.wait(10)

    reader = threading.Thread(target=load_and_store, args=(pause,))
    reader.start()
    has_read.wait(10)
    write()
    may_store.set()
    reader.join()


def demonstrate(url):
    database, r = Database(), client(url, decode_responses=True)
    cache = Cache(r, prefix="shop:", ttl=60)

    def product(number):
        return cache.get_or_compute(f"product:{number}", lambda: database.product(number))

    def update(number, name, price):
        database.put(number, name, price)
        cache.drop(f"product:{number}")

    assert product(1)["price"] == 10.0
    for price in range(100):
        update(1, "often", price)
    assert product(1)["price"] == 99 and database.reads == 2
    print("a hundred writes cost the cache a hundred DELs, and one read of the database")

    def plainly(pause):
        row = database.product(2)
        pause()
        r.set("plain:2", json.dumps(row), ex=60)

    def write_plainly():
        database.put(2, "new", 22.0)
        r.delete("plain:2")

    race(plainly, write_plainly)
    assert json.loads(r.get("plain:2"))["name"] == "product 2"
    print("GET and SET: an old row is stored after the DEL, and served for a minute")

    def by_lease(pause):
        def load():
            row = database.product(3)
            pause()
            return row

        cache.get_or_compute("product:3", load)

    race(by_lease, lambda: update(3, "new", 33.0))
    assert r.get("shop:product:3") is None and product(3)["name"] == "new"
    print("by a lease: the same reader stores nothing, and the next one loads the new row")


if __name__ == "__main__":
    run(demonstrate)
