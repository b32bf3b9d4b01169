"""`Elementwise`: operators whose every row is made of that row alone."""

from __future__ import annotations

from weft.indexing import Indexing

__all__ = ["Elementwise"]


class Elementwise(Indexing):
    """Operators whose every row is made of that row alone. Local, unless a method says otherwise."""

    __slots__ = ()
