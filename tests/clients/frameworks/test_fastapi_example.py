"""The application of example_fastapi, called as a browser calls it."""

import asyncio
import time

import httpx
import pytest

import app as example


@pytest.fixture
def visit(url, r):
    """Runs a visit, which is given the application and a browser."""
    r.config_resetstat()

    def run(visitor, **options):
        async def work():
            app = example.make(url, **options)
            transport = httpx.ASGITransport(app=app)
            async with app.router.lifespan_context(app):
                async with httpx.AsyncClient(transport=transport, base_url="http://shop") as web:
                    for number in range(1, 6):
                        app.state.catalogue.put(number, f"article {number}")
                    app.state.catalogue.reads = app.state.catalogue.writes = 0
                    await visitor(app, web)

        asyncio.run(work())

    return run


def test_cache_aside_and_the_hit_rate(visit, r):
    async def visitor(app, web):
        for _ in range(10):
            for number in (1, 2):
                answer = (await web.get(f"/articles/{number}")).json()
                assert answer == {"number": number, "title": f"article {number}", "views": 0}
        assert app.state.catalogue.reads == 2
        assert (await web.get("/articles/99")).status_code == 404
        health = (await web.get("/health")).json()
        assert health == {"hits": 18, "misses": 3, "rate": 18 / 21}
        assert health["hits"] == r.info("stats")["keyspace_hits"]
        assert 50_000 < r.pttl("article:1") <= 60_000

    visit(visitor, flush_seconds=100)


def test_cached_values_end(visit):
    async def visitor(app, web):
        await web.get("/articles/1")
        app.state.catalogue.put(1, "changed behind the cache")
        assert (await web.get("/articles/1")).json()["title"] == "article 1"
        await asyncio.sleep(2.1)
        assert (await web.get("/articles/1")).json()["title"] == "changed behind the cache"

    visit(visitor, ttl_ms=2000)


def test_write_through(visit, r):
    async def visitor(app, web):
        await web.get("/articles/1")
        await web.put("/articles/1", params={"title": "new"})
        reads = app.state.catalogue.reads
        assert (await web.get("/articles/1")).json()["title"] == "new"
        assert app.state.catalogue.reads == reads and r.exists("article:1")

    visit(visitor)


def test_write_behind(visit, r):
    async def visitor(app, web):
        await asyncio.gather(*(web.post(f"/articles/{n % 2 + 1}/views") for n in range(100)))
        assert app.state.catalogue.writes == 0
        assert r.hgetall("views:pending") == {"1": "50", "2": "50"}
        until = time.monotonic() + 10
        while r.exists("views:pending", "views:taken") and time.monotonic() < until:
            await asyncio.sleep(0.01)
        assert app.state.catalogue.writes == 1
        assert app.state.catalogue.article(1)["views"] == 50
        assert (await web.post("/articles/1/views")).json() == {"pending": 1}

    visit(visitor, flush_seconds=0.5)
    # What was pending when the application ended has been brought home.
    assert r.keys("views:*") == []


def test_what_the_database_refuses_is_not_lost(visit, r):
    async def visitor(app, web):
        await web.post("/articles/1/views")

        def refuse(counts):
            raise OSError("the database is away")

        with pytest.raises(OSError):
            await app.state.views.flush(refuse)
        await web.post("/articles/1/views")
        assert r.hgetall("views:taken") == {"1": "1"} and r.hgetall("views:pending") == {"1": "1"}
        for _ in range(2):
            await app.state.views.flush(app.state.catalogue.add_views)
        assert app.state.catalogue.article(1)["views"] == 2

    visit(visitor, flush_seconds=100)


@pytest.mark.needs("EVALSHA")
def test_read_through_under_a_rush(visit, r):
    async def visitor(app, web):
        answers = await asyncio.gather(*(web.get("/popular/3") for _ in range(100)))
        assert {answer.json()["title"] for answer in answers} == {"article 3"}
        assert app.state.catalogue.reads == 1
        assert not r.exists("article:3:lock")

    visit(visitor)


def test_refresh_ahead(visit):
    async def visitor(app, web):
        visits, until = 0, time.monotonic() + 60
        first = (await web.get("/front-page")).json()
        assert first == ["article 1", "article 2", "article 3"]
        app.state.catalogue.add_views({5: 10})
        while app.state.catalogue.reads < 5:
            assert time.monotonic() < until
            page = (await web.get("/front-page")).json()
            visits += 1
            await asyncio.sleep(0.01)
        assert page[0] == "article 5"
        # It was renewed several times, once each time, and not for every visitor.
        assert visits > 2 * app.state.catalogue.reads

    visit(visitor, ttl_ms=500)
