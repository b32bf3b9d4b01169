"""Functions of the module that are methods of frames and Series too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from weft.arguments import place, refuse
from weft.computed import ABSENT, Operators
from weft.frame import DataFrame
from weft.merge import as_frame
from weft.operands import is_listed
from weft.series import Series

if TYPE_CHECKING:
    from weft.rows import Columns

__all__ = [
    "NamedAgg",
    "isna",
    "isnull",
    "melt",
    "merge_ordered",
    "notna",
    "notnull",
    "pivot",
    "pivot_table",
    "unique",
]


class NamedAgg(NamedTuple):
    """A column and the function of it, for ``groupby(...).agg(name=weft.NamedAgg("column", "sum"))``: a pair."""

    column: str
    aggfunc: Any


def _frame(operation: str, value: Any) -> DataFrame:
    if not isinstance(value, DataFrame):
        raise TypeError(f"{operation}: it takes a frame, not {type(value).__name__}")
    return value


def melt(
    frame: DataFrame,
    id_vars: Columns | None = None,
    value_vars: Columns | None = None,
    var_name: str | None = None,
    value_name: str = "value",
    col_level: Any = None,
    ignore_index: bool = True,
) -> DataFrame:
    """`DataFrame.melt` of a frame."""
    return _frame("melt", frame).melt(id_vars, value_vars, var_name, value_name, col_level, ignore_index)


def pivot(data: DataFrame, *, columns: Any, index: Any = ABSENT, values: Any = ABSENT) -> DataFrame:
    """`DataFrame.pivot` of a frame."""
    given = {name: value for name, value in (("index", index), ("values", values)) if value is not ABSENT}
    return _frame("pivot", data).pivot(columns=columns, **given)


def pivot_table(
    data: DataFrame,
    values: Any = None,
    index: Any = None,
    columns: Any = None,
    aggfunc: Any = "mean",
    fill_value: Any = None,
    margins: bool = False,
    dropna: bool = True,
    margins_name: str = "All",
    observed: bool = True,
    sort: bool = True,
) -> DataFrame:
    """`DataFrame.pivot_table` of a frame."""
    return _frame("pivot_table", data).pivot_table(
        values, index, columns, aggfunc, fill_value, margins, dropna, margins_name, observed, sort
    )


def isna(obj: Any) -> Any:
    """True where a value is missing (null, NaN, None): of a frame, a Series or an expression what their `isna` gives,
    of a list or an array of one dimension an array, of one value (a tuple is one) a bool."""
    from weft.lowering import is_missing

    if isinstance(obj, Operators):
        return obj.isna()
    if is_listed(obj) and not isinstance(obj, tuple):
        import numpy

        if getattr(obj, "ndim", 1) != 1:
            raise TypeError("isna: an array has one dimension here; weft.DataFrame(array) makes a frame of others")
        return numpy.array([is_missing(value) for value in obj], dtype=bool)
    return not isinstance(obj, type | tuple) and is_missing(obj)


def notna(obj: Any) -> Any:
    """True where a value is there, as `isna`."""
    found = isna(obj)
    return not found if isinstance(found, bool) else ~found


#: pandas' other names for the same.
isnull, notnull = isna, notna


def unique(values: Series) -> Series:
    """`Series.unique` of a Series."""
    if not isinstance(values, Series):
        raise TypeError(f"unique: it takes a Series, not {type(values).__name__}; weft.Series(list) makes one")
    return values.unique()


def merge_ordered(
    left: DataFrame | Series,
    right: DataFrame | Series,
    on: Columns | None = None,
    left_on: Columns | None = None,
    right_on: Columns | None = None,
    left_by: Any = None,
    right_by: Any = None,
    fill_method: Any = None,
    suffixes: tuple[str | None, str | None] = ("_x", "_y"),
    how: str = "outer",
) -> DataFrame:
    """`merge` with the rows in the order of the keys, of all keys of both sides unless `how` says otherwise. Collective
    on bound frames."""
    one = as_frame("merge_ordered", left)
    refuse(
        f"{place(one.env)}merge_ordered",
        left_by=(left_by, None, "merge each group by itself"),
        right_by=(right_by, None, "merge each group by itself"),
        fill_method=(fill_method, None, "ffill() the result, or use merge_asof"),
    )
    if how not in ("left", "right", "inner", "outer"):
        raise ValueError(f"{place(one.env)}merge_ordered: how={how!r} is unknown; it is left, right, inner or outer")
    return one.merge(right, how=how, on=on, left_on=left_on, right_on=right_on, suffixes=suffixes, sort=True)  # type: ignore[arg-type]
