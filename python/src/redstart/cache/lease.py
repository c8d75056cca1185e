"""What the caches share: their settings, the requests about leases and what is answered.

A request that waits is sent in slices that end before the client's own patience, its socket
timeout: a client that gave up would lose the connection, and the place of the one that computes
with it.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from typing import Any, NamedTuple, Protocol

log = logging.getLogger("redstart.cache")

Word = str | bytes | int
# redis-py is told so to leave replies as bytes, also where the client decodes others.
AS_BYTES: dict[str, Any] = {"NEVER_DECODE": []}


class Busy(TimeoutError):
    """Another caller computes the value, and took longer than this one was to wait."""


class Codec(Protocol):
    """How values become bytes: the modules json, pickle and marshal, and others of that kind."""

    def dumps(self, value: Any, /) -> Any:
        """The value as bytes, text or a whole number."""

    def loads(self, data: Any, /) -> Any:
        """The value of bytes that `dumps` has made."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is asked of leases. Times are in seconds.

    ttl         how long a value is good; None is for ever
    early       in the last part of that time, as a share of it, one caller renews the value
    grace       how long after its time a value is still given while one caller renews it
    lease       how long a caller has to compute; more than the slowest computation takes
    wait        how long a caller waits for another that computes, before it has `Busy` raised
    background  renew behind the caller's back, who has the value before
    """

    ttl: float | None = 60.0
    early: float = 0.1
    grace: float = 0.0
    lease: float = 10.0
    wait: float = 10.0
    background: bool = False

    def __post_init__(self) -> None:
        if self.ttl is not None and self.ttl <= 0 or self.lease <= 0:
            raise ValueError("`ttl` and `lease` are more than 0 seconds")
        if not 0 <= self.early <= 1:
            raise ValueError("`early` is a share of the time: 0 to 1")
        if self.grace < 0 or self.wait < 0:
            raise ValueError("`grace` and `wait` are 0 seconds or more")


class Answer(NamedTuple):
    """What LEASE.GET replies: a value if there is one, a token if the caller is to compute."""

    value: bytes | None
    token: bytes | None


class Wait:
    """The requests of one caller until it has a value or a token."""

    def __init__(self, key: Word, settings: Settings, pool: Any) -> None:
        self._key, self._settings = key, settings
        self._until = time.monotonic() + settings.wait
        # A pool of one's own making may not tell its connections' options.
        patience = getattr(pool, "connection_kwargs", {}).get("socket_timeout")
        self._slice = None if patience is None else max(patience * 0.7, 0.001)

    def request(self) -> list[Word]:
        """The next request."""
        settings = self._settings
        left = max(self._until - time.monotonic(), 0)
        wait = left if self._slice is None else min(left, self._slice)
        early = (settings.ttl or 0) * settings.early
        words: list[Word] = ["LEASE.GET", self._key, "LEASE", milliseconds(settings.lease)]
        words += ["EARLY", round(early * 1000), "WAIT", round(wait * 1000)]
        return [*words, "STALE"] if settings.grace else words

    def answer(self, reply: list[Any]) -> Answer | None:
        """What the reply says, or None if the caller is to ask again."""
        _, value, token, _ = reply
        if value is not None or token is not None:
            return Answer(value, token)
        if time.monotonic() >= self._until:
            raise Busy(
                f"{self._key!r} is being computed, for longer than {self._settings.wait} seconds"
            )
        return None


def milliseconds(seconds: float) -> int:
    """Seconds as the server takes times."""
    return max(1, round(seconds * 1000))


def put_request(key: Word, token: bytes, data: Any, settings: Settings) -> list[Any]:
    """The request that stores what was computed."""
    words: list[Any] = ["LEASE.PUT", key, token, data]
    if settings.ttl is not None:
        words += ["PX", milliseconds(settings.ttl)]
        if settings.grace:
            words += ["GRACE", milliseconds(settings.grace)]
    return words


def drop_request(key: Word, token: bytes) -> list[Any]:
    """The request that gives a lease back."""
    return ["LEASE.DROP", key, token]
