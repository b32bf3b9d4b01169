"""Statistics of whole columns that are more than one pass: quantiles, modes, correlations, descriptions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from weft import _core
from weft.arguments import choose_env, one_of, place
from weft.by_column import ByColumn
from weft.reducing import check_flag, check_whole, choose_columns, is_number, missing_value, small_frame

if TYPE_CHECKING:
    import pyarrow as pa

    from weft.env import Env
    from weft.frame import DataFrame

__all__ = ["correlate_with", "correlations", "distinct_counts", "median", "modes", "quantile_table", "quantiles"]

INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _session(operation: str, frame: DataFrame) -> tuple[Env | None, _core.Session | None]:
    env = choose_env(operation, None, frame)
    return env, None if env is None else env.session


# -- quantiles -------------------------------------------------------------------------------------------------------


def quantile_table(
    frame: DataFrame,
    columns: Sequence[int],
    at: Sequence[float],
    *,
    operation: str = "quantile",
    interpolation: str = "linear",
    skipna: bool = True,
    approximate: bool = False,
) -> pa.Table:
    """A row a quantile, a column a column. Collective on a bound frame."""
    import pyarrow as pa

    from weft.dtypes import dense

    types = [dense(type) for type in frame.schema.types]
    decimals = [i for i in columns if pa.types.is_decimal(types[i]) and not approximate]
    _, session = _session(operation, frame)
    made = pa.table(
        _core.quantile(
            frame.table,
            session,
            columns=[i for i in columns if i not in decimals],
            quantiles=at,
            interpolation=interpolation,
            skipna=skipna,
            approximate=approximate,
        )
    )
    for i in decimals:
        column = _decimal_quantiles(frame, i, types[i], at, interpolation, skipna)
        made = made.add_column(list(columns).index(i), frame.table.column_names[i], column)
    return made


def _decimal_quantiles(
    frame: DataFrame, position: int, type: pa.DataType, at: Sequence[float], interpolation: str, skipna: bool
) -> pa.Array:
    """Of decimals, which may have more digits than selection by counting takes: by sorting."""
    import pyarrow as pa

    column = frame._wrap(frame.table.select([position]).rename(["v"]), frame.env)
    there = int(column.count()["v"])
    one_of_them = interpolation in ("lower", "higher", "nearest")
    result = type if one_of_them else pa.float64()
    if there == 0 or (not skipna and there < column.total_rows()):
        return pa.nulls(len(at), result)
    places = []
    for q in at:
        place_of_q = (there - 1) * q
        low, high = math.floor(place_of_q), min(math.ceil(place_of_q), there - 1)
        # Half to even.
        one = {"lower": low, "higher": high, "nearest": round(place_of_q)}.get(interpolation)
        share = 0.5 if interpolation == "midpoint" else place_of_q - low
        places.append((low, high, share) if one is None else (one, one, 0.0))
    rows = sorted({row for low, high, _ in places for row in (low, high)})
    found = column.sort_values("v").iloc[rows].allgather()["v"].astype(type).to_list()
    values = dict(zip(rows, found, strict=True))
    if one_of_them:
        return pa.array([values[low] for low, _, _ in places], type)
    return pa.array([_between(values[low], values[high], share) for low, high, share in places], result)


def _between(lower: Any, higher: Any, share: float) -> float:
    """Exact but for its one rounding."""
    from fractions import Fraction

    return float(Fraction(lower) + (Fraction(higher) - Fraction(lower)) * Fraction(share))


def _places(frame: DataFrame, q: Any) -> tuple[list[float], bool]:
    """The quantiles asked for, and whether they are a list."""
    listed = hasattr(q, "__len__") and not isinstance(q, str | bytes)
    try:
        at = [float(one) for one in (q if listed else [q])]
    except (TypeError, ValueError):
        raise ValueError(f"{place(frame.env)}quantile: q={q!r} is no number or list of numbers") from None
    if any(not 0 <= one <= 1 for one in at):
        raise ValueError(f"{place(frame.env)}quantile: q={q!r} is not from 0 to 1")
    return at, listed


def quantiles(
    frame: DataFrame, q: Any, numeric_only: bool, interpolation: str, approximate: bool
) -> dict[str, Any] | DataFrame:
    """{column: value} of one quantile, a local frame of several."""
    check_flag(frame, "quantile", numeric_only=numeric_only, approximate=approximate)
    one_of(frame.env, "quantile", "interpolation", interpolation, INTERPOLATIONS)
    if approximate:
        one_of(frame.env, "quantile", "interpolation", interpolation, ("linear",))
    at, listed = _places(frame, q)
    columns = choose_columns(frame, numeric_only)
    found = quantile_table(frame, columns, at, interpolation=interpolation, approximate=approximate)
    if listed:
        return small_frame(dict(zip(found.column_names, found.columns, strict=True)), at)
    return _first_row(found)


def median(frame: DataFrame, skipna: bool, numeric_only: bool, approximate: bool) -> dict[str, Any]:
    """{column: median}."""
    check_flag(frame, "median", skipna=skipna, numeric_only=numeric_only, approximate=approximate)
    columns = choose_columns(frame, numeric_only)
    return _first_row(quantile_table(frame, columns, [0.5], operation="median", skipna=skipna, approximate=approximate))


def _first_row(table: pa.Table) -> dict[str, Any]:
    values = ByColumn()
    for name, column in zip(table.column_names, table.columns, strict=True):
        value = column[0].as_py()
        values[name] = missing_value(column.type) if value is None else value
    return values


# -- different values ------------------------------------------------------------------------------------------------


def distinct_counts(frame: DataFrame, dropna: bool) -> dict[str, int]:
    """{column: how many different values}."""
    check_flag(frame, "nunique", dropna=dropna)
    _, session = _session("nunique", frame)
    columns = choose_columns(frame, False)
    counts = _core.count_distinct(frame.table, session, columns=columns, dropna=dropna)
    return ByColumn(zip(frame.columns, counts, strict=True))


def _sizes(frame: DataFrame, name: str, dropna: bool, operation: str) -> DataFrame:
    """The different values of a column, ordered, and how often each is there, in a column "size"."""
    env, session = _session(operation, frame)
    column = frame.table.select([frame.table.column_names.index(name)]).rename(["value"])
    sizes = _core.group_by(
        column,
        session,
        keys=[0],
        aggregations=[{"function": "size", "column": -1, "name": "size"}],
        sort=True,
        dropna=dropna,
    )
    return frame._wrap(sizes, env)


def modes(frame: DataFrame, numeric_only: bool, dropna: bool) -> DataFrame:
    """The most frequent values of each column, in order; shorter columns are filled with missing values."""
    import pyarrow as pa

    from weft.expression import col

    check_flag(frame, "mode", numeric_only=numeric_only, dropna=dropna)
    found: dict[str, pa.ChunkedArray] = {}
    for position in choose_columns(frame, numeric_only):
        name = frame.table.column_names[position]
        sizes = _sizes(frame, name, dropna, "mode")
        most = sizes.max()["size"]
        kept = sizes if most != most else sizes.filter(col("size") == most)
        found[name] = kept.allgather().to_arrow().column("value")
    rows = max((len(column) for column in found.values()), default=0)
    for name, column in found.items():
        if len(column) < rows:
            found[name] = pa.chunked_array([*column.chunks, pa.nulls(rows - len(column), column.type)], column.type)
    return small_frame(found)


# -- pairs of columns ------------------------------------------------------------------------------------------------


METHODS = ("pearson", "kendall", "spearman")


def check_method(frame: DataFrame, operation: str, method: Any) -> None:
    if callable(method):
        raise ValueError(
            f"{place(frame.env)}{operation}: method is a name, {', '.join(METHODS)}: a Python function would see one "
            "rank's rows alone"
        )
    one_of(frame.env, operation, "method", method, METHODS)


def correlations(
    frame: DataFrame,
    operation: str,
    numeric_only: bool,
    min_periods: int | None,
    ddof: int = 1,
    method: Any = "pearson",
) -> DataFrame:
    """The matrix of covariances or correlations, as a local frame whose index names the columns."""
    import pyarrow as pa

    check_method(frame, operation, method)
    check_flag(frame, operation, numeric_only=numeric_only)
    least = 1 if min_periods is None else min_periods
    check_whole(frame, operation, min_periods=least, ddof=ddof)
    columns = choose_columns(frame, numeric_only)
    names = [frame.table.column_names[position] for position in columns]
    matrix = pair_matrix(frame, operation, columns, max(1, least), ddof, method)
    made = {name: [row[i] for row in matrix] for i, name in enumerate(names)}
    return small_frame({name: pa.array(values, pa.float64()) for name, values in made.items()}, names)


def pair_matrix(
    frame: DataFrame,
    operation: str,
    columns: Sequence[int],
    min_periods: int,
    ddof: int = 1,
    method: str = "pearson",
) -> list[list[float]]:
    """Covariances ("cov") or correlations ("corr") of all pairs of columns; NaN for pairs in fewer than `min_periods`
    rows. Collective on a bound frame."""
    if method != "pearson":
        from weft.rank_correlation import rank_matrix

        return rank_matrix(frame, operation, columns, min_periods, method)
    _, session = _session(operation, frame)
    pairs = _core.pair_moments(frame.table, session, columns=columns, ddof=ddof, operation=operation)
    matrix = [[math.nan] * len(columns) for _ in columns]
    place_of_pair = 0
    for i in range(len(columns)):
        for j in range(i, len(columns)):
            count, covariance, correlation = pairs[place_of_pair]
            place_of_pair += 1
            value = covariance if operation == "cov" else correlation
            if count >= min_periods:
                matrix[i][j] = matrix[j][i] = value
    return matrix


def correlate_with(
    frame: DataFrame, other: Any, drop: bool, method: Any, numeric_only: bool, min_periods: int | None
) -> dict[str, float]:
    """{column: its correlation with the other's of the same name, or with a Series}; see `DataFrame.corrwith`."""
    from weft.operands import aligned
    from weft.rows import Rows
    from weft.series import Series

    where = place(frame.env)
    check_method(frame, "corrwith", method)
    check_flag(frame, "corrwith", numeric_only=numeric_only, drop=drop)
    least = 1 if min_periods is None else min_periods
    check_whole(frame, "corrwith", min_periods=least)
    if not isinstance(other, Series | Rows):
        raise TypeError(f"{where}corrwith: other is a frame or a Series, not {type(other).__name__}")
    right = other.to_frame() if isinstance(other, Series) else other._same
    env = choose_env("corrwith", None, frame, right)
    beside = aligned(frame, right, "corrwith")
    mine = {frame.table.column_names[i]: i for i in choose_columns(frame, numeric_only)}
    theirs = {right.table.column_names[i]: i for i in choose_columns(right, numeric_only)}
    if isinstance(other, Series):
        pairs = {name: (i, len(right.index_names)) for name, i in mine.items()}
    else:
        pairs = {name: (i, theirs[name]) for name, i in mine.items() if name in theirs}
    found = ByColumn()
    for name, (i, j) in pairs.items():
        two = _core.beside([frame.table.select([i]), beside.select([j])], [name, f"other {name}"])
        matrix = pair_matrix(frame._wrap(two, env), "corr", [0, 1], max(1, least), method=method)
        found[name] = matrix[0][1]
    if not drop and not isinstance(other, Series):
        found.update({name: math.nan for name in sorted({*mine, *theirs} - set(found))})
    return found


def numbers_of(frame: DataFrame) -> list[str]:
    """The names of columns that are numbers."""
    schema = frame.schema
    return [name for name in frame.columns if is_number(schema.field(name).type)]
