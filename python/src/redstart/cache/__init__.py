"""A cache that computes each value once, on the leases of a Redstart server.

    cache = Cache(redis.Redis(), prefix="shop:", ttl=60)

    @cache.cached()
    def product(number: int) -> dict: ...

Of all callers in all processes that want a value that is not there, one computes it, and the others
wait for it on the server (no polling). In the last part of its time, a tenth by default, a value is
renewed by one caller while the others have it, so that what is often asked for never ends. Any
other write to the key, `drop` included, makes what is being computed void: a slow computation from
older data never comes after newer data. A caller that dies frees its lease.

`AsyncCache` is the same for asyncio. `redstart.cache.dogpile` and `redstart.cache.django` are
backends of these libraries.
"""

from redstart.cache.asynchronous import AsyncCache, AsyncCached
from redstart.cache.keys import key_of
from redstart.cache.lease import Busy, Codec
from redstart.cache.synchronous import Cache, Cached

__all__ = ["AsyncCache", "AsyncCached", "Busy", "Cache", "Cached", "Codec", "key_of"]
