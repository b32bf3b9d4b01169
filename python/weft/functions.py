"""Python functions of users on frames, by value, by column, by row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from weft.agreement import agreed, columns_of
from weft.arguments import choose_env, place
from weft.elementwise_series import called_with, python_values, table_of
from weft.expression import col
from weft.operands import Operands

if TYPE_CHECKING:
    from weft.frame import DataFrame
    from weft.rows import Rows

__all__ = ["apply_columns", "apply_rows", "map_values", "with_columns"]


def map_values(frame: Rows, func: Any, na_action: str | None, kwargs: dict[str, Any]) -> DataFrame:
    """`DataFrame.map`."""
    from weft.elementwise_series import ignoring_missing

    if not callable(func):
        raise TypeError(f"map takes a function, not {type(func).__name__}")
    if na_action not in (None, "ignore"):
        raise ValueError(f"map: na_action={na_action!r} is unknown; it is None or 'ignore'")
    function = called_with(func, (), kwargs)
    function = ignoring_missing(function) if na_action == "ignore" else function
    values = _values(frame)
    env = choose_env("map", None, frame)
    columns = columns_of(lambda: [[function(value) for value in column] for column in values], env, "map")
    return with_columns(frame, dict(zip(frame.columns, columns, strict=True)), "map")


def _values(frame: Rows) -> list[list[Any]]:
    hidden = len(frame.index_names)
    return [python_values(column) for column in frame.to_arrow().columns[hidden:]]


def with_columns(frame: Rows, columns: Mapping[str, Any], operation: str) -> DataFrame:
    """A frame of the same rows and index, of other columns."""
    operands = Operands(frame, operation)
    if not columns:
        return operands.project([], [])
    made = operands.beside(table_of({str(number): column for number, column in enumerate(columns.values())}))
    return operands.project(list(columns), [col(name) for name in made])


def apply_columns(frame: DataFrame, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`DataFrame.apply` by column: a frame where the function gives Series, else a dict of what it gives."""
    from weft.series import Series

    if isinstance(func, str):
        return getattr(frame, func)(*args, **kwargs)
    if not callable(func):
        raise TypeError(f"apply takes a function, not {type(func).__name__}")
    made = {name: func(frame[name], *args, **kwargs) for name in frame.columns}
    series = {name: value for name, value in made.items() if isinstance(value, Series)}
    if not series:
        return made
    if len(series) < len(made):
        raise TypeError(f"{place(frame.env)}apply: the function gives Series for some columns and values for others")
    first = next(iter(series.values())).to_frame()
    operands = Operands(first, "apply")
    return operands.project(list(series), [operands.expression(value) for value in series.values()])


def apply_rows(
    frame: DataFrame, func: Callable[..., Any], expand: bool, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """`DataFrame.apply` by row."""
    from weft.series import Series

    if isinstance(func, str):
        return getattr(frame, func)(*args, axis=1, **kwargs)
    if not callable(func):
        raise TypeError(f"apply takes a function, not {type(func).__name__}")
    env = choose_env("apply", None, frame)
    function = called_with(func, args, kwargs)

    def run() -> tuple[list[Any], Any]:
        results = [_as_row(function(row), expand) for row in _rows(frame)]
        names: list[str] | None = None
        for number, result in enumerate(results):
            labels = list(result) if isinstance(result, _Labelled) else None
            if number and labels != names:
                raise TypeError("the function gives rows of different labels, or rows and values")
            names = labels
        return results, {"names": names, "rows": len(results)}

    results, told = agreed(env, "apply", run)
    shapes = [one["names"] for one in told if one["rows"]]
    if any(shape != shapes[0] for shape in shapes):
        raise TypeError(f"{place(frame.env)}apply: the function gives rows of different labels on different ranks")
    if not shapes or shapes[0] is None:
        column = columns_of(lambda: [results], env, "apply")[0]
        return Series(with_columns(frame, {"0": column}, "apply"))
    names: list[str] = shapes[0]
    columns = columns_of(lambda: [[row[name] for row in results] for name in names], env, "apply")
    return with_columns(frame, dict(zip(names, columns, strict=True)), "apply")


class _Labelled(dict[str, Any]):
    """A row that a function gave: its values by label."""


def _as_row(result: Any, expand: bool) -> Any:
    import pandas

    if isinstance(result, pandas.Series):
        return _Labelled({str(label): value for label, value in result.items()})
    if expand and isinstance(result, Mapping):
        return _Labelled({str(label): value for label, value in result.items()})
    if expand and isinstance(result, list | tuple):
        return _Labelled({str(number): value for number, value in enumerate(result)})
    return result


def _rows(frame: DataFrame) -> Any:
    """Rows as pandas Series of the type that holds all their values."""
    import numpy
    import pandas

    from weft.dtypes import dense, family, numeric_type

    types = [dense(type) for type in frame.dtypes.values()]
    families = {family(type) for type in types}
    dtype: Any = None
    if families <= {"int", "float"} and types:
        dtype = numeric_type(*types).to_pandas_dtype()
    elif len(families) > 1 or not families <= {"text", "moment", "span", "bool"}:
        dtype = object
    names = pandas.Index(frame.columns)
    labels = frame.to_arrow().column(0).to_pylist() if len(frame.index_names) == 1 else [None] * len(frame)
    for label, values in zip(labels, zip(*_values(frame), strict=True), strict=True):
        fitting = dtype
        if families == {"int"} and any(value != value for value in values):
            fitting = "float64"
        if fitting is None:
            yield pandas.Series(list(values), index=names, name=label)
            continue
        # Much faster than a list, of which pandas looks for the type.
        row = numpy.fromiter(values, fitting, len(values))
        yield pandas.Series(row, index=names, name=label, copy=False)
