"""``df.agg``: several reductions of several columns at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from weft.arguments import find, place
from weft.by_column import ByColumn
from weft.numpy_functions import reduction_of
from weft.reducing import reduce_many, small_frame

if TYPE_CHECKING:
    from weft.frame import DataFrame

__all__ = ["aggregate"]

#: Made in one pass and one exchange, all together.
TOGETHER = ("count", "sum", "prod", "mean", "min", "max", "var", "std", "sem", "skew", "kurt", "any", "all")
#: Names that mean one of these, and functions with a pass of their own.
ALIASES = {"product": "prod", "kurtosis": "kurt"}
ALONE = ("median", "nunique", "idxmin", "idxmax", "quantile", "size")

#: Methods that give a frame; alone, not in a list.
FRAMES = ("cumsum", "cumprod", "cummin", "cummax", "diff", "pct_change", "shift", "mode", "corr", "cov", "describe")

#: A reduction as it was asked for: what it is called, and its name or the function.
Wanted = tuple[str, str | Callable[..., Any]]


def aggregate(frame: DataFrame, func: Any) -> Any:
    """See `DataFrame.agg`."""
    if isinstance(func, Mapping):
        return _by_column(frame, func)
    if isinstance(func, list | tuple):
        return _table(frame, {name: _wanted_list(frame, func) for name in frame.columns})
    if isinstance(func, str) and func in FRAMES:
        return getattr(frame, func)()
    wanted = _wanted(frame, func)
    plan = {name: [wanted] for name in frame.columns}
    return ByColumn({name: values[0] for name, values in _evaluate(frame, plan).items()})


def _by_column(frame: DataFrame, func: Mapping[Any, Any]) -> Any:
    names = frame.table.column_names
    plan: dict[str, list[Wanted]] = {}
    lists = any(isinstance(one, list | tuple) for one in func.values())
    for column, one in func.items():
        name = names[find(frame, column, "agg", index_too=False)]
        plan[name] = _wanted_list(frame, one) if isinstance(one, list | tuple) else [_wanted(frame, one)]
    if not plan:
        raise ValueError(f"{place(frame.env)}agg: no function is given")
    if lists:
        return _table(frame, plan)
    return ByColumn({name: values[0] for name, values in _evaluate(frame, plan).items()})


def _wanted_list(frame: DataFrame, functions: Sequence[Any]) -> list[Wanted]:
    if not functions:
        raise ValueError(f"{place(frame.env)}agg: no function is given")
    made = [_wanted(frame, one) for one in functions]
    names = [name for name, _ in made]
    if len(set(names)) != len(names):
        raise ValueError(f"{place(frame.env)}agg: a function is named twice in {names}")
    return made


def _wanted(frame: DataFrame, function: Any) -> Wanted:
    known = reduction_of(function)
    if known is not None:
        method, arguments = known
        label = function.__name__
        return label, (lambda series: getattr(series, method)(**arguments)) if arguments else method
    if callable(function):
        if frame.env is not None:
            raise ValueError(
                f"{place(frame.env)}agg: a Python function sees one rank's rows alone; name a reduction or use .local()"
            )
        return getattr(function, "__name__", type(function).__name__), function
    if isinstance(function, str) and (function in TOGETHER or function in ALONE or function in ALIASES):
        return function, function
    if not isinstance(function, str):
        raise TypeError(f"{place(frame.env)}agg: a function is a name or callable, not {type(function).__name__}")
    names = ", ".join([*TOGETHER, *ALONE])
    raise ValueError(f"{place(frame.env)}agg: {function!r} is no function; there are {names}")


def _evaluate(frame: DataFrame, plan: Mapping[str, Sequence[Wanted]]) -> dict[str, list[Any]]:
    """The values of each column's functions, in their order."""
    positions = {name: i for i, name in enumerate(frame.table.column_names)}
    together = [
        (ALIASES.get(function, function), positions[name])
        for name, wanted in plan.items()
        for _, function in wanted
        if isinstance(function, str) and ALIASES.get(function, function) in TOGETHER
    ]
    values = iter(reduce_many(frame, together, "agg"))
    found: dict[str, list[Any]] = {}
    for name, wanted in plan.items():
        found[name] = []
        for _, function in wanted:
            if callable(function):
                found[name].append(function(frame[name]))
            elif function == "size":
                found[name].append(frame.total_rows())
            elif ALIASES.get(function, function) in TOGETHER:
                found[name].append(next(values))
            else:
                found[name].append(getattr(frame[name], function)())
    return found


def _table(frame: DataFrame, plan: Mapping[str, Sequence[Wanted]]) -> DataFrame:
    """A row a function, missing where a column was not to have it."""
    import pyarrow as pa

    labels: list[str] = []
    for wanted in plan.values():
        labels.extend(label for label, _ in wanted if label not in labels)
    found = _evaluate(frame, plan)
    columns: dict[str, Any] = {}
    for name, wanted in plan.items():
        by_label = {label: value for (label, _), value in zip(wanted, found[name], strict=True)}
        try:
            columns[name] = pa.array([by_label.get(label) for label in labels], from_pandas=True)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            raise TypeError(
                f"{place(frame.env)}agg: the results of column {name!r} ({', '.join(by_label)}) have no one type; "
                "ask for them one by one"
            ) from None
    return small_frame(columns, labels)
