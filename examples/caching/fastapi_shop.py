"""FastAPI with seven patterns, a route each, on one asyncio client.

    cache-aside     GET  /aside/N        the route asks the cache, then the database
    read-through    GET  /through/N      the cache loads, once for all who ask
    write-through   PUT  /through/N      database and cache, then the answer
    write-around    PUT  /around/N       database, and the cache forgets
    write-behind    POST /views/N        the cache and a queue; a worker stores batches
    refresh-ahead   GET  /front-page     renewed in the background before its end
    two levels      GET  /near/N         a small cache in the process before the shared one

Run it as a site with `uvicorn --factory fastapi_shop:make`, with pip's fastapi and uvicorn.
"""

import asyncio
import contextlib
import json
import os

import cachetools
import httpx
import redis.asyncio
from fastapi import FastAPI
from redstart.cache import AsyncCache

from shop import Database, client, run


def make(url=None, database=None):
    url = url or os.environ.get("REDIS_URL", "redis://127.0.0.1:6379")
    database = database or Database()
    # A rush of visitors waits for connections, instead of opening as many as there are visitors.
    pool = redis.asyncio.BlockingConnectionPool.from_url(url, max_connections=20, timeout=20)
    r = redis.asyncio.Redis.from_pool(pool)
    cache = AsyncCache(r, prefix="shop:", ttl=60)
    near = cachetools.TTLCache(maxsize=1000, ttl=1)

    async def load(number):
        # What blocks runs in a thread, so that the loop serves others.
        return await asyncio.to_thread(database.product, number)

    @cache.cached(key=lambda number: f"product:{number}")
    async def product(number):
        return await load(number)

    @cache.cached(key=lambda: "front-page", ttl=10, early=0.3, background=True)
    async def best():
        return [await load(number) for number in (1, 2, 3)]

    @contextlib.asynccontextmanager
    async def lifespan(app):
        worker = asyncio.create_task(store_views(r, database))
        yield
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
        await cache.finish()
        await r.aclose()

    app = FastAPI(lifespan=lifespan)

    @app.get("/aside/{number}")
    async def aside(number: int):
        found = await r.get(f"aside:{number}")
        if found is not None:
            return json.loads(found)
        value = await load(number)
        await r.set(f"aside:{number}", json.dumps(value), ex=60)
        return value

    @app.get("/through/{number}")
    async def through(number: int):
        return await product(number)

    @app.put("/through/{number}")
    async def put_through(number: int, name: str, price: float):
        value = await asyncio.to_thread(database.put, number, name, price)
        await cache.set(f"product:{number}", value)
        return value

    @app.put("/around/{number}")
    async def put_around(number: int, name: str, price: float):
        await asyncio.to_thread(database.put, number, name, price)
        await product.drop(number)
        return {"number": number}

    @app.post("/views/{number}")
    async def views(number: int):
        async with r.pipeline(transaction=True) as pipe:
            count, _ = await pipe.hincrby("views", number).xadd("queue", {"n": number}).execute()
        return {"views": count}

    @app.get("/front-page")
    async def front_page():
        return await best()

    @app.get("/near/{number}")
    async def two_levels(number: int):
        if number not in near:
            near[number] = await product(number)
        return near[number]

    return app


async def store_views(r, database):
    """The worker of write-behind, here without what makes it survive crashes: write_behind.py."""
    database.views = {}
    last = "0"
    while True:
        for _, batch in await r.xread({"queue": last}, block=100, count=100):
            for entry, fields in batch:
                number, last = int(fields[b"n"]), entry
                database.views[number] = database.views.get(number, 0) + 1
            await r.xtrim("queue", minid=last, approximate=False)


def demonstrate(url):
    client(url)
    database = Database()
    asyncio.run(visit(make(url, database), database))


async def visit(app, database):
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://shop") as web,
    ):

        async def get(path):
            return (await web.get(path)).json()

        async def reads_of(*paths):
            """How often the database is read for visits that come at once."""
            before = database.reads
            await asyncio.gather(*map(get, paths))
            return database.reads - before

        assert await reads_of("/aside/1") == 1 and await reads_of("/aside/1") == 0
        assert await reads_of(*["/aside/2"] * 10) > 1
        print("cache-aside: the second visit is a hit; ten at once all read the database")
        assert await reads_of(*["/through/2"] * 10) == 1
        print("read-through: ten at once, 1 read")
        new = {"name": "renamed", "price": 5}
        await web.put("/through/2", params=new)
        assert (await get("/through/2"))["name"] == "renamed" and await reads_of("/through/2") == 0
        print("write-through: what was written is a hit")
        await web.put("/around/2", params={**new, "name": "again"})
        assert await reads_of("/through/2") == 1 and (await get("/through/2"))["name"] == "again"
        print("write-around: the next visit reads the database")
        answers = [(await web.post("/views/3")).json()["views"] for _ in range(20)]
        while database.views.get(3, 0) < 20:
            await asyncio.sleep(0.01)
        assert answers == list(range(1, 21)) and database.views == {3: 20}
        print("write-behind: 20 views are answered from the cache, and come to the database")
        assert await reads_of("/front-page") == 3
        assert await reads_of(*["/front-page"] * 10) == 0
        print(
            "refresh-ahead: after the first visit none waits (refresh_ahead.py shows the renewal)"
        )
        assert await reads_of(*["/near/2"] * 10) == 0
        print("two levels: what the process has costs no request")


if __name__ == "__main__":
    run(demonstrate)
