"""``.dt``: operations on moments, dates and durations, for Series and for expressions."""

from __future__ import annotations

from typing import Generic, TypeVar

from weft.computed import Computed

__all__ = ["Datetimes"]

T = TypeVar("T", bound=Computed)


class Datetimes(Generic[T]):
    """Operations on moments, dates and durations."""

    __slots__ = ("_of",)

    def __init__(self, of: T) -> None:
        self._of = of
