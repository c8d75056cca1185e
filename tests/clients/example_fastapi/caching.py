"""The five ways of keeping a cache beside a database, over redis-py's asyncio client.

    cache-aside     the application asks the cache, then the database, and fills the cache itself
    read-through    the application asks the cache only; the cache loads what it lacks, once for all
                    who ask meanwhile
    write-through   a write goes to the database and the cache before it is answered
    write-behind    a write goes to the cache and is answered; a task brings it to the database later
    refresh-ahead   what is asked for shortly before its end is renewed while the old is served

Values are JSON. Each key ends by itself, so that a forgotten invalidation is wrong for a while
and not for ever.
"""

import asyncio
import json
import random


class Cache:
    def __init__(self, client, prefix, ttl_ms):
        self.client, self.prefix, self.ttl_ms = client, prefix, ttl_ms
        self._tasks = set()

    def key(self, name):
        return f"{self.prefix}:{name}"

    async def get(self, name):
        found = await self.client.get(self.key(name))
        return None if found is None else json.loads(found)

    async def put(self, name, value):
        # Deadlines differ by a tenth, so that what came together does not end together.
        ttl_ms = int(self.ttl_ms * random.uniform(0.9, 1))
        await self.client.set(self.key(name), json.dumps(value), px=ttl_ms)

    async def forget(self, *names):
        await self.client.unlink(*(self.key(name) for name in names))

    async def read_through(self, name, load):
        """The value; loaded, if it is not there, by one of all who ask for it at once."""
        found = await self.get(name)
        if found is not None:
            return found
        # The lock ends by itself should its holder die, and only its holder can release it.
        lock = self.client.lock(self.key(name) + ":lock", timeout=10, sleep=0.01)
        async with lock:
            found = await self.get(name)
            if found is None:
                found = await load()
                await self.put(name, found)
            return found

    async def refresh_ahead(self, name, load, share=0.3):
        """The value; renewed in the background when less than `share` of its time is left."""
        async with self.client.pipeline(transaction=False) as pipe:
            found, left_ms = await pipe.get(self.key(name)).pttl(self.key(name)).execute()
        if found is None:
            value = await load()
            await self.put(name, value)
            return value
        if left_ms < self.ttl_ms * share:
            marker = self.key(name) + ":refreshing"
            if await self.client.set(marker, 1, nx=True, px=self.ttl_ms):
                task = asyncio.create_task(self._refresh(name, load, marker))
                # The loop itself holds tasks weakly.
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        return json.loads(found)

    async def _refresh(self, name, load, marker):
        try:
            await self.put(name, await load())
        finally:
            await self.client.delete(marker)


class Counts:
    """Write-behind: counts are added to a hash, and brought away in batches."""

    def __init__(self, client, name):
        self.client, self.pending, self.taken = client, f"{name}:pending", f"{name}:taken"

    async def add(self, number, count=1):
        return await self.client.hincrby(self.pending, number, count)

    async def flush(self, store):
        """Hands the counts since the last call to `store`. What `store` fails to take is handed
        over again: the taken hash is deleted only once it has returned."""
        if not await self.client.exists(self.taken):
            if not await self.client.exists(self.pending):
                return 0
            await self.client.rename(self.pending, self.taken)
        counts = await self.client.hgetall(self.taken)
        store({int(number): int(count) for number, count in counts.items()})
        await self.client.delete(self.taken)
        return len(counts)


async def hit_rate(client):
    """Hits, misses and their rate since the server's start or CONFIG RESETSTAT."""
    stats = await client.info("stats")
    hits, misses = stats["keyspace_hits"], stats["keyspace_misses"]
    return {"hits": hits, "misses": misses, "rate": hits / ((hits + misses) or 1)}
