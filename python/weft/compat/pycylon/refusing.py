"""Arguments that are not taken."""

from __future__ import annotations

from typing import Any

__all__ = ["hint", "refuse", "whole"]


def refuse(where: str, **arguments: tuple[Any, str]) -> None:
    """Each is (value, way out): a ValueError that names it."""
    for name, (value, way_out) in arguments.items():
        raise ValueError(f"{where}: {name}={value!r} is not taken; {way_out}")


def whole(where: str, name: str, value: Any, least: int) -> int:
    """A whole number that is at least `least`."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{where}: {name}={value!r} is no whole number")
    if int(value) < least:
        raise ValueError(f"{where}: {name}={value!r} is below {least}")
    return int(value)


def hint(where: str, name: str, value: Any, allowed: tuple[Any, ...]) -> None:
    """A choice of how something is done, which changes no result: checked, and left to Weft."""
    if value not in allowed:
        shown = ", ".join(map(repr, allowed))
        raise ValueError(f"{where}: {name}={value!r} is unknown; it is one of {shown}")
