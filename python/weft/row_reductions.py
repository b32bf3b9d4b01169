"""The values of each row to one value: what reductions do with ``axis=1``."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

from weft import _core
from weft.arguments import choose_env, place
from weft.expression import col
from weft.operands import Operands
from weft.reducing import check_flag, check_whole, choose_columns

if TYPE_CHECKING:
    import pyarrow as pa

    from weft.frame import DataFrame
    from weft.series import Series

__all__ = ["reduce_rows", "row_quantile"]

#: Functions for which each column's own type counts.
_EACH = ("count", "any", "all")


def reduce_rows(
    frame: DataFrame,
    function: str,
    *,
    operation: str | None = None,
    skipna: bool = True,
    numeric_only: bool = False,
    bool_only: bool = False,
    min_count: int = 0,
    ddof: int = 1,
    q: float = 0.5,
    interpolation: str = "linear",
) -> Series:
    """A Series of one value a row of the frame, with its index. No rank needs another's rows; an error on one rank is
    every rank's.

    Columns of different types are taken as the type that pandas' promotion finds for them (bool beside numbers as 0 and
    1); TypeError where there is none.
    """
    from weft.series import Series

    called = operation or function
    check_flag(frame, called, skipna=skipna, numeric_only=numeric_only, bool_only=bool_only)
    check_whole(frame, called, min_count=min_count, ddof=ddof)
    columns = choose_columns(frame, numeric_only, bool_only)
    if not columns:
        raise ValueError(f"{place(frame.env)}{called}: there are no columns whose rows could be reduced")
    env = choose_env(called, None, frame)
    table = frame.table.select(columns)
    if function not in _EACH:
        table = _one_type(frame, called, columns)
    made = _core.row_reduce(
        table,
        None if env is None else env.session,
        function=function,
        skipna=skipna,
        min_count=min_count,
        ddof=ddof,
        quantile=q,
        interpolation=interpolation,
    )
    if function in ("idxmin", "idxmax"):
        made = _names(frame, called, made, [frame.table.column_names[i] for i in columns], skipna)
    return Series(frame._beside_index(made))


def row_quantile(frame: DataFrame, q: Any, numeric_only: bool, interpolation: str) -> Series:
    """The quantile `q` of each row."""
    if isinstance(q, bool) or not isinstance(q, int | float) or not 0 <= q <= 1:
        raise ValueError(f"{place(frame.env)}quantile: q={q!r} is no number from 0 to 1; along rows it is one")
    made = reduce_rows(frame, "quantile", numeric_only=numeric_only, q=float(q), interpolation=interpolation)
    # As pandas calls it.
    return made.rename(str(float(q)))


def _one_type(frame: DataFrame, operation: str, columns: list[int]) -> _core.Table:
    """The columns as one type."""
    from weft.dtypes import dense

    names = [frame.table.column_names[i] for i in columns]
    types = [dense(frame.schema.types[i]) for i in columns]
    common = reduce(lambda one, other: _common(frame, operation, one, other, names), types)
    if all(frame.schema.types[i] == common for i in columns):
        return frame.table.select(columns)
    operands = Operands(frame, operation)
    made = operands.project(
        names,
        [col(name) if type == common else col(name).astype(common) for name, type in zip(names, types, strict=True)],
    )
    return made.table.select(range(len(frame.index_names), made.table.num_columns))


def _common(frame: DataFrame, operation: str, one: pa.DataType, other: pa.DataType, names: list[str]) -> pa.DataType:
    import pyarrow as pa

    from weft.dtypes import common_type, family

    if one == other:
        return one
    pair = [pa.int8() if family(type) == "bool" else type for type in (one, other)]
    found = common_type(*pair)
    if found is None or "other" in (family(one), family(other)):
        raise TypeError(
            f"{place(frame.env)}{operation}: the columns {', '.join(map(repr, names))} have no one type, {one} and "
            f"{other} among them; choose columns, or numeric_only=True"
        )
    return found


def _names(frame: DataFrame, operation: str, made: _core.Table, names: list[str], skipna: bool) -> _core.Table:
    """Names of columns in place of their numbers; a row without one is a ValueError, on every rank."""
    import pyarrow as pa

    places = pa.table(made).column(0)
    env = choose_env(operation, None, frame)
    problem = None
    if places.null_count:
        what = "no value" if skipna else "a missing value, or none; skipna=True passes over them"
        problem = f"{operation}: a row has {what}"
    if env is not None:
        env.session.agree(operation, problem)
    elif problem is not None:
        raise ValueError(problem)
    return _core.Table.from_stream(pa.table({"0": pa.array(names, pa.string()).take(places)}))
