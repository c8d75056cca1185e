"""Keys of cached calls: the same in every process, for the same arguments."""

import datetime
import decimal
import enum
import functools
import hashlib
import inspect
import uuid
from collections.abc import Callable
from typing import Any

_LONGEST = 200
_signature = functools.lru_cache(1000)(inspect.signature)
_PLAIN = (type(None), bool, int, float, str, bytes)
_NAMED = (
    datetime.date,
    datetime.datetime,
    datetime.time,
    datetime.timedelta,
    decimal.Decimal,
    uuid.UUID,
)


def key_of(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """The key of a call: the function's full name and its arguments by their names, so that `f(1)`
    and `f(number=1)` are one. What would be longer than 200 characters is a digest.

    Arguments are numbers, texts, bytes, dates, UUIDs, enumerations, and tuples, lists, sets and
    dictionaries of these. Others have no text that is the same in every process: TypeError says
    which.
    """
    bound = _signature(function).bind(*args, **kwargs)
    bound.apply_defaults()
    words = []
    for name, value in bound.arguments.items():
        try:
            words.append(f"{name}={_text(value)}")
        except TypeError as error:
            raise TypeError(
                f"argument {name!r} of {function.__qualname__} is no part of a key ({error}): "
                "give `key=`, a function of the same arguments that returns the key"
            ) from None
    name, text = f"{function.__module__}.{function.__qualname__}", ",".join(words)
    if len(name) + len(text) > _LONGEST:
        text = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).hexdigest()
        return f"{name}:{text}"
    return f"{name}({text})"


def _text(value: Any) -> str:
    """A text that two values share only if they are equal and of the same type."""
    kind = type(value)
    if kind in _PLAIN:
        return repr(value)
    if kind in _NAMED or isinstance(value, enum.Enum):
        shown = value.name if isinstance(value, enum.Enum) else str(value)
        return f"{kind.__name__}<{shown}>"
    if kind in (list, tuple):
        inner = ",".join(map(_text, value))
        return f"[{inner}]" if kind is list else f"({inner})"
    if kind in (set, frozenset):
        return "{" + ",".join(sorted(map(_text, value))) + "}"
    if kind is dict:
        return (
            "{"
            + ",".join(sorted(f"{_text(name)}:{_text(inner)}" for name, inner in value.items()))
            + "}"
        )
    raise TypeError(f"{kind.__name__}")
