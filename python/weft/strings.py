"""``.str``: operations on texts, for Series and for expressions."""

from __future__ import annotations

from typing import Generic, TypeVar

from weft.computed import Computed

__all__ = ["Strings"]

T = TypeVar("T", bound=Computed)


class Strings(Generic[T]):
    """Operations on texts."""

    __slots__ = ("_of",)

    def __init__(self, of: T) -> None:
        self._of = of
