"""A small web application over a cache: each route shows one way of caching.

    pip install fastapi uvicorn redis
    REDIS_URL=redis://127.0.0.1:6379 uvicorn --factory app:make
"""

import asyncio
import contextlib
import os

import redis.asyncio
from fastapi import FastAPI, HTTPException

from caching import Cache, Counts, hit_rate
from catalogue import Catalogue


def make(url=None, ttl_ms=60_000, flush_seconds=1.0):
    url = url or os.environ.get("REDIS_URL", "redis://127.0.0.1:6379")
    catalogue = Catalogue()

    @contextlib.asynccontextmanager
    async def lifespan(app):
        # A rush waits for connections instead of opening as many as it has visitors.
        pool = redis.asyncio.BlockingConnectionPool.from_url(
            url, decode_responses=True, max_connections=20
        )
        app.state.client = redis.asyncio.Redis.from_pool(pool)
        app.state.articles = Cache(app.state.client, "article", ttl_ms)
        app.state.views = Counts(app.state.client, "views")
        app.state.catalogue = catalogue
        flusher = asyncio.create_task(flush_for_ever(app))
        yield
        flusher.cancel()
        await app.state.views.flush(catalogue.add_views)
        await app.state.client.aclose()

    async def flush_for_ever(app):
        while True:
            await asyncio.sleep(flush_seconds)
            await app.state.views.flush(catalogue.add_views)

    async def slowly(question, *arguments):
        """Asks the catalogue as if it were far away."""
        await asyncio.sleep(0.05)
        return question(*arguments)

    app = FastAPI(lifespan=lifespan)

    @app.get("/articles/{number}")
    async def article(number: int):
        """Cache-aside."""
        found = await app.state.articles.get(number)
        if found is None:
            found = await slowly(catalogue.article, number)
            if found is None:
                raise HTTPException(404)
            await app.state.articles.put(number, found)
        return found

    @app.get("/popular/{number}")
    async def popular(number: int):
        """Read-through: under a rush of visitors the catalogue is asked once."""
        return await app.state.articles.read_through(
            number, lambda: slowly(catalogue.article, number)
        )

    @app.put("/articles/{number}")
    async def put(number: int, title: str):
        """Write-through."""
        await slowly(catalogue.put, number, title)
        await app.state.articles.put(number, catalogue.article(number))
        return {"number": number}

    @app.post("/articles/{number}/views")
    async def view(number: int):
        """Write-behind."""
        return {"pending": await app.state.views.add(number)}

    @app.get("/front-page")
    async def front_page():
        """Refresh-ahead: after the first visitor, none waits for the catalogue."""
        return await app.state.articles.refresh_ahead(
            "front-page", lambda: slowly(catalogue.most_viewed)
        )

    @app.get("/health")
    async def health():
        return await hit_rate(app.state.client)

    return app
