"""The cache for asyncio, over `redis.asyncio.Redis`."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import json
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, ParamSpec, TypeVar, cast

import redis
import redis.asyncio

from redstart.cache import lease
from redstart.cache.keys import key_of
from redstart.cache.lease import AS_BYTES, Codec, Settings, Wait, Word

P = ParamSpec("P")
R = TypeVar("R")


class AsyncCache:
    """As `Cache`, for asyncio: `client` is a `redis.asyncio.Redis`, and what computes is awaited.

    A task that waits for another that computes has a connection meanwhile: a
    `redis.asyncio.BlockingConnectionPool` bounds how many there are.
    """

    def __init__(
        self, client: redis.asyncio.Redis, *, prefix: str = "", codec: Codec = json, **settings: Any
    ) -> None:
        self.client, self.prefix, self.codec = client, prefix, codec
        self.settings = Settings(**settings)
        self._tasks: set[asyncio.Task[Any]] = set()

    async def get_or_compute(
        self, key: str, compute: Callable[[], Awaitable[R]], **settings: Any
    ) -> R:
        """The value of a key; if it is not there, or about to end, one caller computes it."""
        return await self.fetch(key, compute, dataclasses.replace(self.settings, **settings))

    async def fetch(self, key: str, compute: Callable[[], Awaitable[R]], wanted: Settings) -> R:
        """As `get_or_compute`, by other settings."""
        name = self.prefix + key
        wait = Wait(name, wanted, self.client.connection_pool)
        answer = None
        while answer is None:
            answer = wait.answer(await self._send(wait.request()))
        if answer.token is None:
            return cast(R, self._loads(answer.value))
        if answer.value is None:
            return await self._compute(name, answer.token, compute, wanted)
        renew = self._renew(name, answer, compute, wanted)
        if wanted.background:
            self._in_background(renew)
            return cast(R, self._loads(answer.value))
        return await renew

    async def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, or the default."""
        data = await self._send(["GET", self.prefix + key])
        return default if data is None else self._loads(data)

    async def set(self, key: str, value: Any, **settings: Any) -> None:
        """Stores a value; what is being computed for the key is void."""
        ttl = dataclasses.replace(self.settings, **settings).ttl
        words: list[Any] = ["SET", self.prefix + key, self.codec.dumps(value)]
        await self._send(words if ttl is None else [*words, "PX", lease.milliseconds(ttl)])

    async def drop(self, *keys: str) -> None:
        """Forgets the values of keys, and what is being computed for them."""
        if keys:
            await self._send(["DEL", *(self.prefix + key for key in keys)])

    def cached(
        self, *, key: Callable[P, str] | None = None, **settings: Any
    ) -> Callable[[Callable[P, Awaitable[R]]], AsyncCached[P, R]]:
        """A decorator of coroutine functions: calls with the same arguments have one value."""
        wanted = dataclasses.replace(self.settings, **settings)
        return lambda function: AsyncCached(self, function, key, wanted)

    async def finish(self) -> None:
        """Waits for what is being renewed in the background."""
        await asyncio.gather(*self._tasks)

    async def _send(self, words: list[Any]) -> Any:
        return await self.client.execute_command(*words, **AS_BYTES)

    def _loads(self, data: Any) -> Any:
        return self.codec.loads(data)

    async def _compute(
        self, name: Word, token: bytes, compute: Callable[[], Awaitable[R]], settings: Settings
    ) -> R:
        """Computes and stores. If that fails or is cancelled, the lease goes to the next caller."""
        try:
            data = self.codec.dumps(await compute())
        except BaseException:
            await self._send_safely(lease.drop_request(name, token))
            raise
        await self._send_safely(lease.put_request(name, token, data, settings))
        return cast(R, self._loads(data))

    async def _renew(
        self,
        name: Word,
        answer: lease.Answer,
        compute: Callable[[], Awaitable[R]],
        settings: Settings,
    ) -> R:
        """Computes and stores; if that fails, the value before is as good as it was."""
        assert answer.token is not None
        try:
            return await self._compute(name, answer.token, compute, settings)
        except Exception:
            lease.log.exception("%s is not renewed", name)
            return cast(R, self._loads(answer.value))

    async def _send_safely(self, words: list[Any]) -> None:
        """A value that was computed is not lost because it cannot be stored."""
        try:
            await self._send(words)
        except redis.RedisError:
            lease.log.warning("%s %s failed", words[0], words[1], exc_info=True)

    def _in_background(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        # The loop itself holds tasks weakly.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class AsyncCached(Generic[P, R]):
    """A coroutine function whose values are cached: what `AsyncCache.cached` makes."""

    def __init__(
        self,
        cache: AsyncCache,
        function: Callable[P, Awaitable[R]],
        key: Callable[P, str] | None,
        settings: Settings,
    ) -> None:
        functools.update_wrapper(self, function)
        self.cache, self.function, self.settings = cache, function, settings
        self._key = key

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The value of a call."""
        compute = functools.partial(self.function, *args, **kwargs)
        return await self.cache.fetch(self.key(*args, **kwargs), compute, self.settings)

    def key(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """The key of a call, without the cache's prefix."""
        return self._key(*args, **kwargs) if self._key else key_of(self.function, args, kwargs)

    async def drop(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Forgets the value of a call: what its data comes from has changed."""
        await self.cache.drop(self.key(*args, **kwargs))

    async def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Computes the value of a call now, and stores it."""
        value = await self.function(*args, **kwargs)
        await self.cache.set(self.key(*args, **kwargs), value, ttl=self.settings.ttl)
        return value

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """A method's values are cached, too: its `key` is given the instance."""
        call: Any = self
        return self if instance is None else functools.partial(call, instance)
