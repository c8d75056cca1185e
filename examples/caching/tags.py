"""Tags: what was made of many rows is forgotten at once, whichever of them changes.

A page shows a product and the products beside it. It has a tag for each of them; who changes a
product drops its tag, and needs to know of no page.
"""

import json

from shop import Database, client, run

TTL_MS = 3_600_000


def page(cache, database, number):
    """A product with its neighbours, and what they cost together."""
    key = f"page:{number}"
    found = cache.get(key)
    if found is not None:
        return json.loads(found)
    shown = [number, number % 5 + 1]
    products = [database.product(number) for number in shown]
    value = {"names": [it["name"] for it in products], "sum": sum(it["price"] for it in products)}
    # Both or neither: a key without its tags would outlive what it was made of.
    with cache.pipeline(transaction=True) as pipe:
        pipe.set(key, json.dumps(value), px=TTL_MS)
        pipe.execute_command("TAG.ADD", key, "pages", *(f"product:{number}" for number in shown))
        pipe.execute()
    return value


def change(cache, database, number, name, price):
    """Behind the commit: what was made of the row before is forgotten."""
    database.put(number, name, price)
    cache.execute_command("TAG.DROP", f"product:{number}")


def demonstrate(url):
    cache, database = client(url, decode_responses=True), Database(seconds=0.01)
    for number in range(1, 6):
        page(cache, database, number)
    assert cache.execute_command("TAG.OF", "page:1") == ["pages", "product:1", "product:2"]
    assert cache.dbsize() == 5 and database.reads == 10
    print("five pages of two products each, of ten reads of the database")

    change(cache, database, 2, "renamed", 25.0)
    assert [cache.exists(f"page:{number}") for number in range(1, 6)] == [0, 0, 1, 1, 1]
    assert page(cache, database, 1) == {"names": ["product 1", "renamed"], "sum": 35.0}
    assert page(cache, database, 2) == {"names": ["renamed", "product 3"], "sum": 55.0}
    assert page(cache, database, 4)["names"] == ["product 4", "product 5"]
    assert database.reads == 14
    print("a product changes: both pages that show it are made anew, three stay")

    for number in range(1000):
        cache.set(f"more:{number}", "x")
        cache.execute_command("TAG.ADD", f"more:{number}", "pages")
    assert cache.execute_command("TAG.DROP", "pages") == 1
    assert cache.get("page:4") is None and cache.exists(*(f"more:{n}" for n in range(1000))) == 0
    print("one drop of the tag of all pages: 1,005 keys are gone, at once")


if __name__ == "__main__":
    run(demonstrate)
