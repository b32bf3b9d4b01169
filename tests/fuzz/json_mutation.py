"""Mutations of JSON texts that keep them JSON, so that a fuzzer gets behind the parser: values of other types, missing and
strange members, doubled and exchanged ones. For atheris, which brings the mutations of bytes and the coverage."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

__all__ = ["mutator"]

STRANGE: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 1.0, 1e308, 1 << 62, 1 << 63, -(1 << 63), 1 << 64, 10**400, "", "0", "1", "a/b", "..", "\0",
    "\ud800", "é", "x" * 600, "ab" * 32, "s3://b/k", "s3://", "host:1", "[::1]:99999", "1e5", "nan", "inf", "1_0", "٣", [], {},
    [[]], {"": ""}, {"version": 1}, float("nan"), float("inf"),
)  # fmt: skip


def _places(value: Any, found: list[tuple[Any, Any]]) -> None:
    """All containers with their keys."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in members:
        found.append((value, key))
        _places(inner, found)


def _change(value: Any, random_: random.Random) -> Any:
    places: list[tuple[Any, Any]] = []
    _places(value, places)
    if not places:
        return random_.choice(STRANGE)
    holder, key = random_.choice(places)
    how = random_.randrange(8)
    if how == 0:
        del holder[key]
    elif how == 1:
        other, other_key = random_.choice(places)
        holder[key] = json.loads(json.dumps(other[other_key]))
    elif how == 2 and isinstance(holder, dict):
        name = random_.choice((key + "_", key.upper(), "", "version", "\ud800", "x" * 300, "S3_BUCKET"))
        holder[name] = holder.pop(key)
    elif how == 3 and isinstance(holder, list):
        holder.extend([holder[key]] * random_.choice((1, 2, 30)))
    elif how == 4 and isinstance(holder[key], str):
        text = holder[key]
        at = random_.randrange(len(text) + 1)
        holder[key] = (
            text[:at]
            + random_.choice(("", "/", "..", "\0", "\ud800", "é", " ", "-", "9", "\n", text))
            + text[at + random_.randrange(3) :]
        )
    elif how == 5 and isinstance(holder[key], int):
        holder[key] += random_.choice((-1, 1, 1 << 31, 1 << 63, -(1 << 62)))
    elif how == 6:
        deep: Any = holder[key]
        for _ in range(random_.choice((1, 5, 100, 990, 3000))):
            deep = [deep] if random_.random() < 0.5 else {"a": deep}
        holder[key] = deep
    else:
        holder[key] = random_.choice(STRANGE)
    return value


def mutator(mutate_bytes: Callable[[bytes, int], bytes], lead: int = 0) -> Callable[[bytes, int, int], bytes]:
    """A custom mutator for atheris: every third time bytes, else the JSON behind the first `lead` bytes, as long as it is."""

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        random_ = random.Random(seed)
        if random_.randrange(3):
            try:
                value = json.loads(data[lead:])
                for _ in range(random_.choice((1, 1, 2, 4))):
                    value = _change(value, random_)
                made = data[:lead] + json.dumps(value).encode()
                if len(made) <= max_size:
                    return made
            except (ValueError, RecursionError):
                pass
        return mutate_bytes(data, max_size)

    return mutate
