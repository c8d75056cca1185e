"""A cache backend of Django on leases: `get_or_set` with a callable computes once in all processes.

    CACHES = {
        "default": {
            "BACKEND": "redstart.cache.django.LeaseCache",
            "LOCATION": "redis://127.0.0.1:6379",
            "OPTIONS": {"early": 0.1, "grace": 30},
        }
    }

It is Django's own Redis backend, with `get_or_set` and `aget_or_set` on leases. OPTIONS are those
of Django's backend and early, grace, lease, wait and background of `redstart.cache.lease.Settings`.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import redis.asyncio
from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.redis import RedisCache

from redstart.cache.asynchronous import AsyncCache
from redstart.cache.synchronous import Cache

_OURS = ("early", "grace", "lease", "wait", "background")
_NOT_OF_CONNECTIONS = ("pool_class", "parser_class", "serializer")


class LeaseCache(RedisCache):
    """Django's Redis backend with `get_or_set` on leases."""

    def __init__(self, server: Any, params: dict[str, Any]) -> None:
        options = dict(params.get("OPTIONS", {}))
        self._settings = {name: options.pop(name) for name in _OURS if name in options}
        super().__init__(server, {**params, "OPTIONS": options})
        # A client of asyncio belongs to a loop.
        self._async_caches: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncCache]
        self._async_caches = weakref.WeakKeyDictionary()

    def get_or_set(
        self, key: Any, default: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> Any:
        """The value of a key. If it is not there, one caller calls `default`, if that can be."""
        seconds = self._seconds(timeout)
        if not callable(default) or seconds == 0:
            return super().get_or_set(key, default, timeout, version)
        name = self.make_and_validate_key(key, version=version)
        return self._leases.get_or_compute(name, default, ttl=seconds)

    async def aget_or_set(
        self, key: Any, default: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> Any:
        """As `get_or_set`; `default` may be a coroutine function."""
        seconds = self._seconds(timeout)
        if not callable(default) or seconds == 0:
            made = await _call(default) if callable(default) else default
            return await super().aget_or_set(key, made, timeout, version)
        name = self.make_and_validate_key(key, version=version)
        return await self._async_leases().get_or_compute(name, lambda: _call(default), ttl=seconds)

    async def aclose(self, **kwargs: Any) -> None:
        """Closes the connections of this loop: for programs that end it. Django calls `close`."""
        leases = self._async_caches.pop(asyncio.get_running_loop(), None)
        if leases is not None:
            await leases.finish()
            await leases.client.aclose()

    def _seconds(self, timeout: Any) -> float | None:
        """How long a value is good: not at all where that is 0, for ever where it is None."""
        if timeout is DEFAULT_TIMEOUT:
            timeout = self.default_timeout
        return None if timeout is None else max(0.0, float(timeout))

    @functools.cached_property
    def _leases(self) -> Cache:
        client = self._cache.get_client(write=True)
        return Cache(client, codec=self._cache._serializer, **self._settings)

    def _async_leases(self) -> AsyncCache:
        loop = asyncio.get_running_loop()
        if loop not in self._async_caches:
            options = {
                name: value
                for name, value in self._options.items()
                if name not in _NOT_OF_CONNECTIONS
            }
            client = redis.asyncio.Redis.from_url(self._servers[0], **options)
            cache = AsyncCache(client, codec=self._cache._serializer, **self._settings)
            self._async_caches[loop] = cache
        return self._async_caches[loop]


async def _call(default: Callable[[], Any] | Callable[[], Awaitable[Any]]) -> Any:
    made = default()
    return await made if inspect.isawaitable(made) else made
