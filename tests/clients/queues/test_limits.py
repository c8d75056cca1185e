"""limits: rate limits by a counter, by a list of moments, and by two counters, in scripts."""

import pytest
from limits import RateLimitItemPerSecond, parse
from limits.storage import storage_from_string
from limits.strategies import (
    FixedWindowRateLimiter, MovingWindowRateLimiter, SlidingWindowCounterRateLimiter,
)

STRATEGIES = [FixedWindowRateLimiter, MovingWindowRateLimiter, SlidingWindowCounterRateLimiter]


@pytest.fixture
def storage(r, url):
    return storage_from_string(url)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_so_many_hits_and_no_more(storage, strategy):
    limiter, limit = strategy(storage), parse("5/hour")
    assert [limiter.hit(limit, "a", "b") for _ in range(7)] == [True] * 5 + [False] * 2
    assert limiter.get_window_stats(limit, "a", "b").remaining == 0
    assert limiter.hit(limit, "another") and not limiter.test(limit, "a", "b")
    limiter.clear(limit, "a", "b")
    assert limiter.test(limit, "a", "b")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_window_passes(storage, strategy, wait_until):
    limiter, limit = strategy(storage), RateLimitItemPerSecond(2)
    assert limiter.hit(limit, "a", cost=2)
    wait_until(lambda: limiter.hit(limit, "a"), seconds=5)
