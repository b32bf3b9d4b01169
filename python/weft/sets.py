"""Rows of two frames as sets and as bags: union, intersect, difference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from weft import _core
from weft.arguments import choose_env
from weft.merge import as_frame

if TYPE_CHECKING:
    from weft.env import Env
    from weft.frame import DataFrame

__all__ = ["combine_sets"]


def combine_sets(left: DataFrame, right: Any, operation: str, all: bool, env: Env | None) -> DataFrame:
    """See `DataFrame.union`, `DataFrame.intersect` and `DataFrame.difference`."""
    right = as_frame(operation, right)
    chosen = choose_env(operation, env, left, right)
    if not isinstance(all, bool):
        raise TypeError(f"{operation}: all is a truth value, not {type(all).__name__}")
    first, second = left.reset_index(drop=True), right.reset_index(drop=True)
    session = None if chosen is None else chosen.session
    table = _core.combine_sets(first.table, second.table, session, operation=operation, all=all)
    return left._wrap(table, chosen)
