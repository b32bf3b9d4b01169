"""What `weft.init` takes: an argument goes before the environment, the environment before the default."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

__all__ = ["cores", "number", "parse_bytes", "parse_seconds", "secret", "text"]

T = TypeVar("T")

_UNITS = {
    "": 1,
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
    "TIB": 2**40,
}


def cores() -> int:
    """The number of cores that this process may run on."""
    return max(1, len(os.sched_getaffinity(0)))


def parse_bytes(value: int | float | str) -> int:
    """Bytes from a number or a text such as ``"6GB"`` (10^9), ``"512 MiB"`` (2^20) or ``"1e9"``."""
    if isinstance(value, bool):
        raise ValueError("a size is a number of bytes or a text such as '6GB'")
    if isinstance(value, int | float):
        size = int(value)
    else:
        match = re.fullmatch(r"\s*([0-9.]+(?:[eE][+]?[0-9]+)?)\s*([A-Za-z]*)\s*", value)
        unit = match.group(2).upper() if match else ""
        if match is None or unit not in _UNITS:
            raise ValueError(f"{value!r} is no size: give bytes or a text such as '6GB' or '512MiB'")
        size = int(float(match.group(1)) * _UNITS[unit])
    if size <= 0:
        raise ValueError(f"a size is above 0, not {value!r}")
    return size


def parse_seconds(value: float | str) -> float:
    """Seconds from a number or a text such as ``"90"``, ``"1.5s"``, ``"500ms"``, ``"30min"`` or ``"2h"``."""
    if isinstance(value, str):
        match = re.fullmatch(r"\s*([0-9.]+)\s*(ms|s|min|m|h)?\s*", value)
        if match is None:
            raise ValueError(f"{value!r} is no time: give seconds or a text such as '90s' or '30min'")
        scale = {"ms": 1e-3, None: 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}[match.group(2)]
        seconds = float(match.group(1)) * scale
    else:
        seconds = float(value)
    if not seconds > 0:
        raise ValueError(f"a time is above 0, not {value!r}")
    return seconds


def _pick(name: str, argument: Any) -> tuple[Any, str]:
    """The value given, or None, and the name by which an error is to call it."""
    if argument is not None:
        return argument, f"{name}="
    variable = f"WEFT_{name.upper()}"
    return os.environ.get(variable) or None, f"{variable}="


def _parse(name: str, argument: Any, default: T, parse: Callable[[Any], T]) -> T:
    value, source = _pick(name, argument)
    if value is None:
        return default
    try:
        return parse(value)
    except (TypeError, ValueError, OverflowError) as problem:
        raise ValueError(f"weft.init: {source}{value!r} cannot be taken: {problem}") from None


def text(name: str, argument: str | None, default: str = "") -> str:
    """A text option."""

    def parse(value: Any) -> str:
        if not isinstance(value, str):
            raise TypeError(f"it is a text, not {type(value).__name__}")
        return value

    return _parse(name, argument, default, parse)


def number(name: str, argument: int | str | None, default: int, least: int) -> int:
    """A whole number that is at least `least`."""

    def parse(value: Any) -> int:
        if isinstance(value, bool) or (not isinstance(value, str) and int(value) != value):
            raise TypeError("it is a whole number")
        try:
            result = int(value)
        except ValueError:
            raise ValueError("it is no whole number") from None
        if result < least:
            raise ValueError(f"it is at least {least}")
        return result

    return _parse(name, argument, default, parse)


def size(name: str, argument: int | float | str | None) -> int:
    """Bytes; -1 where none are given."""
    return _parse(name, argument, -1, parse_bytes)


def seconds(name: str, argument: float | str | None, default: float) -> float:
    """Seconds."""
    return _parse(name, argument, default, parse_seconds)


def truth(name: str, argument: bool | None, default: bool) -> bool:
    """Yes or no."""

    def parse(value: Any) -> bool:
        if isinstance(value, bool):
            return value
        word = str(value).strip().lower()
        if word in ("1", "true", "on", "yes"):
            return True
        if word in ("0", "false", "off", "no"):
            return False
        raise ValueError("it is one of 1, 0, true, false, on, off, yes, no")

    return _parse(name, argument, default, parse)


def secret(name: str, argument: str | None) -> str:
    """A text that may also lie in the file that ``WEFT_<NAME>_FILE`` names. Errors never print it."""
    if argument is not None:
        if not isinstance(argument, str):
            raise ValueError(f"weft.init: {name}= is a text, not {type(argument).__name__}")
        return argument
    variable = f"WEFT_{name.upper()}"
    if os.environ.get(variable):
        return os.environ[variable]
    path = os.environ.get(variable + "_FILE")
    if not path:
        return ""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as problem:
        raise ValueError(f"weft.init: {variable}_FILE={path!r} cannot be read: {problem.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"weft.init: {variable}_FILE={path!r} is no text") from None
