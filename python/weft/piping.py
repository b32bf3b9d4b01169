"""`pipe`: a function of a frame, a Series or groups as a method of theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["Piped", "piped"]

#: A function, or a pair of one and the argument by whose name it takes what is piped.
Piped = Callable[..., Any] | tuple[Callable[..., Any], str]


def piped(of: Any, func: Piped, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``func(of, *args, **kwargs)``."""
    if not isinstance(func, tuple):
        if not callable(func):
            raise TypeError(f"pipe takes a function, or a pair of one and a name, not {type(func).__name__}")
        return func(of, *args, **kwargs)
    if len(func) != 2 or not callable(func[0]) or not isinstance(func[1], str):
        raise TypeError("pipe: a pair is of a function and the name of its argument")
    function, target = func
    if target in kwargs:
        raise ValueError(f"pipe: {target!r} is what is piped, and an argument too")
    return function(*args, **{target: of}, **kwargs)
