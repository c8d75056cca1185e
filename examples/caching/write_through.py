"""Write-through: a write goes to the database and the cache before it is answered.

For what is read soon after it is written. The database comes first: if the cache fails then, the
old value is served until its TTL ends; the other way round readers would see what was never stored.
Two writers at once may reach the cache in the other order than the database: where that matters,
let the cache keep the newer by a version (here), or write around it.
"""

import json

from redstart.cache import Cache

from shop import Database, client, run

# Stores a value with its version, unless a newer one is there.
PUT_NEWER = """
local old = redis.call('GET', KEYS[1])
if old and cjson.decode(old).version >= tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
return 1
"""


def demonstrate(url):
    database, r = Database(), client(url)
    cache = Cache(r, prefix="shop:", ttl=60)

    def product(number):
        return cache.get_or_compute(f"product:{number}", lambda: database.product(number))

    def update(number, name, price):
        cache.set(f"product:{number}", database.put(number, name, price))

    product(1)
    update(1, "renamed", 11.0)
    assert product(1) == {"number": 1, "name": "renamed", "price": 11.0} and database.reads == 1
    print("what was written is read from the cache: no read of the database")

    # A reader that has loaded the old value, and is slow to store it, comes too late.
    def slow_reader():
        before = database.product(2)
        update(2, "newer", 21.0)
        return before

    assert cache.get_or_compute("product:2", slow_reader)["name"] == "product 2"
    assert product(2)["name"] == "newer"
    print("a reader that loaded before the write does not store behind it")

    put_newer = r.register_script(PUT_NEWER)
    for version, name in ((2, "second"), (1, "first")):
        value = json.dumps({"version": version, "name": name})
        put_newer(["product:3"], [value, version, 60_000])
    assert json.loads(r.get("product:3"))["name"] == "second"
    print("of two writers the newer version stays, whichever reaches the cache last")


if __name__ == "__main__":
    run(demonstrate)
