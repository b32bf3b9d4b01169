"""`transform`: functions of whole columns that give a value for each row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from weft.agreement import agreed
from weft.arguments import choose_env, find, place, refuse
from weft.elementwise_series import called_with
from weft.numpy_functions import FUNCTIONS
from weft.operands import Operands

if TYPE_CHECKING:
    from weft.expression import Expression
    from weft.frame import DataFrame
    from weft.series import Series

__all__ = ["transform", "transform_series"]


def transform(frame: DataFrame, func: Any, axis: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> DataFrame:
    """See `DataFrame.transform`."""
    where = f"{place(frame.env)}transform"
    refuse(where, axis=(0 if axis in (0, "index") else axis, 0, "apply(func, axis=1) goes by rows"))
    several = isinstance(func, list | tuple)
    by_column = func if isinstance(func, Mapping) else dict.fromkeys(frame.columns, func)
    if isinstance(func, Mapping):
        for name in func:
            find(frame, name, "transform", index_too=False)
        several = any(isinstance(one, list | tuple) for one in func.values())
    operands = Operands(frame, "transform")
    made: dict[str, Expression] = {}
    for column, functions in by_column.items():
        listed = list(functions) if isinstance(functions, list | tuple) else [functions]
        for one in listed:
            name = f"{column}_{_label(one)}" if several else column
            if name in made:
                raise ValueError(f"{where}: {name!r} is made twice")
            made[name] = operands.expression(_same_rows(frame[column], one, where, args, kwargs))
    if not made:
        raise ValueError(f"{where}: there is nothing to do, for no function or no column is named")
    return operands.project(list(made), list(made.values()))


def transform_series(series: Series, func: Any, axis: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """See `Series.transform`."""
    where = f"{place(series.env)}transform"
    refuse(where, axis=(0 if axis in (0, "index") else axis, 0, "there is but one axis"))
    if not isinstance(func, list | tuple | Mapping):
        frame = series.to_frame()
        made = _same_rows(series, func, where, args, kwargs)
        operands = Operands(frame, "transform")
        return type(series)(operands.project([series.name], [operands.expression(made)]))
    pairs = list(func.items()) if isinstance(func, Mapping) else [(_label(one), one) for one in func]
    names = [str(name) for name, _ in pairs]
    if not pairs or len(set(names)) != len(names):
        raise ValueError(f"{where}: the functions are called {names}; name some, and each by a name of its own")
    operands = Operands(series.to_frame(), "transform")
    values = [operands.expression(_same_rows(series, one, where, args, kwargs)) for _, one in pairs]
    return operands.project(names, values)


def _label(func: Any) -> str:
    return func if isinstance(func, str) else getattr(func, "__name__", type(func).__name__)


def _same_rows(series: Series, func: Any, where: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Series:
    """What the function makes of a column: a Series, which `Operands` checks to be of its rows."""
    if isinstance(func, str):
        made = _by_name(series, func, where, args, kwargs)
    elif callable(func):
        made = _called(series, func, args, kwargs)
    else:
        raise TypeError(f"{where}: a function is a name or callable, not {type(func).__name__}")
    if not isinstance(made, type(series)):
        raise ValueError(
            f"{where}: {_label(func)!r} gives no value for each row of {series.name!r}, but a {type(made).__name__}; "
            "agg is for that"
        )
    return made


def _by_name(series: Series, name: str, where: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    method = None if name.startswith("_") else getattr(type(series), name, None)
    if callable(method):
        return method(series, *args, **kwargs)
    if name in FUNCTIONS and not args and not kwargs:
        return series._apply(FUNCTIONS[name])
    raise ValueError(f"{where}: {name!r} is no method of a Series, nor a function of NumPy's for each value")


def _called(series: Series, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What the function makes of the column, or, where it is one of a single value, of each value."""
    env = choose_env("transform", None, series.to_frame())

    def whole() -> tuple[Any, str]:
        try:
            made = func(series, *args, **kwargs)
        except (TypeError, ValueError, AttributeError) as problem:
            # Without its frames, which would keep this one alive.
            return problem.with_traceback(None), "error"
        return made, "series" if isinstance(made, type(series)) else "value"

    made, told = agreed(env, "transform", whole)
    if any(one != told[0] for one in told):
        raise ValueError(f"{place(env)}transform: the function gives other kinds of results on other ranks: {told}")
    if told[0] == "series":
        return made
    try:
        return series.map(called_with(func, args, kwargs))
    except (TypeError, ValueError, AttributeError) as problem:
        if told[0] == "value":
            return made
        # A value that lacks a method of Series: the function was one of Series, and has failed as that.
        raise (made if isinstance(problem, AttributeError) else problem) from None
