"""A backend of dogpile.cache on leases: of all processes one creates a value.

    region = make_region().configure(
        "redstart.leases",
        expiration_time=60,
        arguments={"url": "redis://127.0.0.1:6379", "redis_expiration_time": 3600},
    )

It is dogpile's own Redis backend, with two differences. Its mutex is a lease of the value's key, so
that there is no lock key beside it, waiters do not poll, and a creator that dies frees it. And what
a creator returns is stored only if nobody else has written or deleted the key meanwhile.

    lease                  seconds that a creator has, 10 by default: more than the slowest takes
    wait                   seconds to wait for another process's creator, 10 by default
    redis_expiration_time  seconds after which the server forgets a value, a day by default: more
                           than the region's expiration_time. Values that have no end have no lease

What `async_creation_runner` creates in a thread of its own is stored whatever happened meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from dogpile.cache.api import CacheMutex
from dogpile.cache.backends.redis import RedisBackend

from redstart.cache import lease
from redstart.cache.lease import AS_BYTES, Settings, Wait

_DAY = 86_400


class LeaseBackend(RedisBackend):
    """dogpile's Redis backend with leases as its mutexes."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        given = {"redis_expiration_time": _DAY, **arguments}
        seconds = {name: given.pop(name) for name in ("lease", "wait") if name in given}
        if not given["redis_expiration_time"]:
            raise ValueError(
                "`redis_expiration_time` is more than 0: a value without an end has no lease"
            )
        self.settings = Settings(ttl=given["redis_expiration_time"], **seconds)
        # What this thread has read last: what it wants to renew, if it does.
        self.seen = threading.local()
        # The tokens of mutexes that are held, by thread and key.
        self.tokens: dict[tuple[int, Any], bytes] = {}
        super().__init__(given)

    def get_mutex(self, key: Any) -> LeaseMutex:
        """The mutex of a key: its lease."""
        return LeaseMutex(self, key)

    def get_serialized(self, key: Any) -> Any:
        """The value of a key, as bytes."""
        value = super().get_serialized(key)
        self.seen.values = {key: value}
        return value

    def get_serialized_multi(self, keys: Any) -> Any:
        """The values of keys, as bytes."""
        values = super().get_serialized_multi(keys)
        self.seen.values = dict(zip(keys, values, strict=False))
        return values

    def set_serialized(self, key: Any, value: Any) -> None:
        """Stores a value: by its lease, if this thread holds that."""
        self.writer_client.execute_command(*self._store(key, value))

    def set_serialized_multi(self, mapping: Mapping[Any, Any]) -> None:
        """Stores values: each by its lease, if this thread holds that."""
        pipe = self.writer_client.pipeline(transaction=False)
        for key, value in mapping.items():
            pipe.execute_command(*self._store(key, value))
        pipe.execute()

    def _store(self, key: Any, value: Any) -> list[Any]:
        token = self.tokens.get((threading.get_ident(), key))
        if token is not None:
            return lease.put_request(key, token, value, self.settings)
        return ["SET", key, value, "PX", lease.milliseconds(self.settings.ttl or _DAY)]


class LeaseMutex(CacheMutex):
    """The lease of a key, as dogpile wants a mutex. Threads share it, as they share a lock."""

    def __init__(self, backend: LeaseBackend, key: Any) -> None:
        self._backend, self._key = backend, key
        # The threads that found a value when they had waited: they hold nothing.
        self._empty_handed: set[int] = set()

    def acquire(self, wait: bool = True) -> bool:
        """Takes the lease. While another creates the value: waits for it if there is none, and leaves
        the work to the other if there is one."""
        client = self._backend.writer_client
        settings = self._backend.settings
        waiting = Wait(self._key, settings, client.connection_pool)
        # However new the value is: dogpile has seen that it is to be renewed.
        always = ["EARLY", 2 * lease.milliseconds(settings.ttl or _DAY)]
        if not wait:
            words = [*waiting.request(), *always, "WAIT", 0]
            _, value, token, _ = client.execute_command(*words, **AS_BYTES)
            if token is None:
                return False
            self._backend.tokens[threading.get_ident(), self._key] = token
            # Another process may have renewed the value since this thread has read it.
            if value != getattr(self._backend.seen, "values", {}).get(self._key):
                self.release()
                return False
            return True
        answer = None
        while answer is None:
            answer = waiting.answer(client.execute_command(*waiting.request(), *always, **AS_BYTES))
        if answer.token is None:
            self._empty_handed.add(threading.get_ident())
        else:
            self._backend.tokens[threading.get_ident(), self._key] = answer.token
        return True

    def release(self) -> None:
        """Gives the lease back; what was stored by it stays."""
        tokens, thread = self._backend.tokens, threading.get_ident()
        token = tokens.pop((thread, self._key), None)
        if token is None and thread in self._empty_handed:
            self._empty_handed.discard(thread)
            return
        if token is None:
            # The thread of an `async_creation_runner`, to which the holder has passed the mutex.
            holders = [place for place in list(tokens) if place[1] == self._key]
            token = tokens.pop(holders[0], None) if holders else None
        if token is not None:
            self._backend.writer_client.execute_command(*lease.drop_request(self._key, token))

    def locked(self) -> bool:
        """Whether a thread of this process holds the lease."""
        return any(key == self._key for _, key in list(self._backend.tokens))
