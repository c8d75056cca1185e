"""The cache for threads and processes, over `redis.Redis`."""

from __future__ import annotations

import concurrent.futures
import contextvars
import dataclasses
import functools
import json
import threading
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar, cast

import redis

from redstart.cache import lease
from redstart.cache.keys import key_of
from redstart.cache.lease import AS_BYTES, Codec, Settings, Wait, Word

P = ParamSpec("P")
R = TypeVar("R")
_REFRESHERS = 4


class Cache:
    """A cache on the leases of a Redstart server.

    client   a `redis.Redis`; it may decode replies or not
    prefix   what all keys begin with
    codec    how values become bytes: `json` by default, or `pickle`, if nobody but your own
             programs writes to the server: whoever can write a pickle runs code where it is read
    others   as in `redstart.cache.lease.Settings`: ttl, early, grace, lease, wait, background

    The caller that computes gets what the others get: the value as the codec has stored it. A
    caller that waits has a connection meanwhile, and redis-py's pool has a hundred by default: with
    more threads give `max_connections`, or a `redis.BlockingConnectionPool`.
    """

    def __init__(
        self, client: redis.Redis, *, prefix: str = "", codec: Codec = json, **settings: Any
    ) -> None:
        self.client, self.prefix, self.codec = client, prefix, codec
        self.settings = Settings(**settings)
        self._lock = threading.Lock()
        self._refreshers: concurrent.futures.ThreadPoolExecutor | None = None

    def get_or_compute(self, key: str, compute: Callable[[], R], **settings: Any) -> R:
        """The value of a key; if it is not there, or about to end, one caller has `compute` called.

        What `compute` raises, it raises to the caller, if there is no value to be had; the next
        caller then computes. `Busy` is raised if another caller computes for too long.
        """
        return self.fetch(key, compute, dataclasses.replace(self.settings, **settings))

    def fetch(self, key: str, compute: Callable[[], R], wanted: Settings) -> R:
        """As `get_or_compute`, by other settings."""
        name = self.prefix + key
        wait = Wait(name, wanted, self.client.connection_pool)
        answer = None
        while answer is None:
            answer = wait.answer(self._send(wait.request()))
        if answer.token is None:
            return cast(R, self._loads(answer.value))
        if answer.value is None:
            return self._compute(name, answer.token, compute, wanted)
        renew = functools.partial(self._renew, name, answer, compute, wanted)
        if wanted.background:
            self._in_background(renew)
            return cast(R, self._loads(answer.value))
        return renew()

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, or the default."""
        data = self._send(["GET", self.prefix + key])
        return default if data is None else self._loads(data)

    def set(self, key: str, value: Any, **settings: Any) -> None:
        """Stores a value; what is being computed for the key is void."""
        ttl = dataclasses.replace(self.settings, **settings).ttl
        words: list[Any] = ["SET", self.prefix + key, self.codec.dumps(value)]
        self._send(words if ttl is None else [*words, "PX", lease.milliseconds(ttl)])

    def drop(self, *keys: str) -> None:
        """Forgets the values of keys, and what is being computed for them."""
        if keys:
            self._send(["DEL", *(self.prefix + key for key in keys)])

    def cached(
        self, *, key: Callable[P, str] | None = None, **settings: Any
    ) -> Callable[[Callable[P, R]], Cached[P, R]]:
        """A decorator: calls with the same arguments have one value.

        key      makes the key of the arguments; by default `redstart.cache.key_of` does
        others   as those of the cache, for this function
        """
        wanted = dataclasses.replace(self.settings, **settings)
        return lambda function: Cached(self, function, key, wanted)

    def finish(self) -> None:
        """Waits for what is being renewed in the background."""
        with self._lock:
            pool, self._refreshers = self._refreshers, None
        if pool is not None:
            pool.shutdown()

    def _send(self, words: list[Any]) -> Any:
        return self.client.execute_command(*words, **AS_BYTES)

    def _loads(self, data: Any) -> Any:
        return self.codec.loads(data)

    def _compute(self, name: Word, token: bytes, compute: Callable[[], R], settings: Settings) -> R:
        """Computes and stores. If that fails, the lease goes to the next caller."""
        try:
            data = self.codec.dumps(compute())
        except BaseException:
            self._send_safely(lease.drop_request(name, token))
            raise
        self._send_safely(lease.put_request(name, token, data, settings))
        return cast(R, self._loads(data))

    def _renew(
        self, name: Word, answer: lease.Answer, compute: Callable[[], R], settings: Settings
    ) -> R:
        """Computes and stores; if that fails, the value before is as good as it was."""
        assert answer.token is not None
        try:
            return self._compute(name, answer.token, compute, settings)
        except Exception:
            lease.log.exception("%s is not renewed", name)
            return cast(R, self._loads(answer.value))

    def _send_safely(self, words: list[Any]) -> None:
        """A value that was computed is not lost because it cannot be stored."""
        try:
            self._send(words)
        except redis.RedisError:
            lease.log.warning("%s %s failed", words[0], words[1], exc_info=True)

    def _in_background(self, work: Callable[[], Any]) -> None:
        with self._lock:
            if self._refreshers is None:
                self._refreshers = concurrent.futures.ThreadPoolExecutor(
                    _REFRESHERS, "redstart-refresh"
                )
            self._refreshers.submit(contextvars.copy_context().run, work)


class Cached(Generic[P, R]):
    """A function whose values are cached: what `Cache.cached` makes."""

    def __init__(
        self,
        cache: Cache,
        function: Callable[P, R],
        key: Callable[P, str] | None,
        settings: Settings,
    ) -> None:
        functools.update_wrapper(self, function)
        self.cache, self.function, self.settings = cache, function, settings
        self._key = key

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The value of a call."""
        compute = functools.partial(self.function, *args, **kwargs)
        return self.cache.fetch(self.key(*args, **kwargs), compute, self.settings)

    def key(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """The key of a call, without the cache's prefix."""
        return self._key(*args, **kwargs) if self._key else key_of(self.function, args, kwargs)

    def drop(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Forgets the value of a call: what its data comes from has changed."""
        self.cache.drop(self.key(*args, **kwargs))

    def refresh(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Computes the value of a call now, and stores it."""
        value = self.function(*args, **kwargs)
        self.cache.set(self.key(*args, **kwargs), value, ttl=self.settings.ttl)
        return value

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """A method's values are cached, too: its `key` is given the instance."""
        call: Any = self
        return self if instance is None else functools.partial(call, instance)
