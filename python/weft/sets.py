"""Rows of two frames as sets and as bags: union, intersect, difference; and which values another column has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from weft import _core
from weft.arguments import choose_env
from weft.merge import Sides, as_frame, match_types

if TYPE_CHECKING:
    from weft.env import Env
    from weft.frame import DataFrame
    from weft.series import Series

__all__ = ["combine_sets", "is_member"]


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


def is_member(column: Series, values: Series) -> Series:
    """For each row, in its place, whether its value is one of `values`, of all ranks; missing values are equal.
    Collective where the two are bound. No rank needs to hold all of `values`."""
    from weft.series import Series as SeriesClass

    left, right = column.to_frame(), values.to_frame()
    chosen = choose_env("isin", None, left, right)
    places = len(left.index_names), len(right.index_names)
    sides = Sides(left.table.select([places[0]]), right.table.select([places[1]]), [0], [0])
    match_types(sides, chosen)
    session = None if chosen is None else chosen.session
    found = _core.is_member(sides.left, sides.right, session, left_keys=[0], right_keys=[0])
    index = left.table.select(range(places[0]))
    made = _core.beside([index, found.rename([column.name])]) if places[0] else found.rename([column.name])
    return SeriesClass(left._like(made))
