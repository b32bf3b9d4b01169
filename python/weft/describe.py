"""``df.describe()``: a summary of the columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from weft.arguments import choose_env, place
from weft.reducing import is_number, labels_of, reduce_many, small_frame

if TYPE_CHECKING:
    import pyarrow as pa

    from weft.frame import DataFrame

__all__ = ["describe"]

#: What `include` and `exclude` may name: pandas' words and Arrow's.
KINDS = {
    "number": "number",
    "bool": "bool",
    "boolean": "bool",
    "object": "text",
    "str": "text",
    "string": "text",
    "datetime": "timestamp",
    "datetime64": "timestamp",
    "datetimetz": "timestamp",
    "timestamp": "timestamp",
    "timedelta": "duration",
    "timedelta64": "duration",
    "duration": "duration",
    "category": "category",
}


def _kind(type: pa.DataType) -> str:
    from pyarrow import types

    if types.is_boolean(type):
        return "bool"
    if is_number(type):
        return "number"
    if types.is_timestamp(type):
        return "timestamp"
    if types.is_duration(type):
        return "duration"
    if types.is_dictionary(type):
        return "category"
    if types.is_string(type) or types.is_large_string(type):
        return "text"
    return str(type)


def _wanted(frame: DataFrame, argument: str, given: Any) -> list[str | pa.DataType]:
    """The kinds and types that `include` or `exclude` names."""
    import pyarrow as pa

    listed = given if isinstance(given, list | tuple) else [given]
    made: list[str | pa.DataType] = []
    for one in listed:
        if isinstance(one, pa.DataType):
            made.append(one)
        elif isinstance(one, str) and one in KINDS:
            made.append(KINDS[one])
        else:
            try:
                made.append(pa.type_for_alias(one))
            except (ValueError, TypeError):
                raise ValueError(f"{place(frame.env)}describe: {argument}={one!r} is no kind of column") from None
    return made


def _chosen(frame: DataFrame, include: Any, exclude: Any) -> list[int]:
    """Positions of the columns to describe."""
    types = frame.schema.types
    columns = list(range(len(frame.index_names), len(types)))

    def is_one(position: int, wanted: Sequence[Any]) -> bool:
        return types[position] in wanted or _kind(types[position]) in wanted

    if isinstance(include, str) and include == "all":
        if exclude is not None:
            raise ValueError(f"{place(frame.env)}describe: exclude must be None where include is 'all'")
        return columns
    if include is None and exclude is None:
        return [i for i in columns if is_one(i, ["number", "timestamp", "duration"])] or columns
    kept = columns if include is None else [i for i in columns if is_one(i, _wanted(frame, "include", include))]
    gone = [] if exclude is None else _wanted(frame, "exclude", exclude)
    return [i for i in kept if not is_one(i, gone)]


def _percentiles(frame: DataFrame, given: Any) -> tuple[list[float], list[str]]:
    """The quantiles, in order, and how they are called."""
    if given is None:
        return [0.25, 0.5, 0.75], ["25%", "50%", "75%"]
    try:
        at = [float(one) for one in given]
    except (TypeError, ValueError):
        raise ValueError(f"{place(frame.env)}describe: percentiles={given!r} is no list of numbers") from None
    if any(not 0 <= one <= 1 for one in at):
        raise ValueError(f"{place(frame.env)}describe: percentiles={given!r} are not all from 0 to 1")
    if len(set(at)) != len(at):
        raise ValueError(f"{place(frame.env)}describe: percentiles={given!r} has one twice")
    at.sort()
    return at, _percent_names(at)


def _percent_names(at: Sequence[float]) -> list[str]:
    """As few decimals as tell them apart, as pandas."""
    percents = [100 * one for one in at]
    whole = [math.isclose(one, round(one), rel_tol=1e-5, abs_tol=1e-8) for one in percents]
    if all(whole):
        return [f"{round(one)}%" for one in percents]
    gaps = [b - a for a, b in zip([0.0, *percents], [*percents, 100.0], strict=True) if b - a > 0]
    digits = max(1, -math.floor(math.log10(min(gaps))))
    return [
        f"{round(one)}%" if is_whole else f"{round(one, digits)}%"
        for one, is_whole in zip(percents, whole, strict=True)
    ]


def describe(frame: DataFrame, percentiles: Any, include: Any, exclude: Any) -> DataFrame:
    """See `DataFrame.describe`."""
    columns = _chosen(frame, include, exclude)
    if not columns:
        raise ValueError(f"{place(frame.env)}describe: there is no column to describe")
    choose_env("describe", None, frame)
    at, names = _percentiles(frame, percentiles)
    names_of = frame.table.column_names
    types = frame.schema.types
    measured = [i for i in columns if _kind(types[i]) in ("number", "timestamp", "duration")]
    summaries = dict(zip(measured, _measure(frame, measured, at, names), strict=True))
    for i in columns:
        if i not in summaries:
            summaries[i] = _count_values(frame, names_of[i])
    labels: list[str] = []
    for summary in sorted((summaries[i] for i in columns), key=len):
        labels.extend(label for label in summary if label not in labels)
    made = {names_of[i]: _column(summaries[i], labels, _kind(types[i]) == "number") for i in columns}
    return small_frame(made, labels)


def _column(summary: dict[str, Any], labels: Sequence[str], number: bool) -> pa.Array:
    import pyarrow as pa

    values = [summary.get(label) for label in labels]
    if number:
        return pa.array([None if value is None else float(value) for value in values], pa.float64(), from_pandas=True)
    missing = [value is None or value != value for value in values]
    return pa.array([None if gone else str(value) for value, gone in zip(values, missing, strict=True)], pa.string())


def _measure(
    frame: DataFrame, columns: Sequence[int], at: Sequence[float], names: Sequence[str]
) -> list[dict[str, Any]]:
    """Of numbers and times: their moments in one pass, their quantiles together."""
    from weft.statistics import quantile_table

    types = frame.schema.types
    functions = {
        i: [name for name in ("count", "mean", "std", "min", "max") if name != "std" or _kind(types[i]) != "timestamp"]
        for i in columns
    }
    wanted = [(function, i) for i in columns for function in functions[i]]
    values = iter(reduce_many(frame, wanted, "describe"))
    found = {i: {function: next(values) for function in functions[i]} for i in columns}
    quantiles = quantile_table(frame, columns, at, operation="describe")
    made = []
    for place_of_column, i in enumerate(columns):
        moments = found[i]
        summary: dict[str, Any] = {name: moments[name] for name in ("count", "mean", "std", "min") if name in moments}
        summary.update(zip(names, quantiles.column(place_of_column).to_pylist(), strict=True))
        made.append({**summary, "max": moments["max"]})
    return made


def _count_values(frame: DataFrame, name: str) -> dict[str, Any]:
    """Of others: how many, how many different, which is there most often."""
    from weft.statistics import _sizes

    sizes = _sizes(frame, name, True, "describe")
    (count, freq, first) = reduce_many(sizes, [("sum", 1), ("max", 1), ("idxmax", 1)], "describe")
    unique = sizes.total_rows()
    if unique == 0:
        return {"count": 0, "unique": 0, "top": None, "freq": None}
    row = labels_of(sizes, [first])[0]
    top = sizes.slice(row, 1).allgather().to_arrow().column("value")[0].as_py()
    return {"count": count, "unique": unique, "top": top, "freq": freq}
