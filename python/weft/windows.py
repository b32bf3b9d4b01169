"""`Rolling`, `Expanding`, `ExponentialMovingWindow`: what ``df.rolling(...)`` and the like give."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from weft import _core
from weft.arguments import find, one_of, refuse
from weft.piping import Piped, piped
from weft.rows import Rows
from weft.window_options import Of, RollingOptions, check_count

if TYPE_CHECKING:
    from weft.frame import DataFrame

__all__ = ["Expanding", "ExponentialMovingWindow", "Rolling", "Windows"]

Result = TypeVar("Result")
_ONE_ENGINE = "Weft has one engine"
_INTERPOLATIONS = ("linear", "lower", "higher", "nearest", "midpoint")


class Windows(Generic[Result]):
    """A value for every row from the rows of its window. Rows stay where they are; within groups the result has the
    keys before the rows' own index, and the rows by group, as in pandas. Missing values, and infinities, are passed
    over; a window with fewer than `min_periods` others comes to a missing value. Results are doubles. Collective on
    bound frames."""

    _operation = "rolling"
    _functions: tuple[str, ...] = ()

    def __init__(self, of: Of, min_periods: int) -> None:
        self._of = of
        self._min_periods = min_periods
        #: The column of times, and whether it is one of the frame's columns and no index.
        self._time: int | None = None
        self._shows_time = False
        self._step = 1

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {', '.join(map(self._of.name, self._of.columns))}>"

    # -- columns -------------------------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> Any:
        of = self._of
        listed = key if isinstance(key, list) else [key]
        columns = [find(of.frame, item, f"{self._operation}[...]", index_too=False) for item in listed]
        made = copy.copy(self)
        made._of = Of(of.frame, columns, not isinstance(key, list), of.keys)
        made._of.picked = True
        return made

    def __getattr__(self, name: str) -> Any:
        # Only reached where there is no such attribute: rolling(3).column, as in pandas.
        if not name.startswith("_") and name in self._of.frame.columns:
            return self[name]
        raise AttributeError(f"weft.{type(self).__name__} has no attribute or column {name!r}")

    def _columns(self, numeric_only: bool, operation: str) -> list[int]:
        from pyarrow import types

        of = self._of
        if not isinstance(numeric_only, bool):
            raise ValueError(f"{of.where}{operation}: numeric_only is True or False, not {numeric_only!r}")
        columns = of.columns
        if self._shows_time:
            columns = [position for position in columns if position != self._time]
        if not numeric_only:
            return columns
        schema = of.frame.schema.types
        kept = [
            position
            for position in columns
            if types.is_integer(schema[position])
            or types.is_floating(schema[position])
            or types.is_decimal(schema[position])
            or (of.single and types.is_boolean(schema[position]))
        ]
        if of.single and not kept:
            raise TypeError(f"{of.where}{operation}: numeric_only=True of a column that is no number")
        return kept

    def _check_distinct(self, names: Sequence[str]) -> None:
        if len(set(names)) != len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise ValueError(
                f"{self._of.where}{self._operation}: the result would have two columns {', '.join(map(repr, twice))}"
            )

    # -- results -------------------------------------------------------------------------------------------------

    @abstractmethod
    def _compute(self, items: list[dict[str, Any]]) -> _core.Table:
        """A column an item, a row a row of the frame."""

    def _each(self, function: str, numeric_only: bool = False, **arguments: Any) -> Result:
        of = self._of
        columns = self._columns(numeric_only, f"{self._operation}.{function}")
        items = [{"function": function, "column": at, "name": of.name(at), **arguments} for at in columns]
        made: Result = self._finish(self._compute(items), of.single)
        return made

    def _finish(self, made: _core.Table, single: bool, show_time: bool = True) -> Any:
        """A frame, or a Series, of computed columns that lie beside the frame's rows."""
        from weft.series import Series

        if self._of.keys is not None:
            frame = self._by_group(made, show_time and not single)
        else:
            frame = self._in_place(made, show_time and not single)
        return Series(frame) if single else frame

    def _with_time(self, made: _core.Table) -> _core.Table:
        """With the column of times where the frame has it."""
        of = self._of
        assert self._time is not None
        name = of.name(self._time)
        names = list(made.column_names)
        chosen = [of.name(position) for position in of.columns]
        before = chosen[: chosen.index(name)] if name in chosen else chosen
        at = sum(one in before for one in names)
        whole = _core.beside([made, of.table.select([self._time])], [*names, name])
        return whole.select([*range(at), len(names), *range(at, len(names))])

    def _in_place(self, made: _core.Table, show_time: bool) -> DataFrame:
        frame = self._of.frame
        hidden = len(frame.index_names)
        if self._shows_time and show_time:
            made = self._with_time(made)
        table = _core.beside([frame.table.select(list(range(hidden))), made])
        if self._step == 1:
            return frame.of_same_rows(table)
        stepped: DataFrame = Rows._wrap(table, frame.env, frame.index_names)[:: self._step]
        return stepped

    def _by_group(self, made: _core.Table, show_time: bool) -> DataFrame:
        from weft.expression import col
        from weft.groupby import GroupBy

        of = self._of
        keys = of.keys
        assert keys is not None
        inner = [i for i, name in enumerate(of.frame.index_names) if name not in keys.names]
        if self._shows_time and of.picked:
            assert self._time is not None
            inner = [self._time]
        elif self._shows_time and show_time:
            made = self._with_time(made)
        names = [*keys.names, *(of.name(i) for i in inner), *made.column_names]
        self._check_distinct(names)
        count = len(keys.names)
        parts = [keys.table.select([*keys.positions, *inner]), made]
        if not keys.sort:
            numbers = GroupBy(keys).ngroup().to_frame().table
            parts.append(numbers.select([numbers.num_columns - 1]))
        width = len(names) + (0 if keys.sort else 1)
        whole = _core.beside(parts, [f"c{i}" for i in range(width)])
        frame = Rows._wrap(whole, keys.env)
        if keys.dropna:
            condition = col("c0").notna()
            for i in range(1, count):
                condition = condition & col(f"c{i}").notna()
            frame = frame.filter(condition)
        order = list(range(count)) if keys.sort else [len(names)]
        ordered = _core.sort(frame.table, keys.session, keys=order, ascending=[True] * len(order), nulls_first=False)
        table = ordered.select(list(range(len(names)))).rename(names)
        index = names[: count + len(inner)] if keys.as_index else names[count : count + len(inner)]
        if not keys.as_index and index:
            # The index lies before the columns.
            moved = [*range(count, count + len(inner)), *range(count), *range(count + len(inner), len(names))]
            table = table.select(moved)
        return Rows._wrap(table, keys.env, index)

    # -- several at once -----------------------------------------------------------------------------------------

    def agg(self, func: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Several functions at once: ``agg("sum")``; ``agg(["sum", "max"])``; ``agg({"v": "sum", "w": ["min"]})``;
        ``agg(total=("v", "sum"))``. Where pandas makes two levels of names, ``("v", "sum")``, the column is ``v_sum``.
        """
        of = self._of
        operation = f"{self._operation}.agg"
        if callable(func):
            return self._agg_function(func, args, kwargs)
        if isinstance(func, str):
            return getattr(self, self._function(func))(*args, **kwargs)
        if args or (kwargs and func is not None):
            raise TypeError(f"{of.where}{operation}: more arguments are for one function alone")
        items: list[dict[str, Any]] = []
        if func is None:
            if not kwargs:
                raise TypeError(f"{of.where}{operation}: give functions, or named aggregations")
            for name, pair in kwargs.items():
                if not isinstance(pair, tuple) or len(pair) != 2:
                    raise TypeError(f"{of.where}{operation}: {name}= is a pair (column, function), not {pair!r}")
                items.append(self._item(find(of.frame, pair[0], operation, index_too=False), pair[1], name))
        elif isinstance(func, Mapping):
            levels = any(isinstance(functions, list | tuple) for functions in func.values())
            for column, functions in func.items():
                position = find(of.frame, column, operation, index_too=False)
                for one in functions if isinstance(functions, list | tuple) else [functions]:
                    items.append(
                        self._item(position, one, f"{of.name(position)}_{one}" if levels else of.name(position))
                    )
        else:
            for position in self._columns(False, operation):
                for one in func:
                    items.append(self._item(position, one, str(one) if of.single else f"{of.name(position)}_{one}"))
        self._check_distinct([item["name"] for item in items])
        return self._finish(self._compute(items), False, show_time=False)

    aggregate = agg

    def _agg_function(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        raise TypeError(f"{self._of.where}{self._operation}.agg: a Python function is not taken; name a function")

    def _function(self, name: Any) -> str:
        if isinstance(name, str) and name in self._functions:
            return name
        shown = repr(name) if isinstance(name, str) else f"a {type(name).__name__}"
        raise ValueError(
            f"{self._of.where}{self._operation}.agg: {shown} is no function; there are {', '.join(self._functions)}"
        )

    def _item(self, position: int, function: Any, name: str) -> dict[str, Any]:
        return {"function": self._function(function), "column": position, "name": name}


class BoundedWindows(Windows[Result]):
    """Windows of rows that count alike."""

    _functions = (
        *("count", "sum", "mean", "var", "std", "sem", "skew", "kurt", "min", "max", "first", "last"),
        *("median", "nunique"),
    )

    def __init__(self, of: Of, min_periods: int, frame: dict[str, Any]) -> None:
        super().__init__(of, min_periods)
        self._frame = frame

    def _compute(self, items: list[dict[str, Any]]) -> _core.Table:
        of = self._of
        env = of.env(self._operation)
        keys = of.keys
        return _core.window(
            of.table,
            None if env is None else env.session,
            frame=self._frame,
            min_periods=self._min_periods,
            aggregates=items,
            keys=[] if keys is None else keys.positions,
            dropna=keys is None or keys.dropna,
        )

    def pipe(self, func: Piped, *args: Any, **kwargs: Any) -> Any:
        """``func(self, *args, **kwargs)``; or of a pair of function and name, with this as the argument so named."""
        return piped(self, func, args, kwargs)

    def count(self, numeric_only: bool = False) -> Result:
        """How many values are not missing, of any type."""
        return self._each("count", numeric_only)

    def sum(self, numeric_only: bool = False, engine: Any = None, engine_kwargs: Any = None) -> Result:
        """Sums; of no values, where `min_periods` is 0, 0."""
        self._one_engine("sum", engine, engine_kwargs)
        return self._each("sum", numeric_only)

    def mean(self, numeric_only: bool = False, engine: Any = None, engine_kwargs: Any = None) -> Result:
        """Means."""
        self._one_engine("mean", engine, engine_kwargs)
        return self._each("mean", numeric_only)

    def min(self, numeric_only: bool = False, engine: Any = None, engine_kwargs: Any = None) -> Result:
        """Least values."""
        self._one_engine("min", engine, engine_kwargs)
        return self._each("min", numeric_only)

    def max(self, numeric_only: bool = False, engine: Any = None, engine_kwargs: Any = None) -> Result:
        """Greatest values."""
        self._one_engine("max", engine, engine_kwargs)
        return self._each("max", numeric_only)

    def median(self, numeric_only: bool = False, engine: Any = None, engine_kwargs: Any = None) -> Result:
        """Medians, exact."""
        self._one_engine("median", engine, engine_kwargs)
        return self._each("median", numeric_only)

    def var(self, ddof: int = 1, numeric_only: bool = False, engine: Any = None, engine_kwargs: Any = None) -> Result:
        """Variances."""
        self._one_engine("var", engine, engine_kwargs)
        return self._each("var", numeric_only, ddof=self._ddof("var", ddof))

    def std(self, ddof: int = 1, numeric_only: bool = False, engine: Any = None, engine_kwargs: Any = None) -> Result:
        """Standard deviations."""
        self._one_engine("std", engine, engine_kwargs)
        return self._each("std", numeric_only, ddof=self._ddof("std", ddof))

    def sem(self, ddof: int = 1, numeric_only: bool = False) -> Result:
        """Standard errors of the mean."""
        return self._each("sem", numeric_only, ddof=self._ddof("sem", ddof))

    def skew(self, numeric_only: bool = False) -> Result:
        """Unbiased skewness; missing for fewer than three values."""
        return self._each("skew", numeric_only)

    def kurt(self, numeric_only: bool = False) -> Result:
        """Unbiased excess kurtosis; missing for fewer than four values."""
        return self._each("kurt", numeric_only)

    def first(self, numeric_only: bool = False) -> Result:
        """The first value that is not missing."""
        return self._each("first", numeric_only)

    def last(self, numeric_only: bool = False) -> Result:
        """The last value that is not missing."""
        return self._each("last", numeric_only)

    def nunique(self, numeric_only: bool = False) -> Result:
        """How many different values."""
        return self._each("nunique", numeric_only)

    def quantile(
        self,
        q: float,
        interpolation: Literal["linear", "lower", "higher", "nearest", "midpoint"] = "linear",
        numeric_only: bool = False,
    ) -> Result:
        """Quantiles, exact."""
        of = self._of
        one_of(of.frame.env, f"{self._operation}.quantile", "interpolation", interpolation, _INTERPOLATIONS)
        if isinstance(q, bool) or not isinstance(q, int | float) or not 0 <= q <= 1:
            raise ValueError(f"{of.where}{self._operation}.quantile: q={q!r} is not between 0 and 1")
        return self._each("quantile", numeric_only, q=float(q), interpolation=interpolation)

    def apply(
        self,
        func: Callable[..., Any],
        raw: bool = False,
        engine: Any = None,
        engine_kwargs: Any = None,
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
    ) -> Result:
        """What ``func(values, *args, **kwargs)`` makes of each window's values, doubles, missing ones NaN: a local
        `Series`, or with `raw` a NumPy array. It returns a number."""
        from weft.window_functions import apply_function

        self._one_engine("apply", engine, engine_kwargs)
        of = self._of
        if not isinstance(raw, bool):
            raise ValueError(f"{of.where}{self._operation}.apply: raw is True or False, not {raw!r}")
        if not callable(func):
            raise TypeError(f"{of.where}{self._operation}.apply: {func!r} is no function")
        columns = self._columns(False, f"{self._operation}.apply")

        def call(values: Any) -> Any:
            return func(values, *(args or ()), **(kwargs or {}))

        made = apply_function(of, columns, self._frame, self._min_periods, call, raw, f"{self._operation}.apply")
        found: Result = self._finish(made, of.single)
        return found

    def _agg_function(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return self.apply(func, args=args, kwargs=kwargs)

    def _one_engine(self, function: str, engine: Any, engine_kwargs: Any) -> None:
        refuse(
            f"{self._operation}.{function}",
            engine=(engine, None, _ONE_ENGINE),
            engine_kwargs=(engine_kwargs, None, _ONE_ENGINE),
        )

    def _ddof(self, function: str, ddof: Any) -> int:
        if isinstance(ddof, bool) or not hasattr(ddof, "__index__"):
            raise ValueError(f"{self._of.where}{self._operation}.{function}: ddof is a whole number, not {ddof!r}")
        return int(ddof)


class Rolling(BoundedWindows[Result]):
    """Windows of so many rows, or so much time, before each row or around it. See `Windows`."""

    def __init__(self, of: Of, options: RollingOptions) -> None:
        self._operation = "rolling"
        frame = options.frame(of)
        super().__init__(of, options.min_periods_of(frame), frame)
        self._step = options.step or 1
        self._time = frame.get("time")
        self._shows_time = options.on is not None and self._time is not None


class Expanding(BoundedWindows[Result]):
    """Windows of all rows up to each row. See `Windows`. Sums, means, moments and extremes go on from rank to rank;
    medians, quantiles, different values and Python functions fetch the rows of all ranks before."""

    def __init__(self, of: Of, min_periods: int = 1) -> None:
        self._operation = "expanding"
        super().__init__(of, min_periods, {"kind": "expanding"})


class ExponentialMovingWindow(Windows[Result]):
    """Means of all rows up to each row, older ones counting less. See `Windows`."""

    _functions = ("mean",)

    def __init__(self, of: Of, min_periods: int, alpha: float, adjust: bool, ignore_na: bool) -> None:
        self._operation = "ewm"
        super().__init__(of, min_periods)
        self._alpha = alpha
        self._adjust = adjust
        self._ignore_na = ignore_na

    def mean(self, numeric_only: bool = False, engine: Any = None, engine_kwargs: Any = None) -> Result:
        """Means."""
        refuse("ewm.mean", engine=(engine, None, _ONE_ENGINE), engine_kwargs=(engine_kwargs, None, _ONE_ENGINE))
        return self._each("mean", numeric_only)

    def _compute(self, items: list[dict[str, Any]]) -> _core.Table:
        of = self._of
        env = of.env("ewm")
        keys = of.keys
        made = _core.ewm(
            of.table,
            None if env is None else env.session,
            columns=[item["column"] for item in items],
            alpha=self._alpha,
            adjust=self._adjust,
            ignore_na=self._ignore_na,
            min_periods=self._min_periods,
            keys=[] if keys is None else keys.positions,
            dropna=keys is None or keys.dropna,
        )
        return made.rename([item["name"] for item in items])


def expanding_of(of: Of, min_periods: Any, method: Any) -> Expanding[Any]:
    """What ``expanding(...)`` gives."""
    refuse("expanding", method=(method, "single", "columns are worked on one by one"))
    least = check_count(of.where, "expanding", "min_periods", min_periods)
    return Expanding(of, 1 if least is None else least)


def exponential_of(
    of: Of,
    com: Any,
    span: Any,
    halflife: Any,
    alpha: Any,
    min_periods: Any,
    adjust: Any,
    ignore_na: Any,
    times: Any,
    method: Any,
) -> ExponentialMovingWindow[Any]:
    """What ``ewm(...)`` gives."""
    import math

    refuse(
        "ewm",
        times=(times, None, "rows are taken as equally far from each other"),
        method=(method, "single", "columns are worked on one by one"),
    )
    for name, flag in (("adjust", adjust), ("ignore_na", ignore_na)):
        if not isinstance(flag, bool):
            raise ValueError(f"{of.where}ewm: {name} is True or False, not {flag!r}")
    given = {
        name: value
        for name, value in (("com", com), ("span", span), ("halflife", halflife), ("alpha", alpha))
        if value is not None
    }
    if len(given) != 1:
        raise ValueError(f"{of.where}ewm: give one of com, span, halflife and alpha, not {len(given)} of them")
    (name, value), *_ = given.items()
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        raise ValueError(f"{of.where}ewm: {name}={value!r} is no number")
    number = float(value)
    fits = {"com": number >= 0, "span": number >= 1, "halflife": number > 0, "alpha": 0 < number <= 1}[name]
    if not fits or math.isinf(number):
        raise ValueError(f"{of.where}ewm: {name}={value!r} is out of range")
    weight = {
        "com": lambda: 1 / (1 + number),
        "span": lambda: 2 / (1 + number),
        "halflife": lambda: 1 - math.exp(math.log(0.5) / number),
        "alpha": lambda: number,
    }[name]()
    least = check_count(of.where, "ewm", "min_periods", min_periods) or 0
    return ExponentialMovingWindow(of, max(least, 1), weight, adjust, ignore_na)
