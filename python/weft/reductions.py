"""`Reductions`: whole columns to one value each."""

from __future__ import annotations

from weft.ordering import Ordering

__all__ = ["Reductions"]


class Reductions(Ordering):
    """Whole columns to one value each. Collective on bound frames: every rank has the result."""

    __slots__ = ()
