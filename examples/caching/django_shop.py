"""Django in one file: views on `redstart.cache.django.LeaseCache`.

`cache.get_or_set` with a callable computes once in all processes. All else is Django's own backend:
`cache_page` and `cached_db` sessions work, and `cache.clear()` empties the whole database, so give
each application one of its own (`redis://host:6379/3`).
"""

import asyncio

import django
from django.conf import settings
from django.core.cache import cache
from django.http import JsonResponse
from django.urls import path

from shop import Database, at_once, client, run

database = Database()


def product(request, number):
    """Read-through, by a lease."""
    return JsonResponse(
        cache.get_or_set(f"product:{number}", lambda: database.product(number), timeout=60)
    )


def rename(request, number, name):
    """Write-around: forget after the commit, with the ORM in `transaction.on_commit`."""
    database.put(number, name, 1.0)
    cache.delete(f"product:{number}")
    return JsonResponse({})


async def product_async(request, number):
    """The same in an asynchronous view."""

    async def load():
        return database.product(number)

    return JsonResponse(await cache.aget_or_set(f"product:{number}", load, timeout=60))


urlpatterns = [
    path("products/<int:number>", product),
    path("products/<int:number>/rename/<str:name>", rename),
    path("async/products/<int:number>", product_async),
]


async def visit_asynchronously():
    from django.test import AsyncClient

    answer = await AsyncClient().get("/async/products/1")
    assert answer.json()["name"] == "renamed" and database.reads == 2
    await cache.aclose()


def demonstrate(url):
    client(url)
    place = {"BACKEND": "redstart.cache.django.LeaseCache", "LOCATION": url}
    settings.configure(
        ALLOWED_HOSTS=["*"],
        CACHES={"default": {**place, "OPTIONS": {"early": 0.1, "grace": 30}}},
        DATABASES={},
        ROOT_URLCONF=__name__,
        SECRET_KEY="an example's",
    )
    django.setup()
    from django.test import Client

    found = at_once(10, lambda: Client().get("/products/1").json())
    assert found == [{"number": 1, "name": "product 1", "price": 10.0}] * 10
    assert database.reads == 1
    print("ten visitors at once: 1 read of the database")

    Client().get("/products/1/rename/renamed")
    assert Client().get("/products/1").json()["name"] == "renamed" and database.reads == 2
    asyncio.run(visit_asynchronously())
    print("renamed: the next visitor sees it, in an asynchronous view, too")


if __name__ == "__main__":
    run(demonstrate)
