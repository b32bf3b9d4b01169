"""`Resampler`: what ``df.resample(rule)`` gives; rows by stretches of time, or at the times of a grid."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from weft import _core
from weft.arguments import check_limit, find, refuse
from weft.numpy_functions import reduction_of
from weft.piping import Piped, piped
from weft.resample_grid import Grid, ResampleOptions
from weft.rows import Rows

if TYPE_CHECKING:
    import numpy
    import pyarrow as pa

    from weft.env import Env
    from weft.frame import DataFrame
    from weft.series import Series
    from weft.window_options import Of

__all__ = ["Resampler"]

Result = TypeVar("Result")
_BIN = "__weft_bin__"
_REAL = "__weft_real__"


class Resampler(Generic[Result]):
    """Rows by stretches of time. An aggregate gives a row a stretch, from that of the first row to that of the last,
    those without rows too; its label is the index. `ffill`, `bfill`, `nearest` and `asfreq` give a row a point of the
    grid. Rows of all ranks come together where groups do, and results are spread over the ranks. Rows without a time
    are left out. Collective on bound frames."""

    def __init__(self, of: Of, options: ResampleOptions) -> None:
        from pyarrow import types

        self._of = of
        self._options = options
        self._time = self._find_time()
        field = of.frame.schema.field(self._time)
        if not types.is_timestamp(field.type):
            raise TypeError(f"{of.where}resample: {field.name!r} is of type {field.type}; it goes by timestamps alone")
        if field.type.tz not in (None, "UTC"):
            raise ValueError(
                f"{of.where}resample: {field.name!r} has the time zone {field.type.tz}; convert it by "
                ".dt.tz_convert('UTC') or .dt.tz_localize(None) first"
            )

    def _find_time(self) -> int:
        of, options = self._of, self._options
        names = of.frame.index_names
        if options.on is not None:
            if of.single:
                raise ValueError(f"{of.where}resample: on={options.on!r} is for frames; a Series goes by its index")
            if options.level is not None:
                raise ValueError(f"{of.where}resample: give on or level, not both")
            return find(of.frame, options.on, "resample", index_too=False)
        if options.level is not None:
            if isinstance(options.level, str) and options.level in names:
                return names.index(options.level)
            whole = isinstance(options.level, int) and not isinstance(options.level, bool)
            if whole and -len(names) <= options.level < len(names):
                return int(options.level) % len(names)
            raise ValueError(f"{of.where}resample: level={options.level!r} is none of the index columns {list(names)}")
        if len(names) != 1:
            raise ValueError(
                f"{of.where}resample: it goes by the times of the index, and the frame has {len(names)} index columns; "
                "name a column in on="
            )
        return 0

    def __getitem__(self, key: Any) -> Any:
        from weft.window_options import Of

        of = self._of
        listed = key if isinstance(key, list) else [key]
        columns = [find(of.frame, item, "resample[...]", index_too=False) for item in listed]
        made = copy.copy(self)
        made._of = Of(of.frame, columns, not isinstance(key, list))
        return made

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self._of.frame.columns:
            return self[name]
        raise AttributeError(f"weft.Resampler has no attribute or column {name!r}")

    # -- stretches -----------------------------------------------------------------------------------------------

    def _env(self) -> Env | None:
        return self._of.env("resample")

    def _times(self) -> tuple[numpy.ndarray[Any, Any], numpy.ndarray[Any, Any]]:
        """This rank's times as numbers, and which rows have none."""
        import pyarrow as pa
        import pyarrow.compute as pc

        column = pa.table(self._of.frame.table.select([self._time])).column(0)
        missing = column.is_null().to_numpy()
        numbers = pc.fill_null(column.cast(pa.timestamp(column.type.unit)).cast(pa.int64()), 0)
        return numbers.to_numpy(), missing

    def _grid(self, times: numpy.ndarray[Any, Any], missing: numpy.ndarray[Any, Any]) -> Grid | None:
        """The stretches of all ranks' times; None where there are none."""
        env = self._env()
        there = times[~missing]
        own = [int(there.min()), int(there.max())] if len(there) else []
        told = [own] if env is None else env.allgather(own)
        ends = [end for pair in told for end in pair]
        if not ends:
            return None
        return Grid(self._options, self._of.frame.schema.field(self._time).type, min(ends), max(ends))

    def _in_order(self) -> Resampler[Result]:
        """The same of rows in the order of their times."""
        from weft.labels import monotonic
        from weft.window_options import Of

        of = self._of
        if monotonic(of.frame, self._time):
            return self
        names = [f"c{i}" for i in range(of.frame.table.num_columns)]
        table = (
            Rows._wrap(of.frame.table.rename(names), of.frame.env).sort_values(names[self._time], kind="stable").table
        )
        frame = Rows._wrap(table.rename(of.frame.table.column_names), of.frame.env, of.frame.index_names)
        made = copy.copy(self)
        made._of = Of(frame, of.columns, of.single)
        return made

    def _share(self, count: int) -> numpy.ndarray[Any, Any]:
        """The numbers of which this rank makes rows."""
        import numpy

        env = self._env()
        rank, world = (0, 1) if env is None else (env.rank, env.world_size)
        return numpy.arange(count * rank // world, count * (rank + 1) // world, dtype=numpy.int64)

    def _time_array(self, numbers: numpy.ndarray[Any, Any]) -> pa.Array:
        import pyarrow as pa

        return pa.array(numbers, pa.int64()).cast(self._of.frame.schema.field(self._time).type)

    # -- aggregates ----------------------------------------------------------------------------------------------

    def _columns(self) -> list[int]:
        return [position for position in self._of.columns if position != self._time]

    def _grouped(self) -> tuple[Any, Grid | None]:
        """The rows grouped by the numbers of their stretches. So that stretches without rows are groups too, each has
        one more row, of missing values."""
        import numpy
        import pyarrow as pa

        of = self._of
        times, missing = self._times()
        grid = self._grid(times, missing)
        columns = self._columns()
        values = of.frame.table.select(columns)
        numbers = grid.bins_of(times) if grid is not None else numpy.zeros(len(times), dtype=numpy.int64)
        real = pa.table(
            {
                _BIN: pa.array(numbers, pa.int64(), mask=missing),
                _REAL: pa.array(numpy.ones(len(times), dtype=bool)),
            }
        )
        share = self._share(0 if grid is None else grid.count)
        schema = pa.schema(values)
        empty = pa.table(
            [pa.array(share), pa.nulls(len(share), pa.bool_()), *(pa.nulls(len(share), type) for type in schema.types)],
            names=[_BIN, _REAL, *schema.names],
        )
        rows = _core.beside([_core.Table.from_stream(real), values])
        whole = _core.concat([rows, _core.Table.from_stream(empty)], None, outer=False)
        frame = Rows._wrap(whole, of.frame.env)
        return frame.groupby(_BIN), grid

    def _labelled(self, made: Any, grid: Grid | None) -> Any:
        """With the stretches' labels for their numbers."""
        import numpy
        import pyarrow as pa

        from weft.series import Series

        frame = made.to_frame() if isinstance(made, Series) else made
        table = frame.table
        numbers = pa.table(table.select([0])).column(0).to_numpy()
        labels = numpy.zeros(0, dtype=numpy.int64) if grid is None else grid.labels_of(numbers)
        name = self._of.frame.table.column_names[self._time]
        others = table.select(list(range(1, table.num_columns)))
        if name in others.column_names:
            raise ValueError(f"{self._of.where}resample: the result would have two columns {name!r}")
        first = _core.Table.from_stream(pa.table({name: self._time_array(labels)}))
        result = Rows._wrap(_core.beside([first, others]), frame.env, [name])
        return Series(result) if isinstance(made, Series) else result

    def _each(self, function: str, *args: Any, **kwargs: Any) -> Result:
        grouped, grid = self._grouped()
        names = [self._of.frame.table.column_names[position] for position in self._columns()]
        chosen = grouped[names[0]] if self._of.single else grouped[names]
        found: Result = self._labelled(getattr(chosen, function)(*args, **kwargs), grid)
        return found

    def sum(self, numeric_only: bool = False, min_count: int = 0) -> Result:
        """Sums; 0 where there are no values."""
        return self._each("sum", numeric_only, min_count)

    def prod(self, numeric_only: bool = False, min_count: int = 0) -> Result:
        """Products; 1 where there are no values."""
        return self._each("prod", numeric_only, min_count)

    def min(self, numeric_only: bool = False, min_count: int = 0) -> Result:
        """Least values."""
        return self._each("min", numeric_only, min_count)

    def max(self, numeric_only: bool = False, min_count: int = 0) -> Result:
        """Greatest values."""
        return self._each("max", numeric_only, min_count)

    def first(self, numeric_only: bool = False, min_count: int = 0, skipna: bool = True) -> Result:
        """The first value by time."""
        refuse("resample.first", skipna=(skipna, True, "take the rows by groupby"))
        return self._in_order()._each("first", numeric_only, min_count)

    def last(self, numeric_only: bool = False, min_count: int = 0, skipna: bool = True) -> Result:
        """The last value by time."""
        refuse("resample.last", skipna=(skipna, True, "take the rows by groupby"))
        return self._in_order()._each("last", numeric_only, min_count)

    def mean(self, numeric_only: bool = False) -> Result:
        """Means."""
        return self._each("mean", numeric_only)

    def median(self, numeric_only: bool = False) -> Result:
        """Medians."""
        return self._each("median", numeric_only)

    def std(self, ddof: int = 1, numeric_only: bool = False) -> Result:
        """Standard deviations."""
        return self._each("std", ddof, numeric_only=numeric_only)

    def var(self, ddof: int = 1, numeric_only: bool = False) -> Result:
        """Variances."""
        return self._each("var", ddof, numeric_only=numeric_only)

    def sem(self, ddof: int = 1, numeric_only: bool = False) -> Result:
        """Standard errors of the mean."""
        return self._each("sem", ddof, numeric_only)

    def count(self) -> Result:
        """How many values are not missing."""
        return self._each("count")

    def nunique(self) -> Result:
        """How many different values."""
        return self._each("nunique")

    def quantile(self, q: float = 0.5) -> Result:
        """Quantiles, exact."""
        if isinstance(q, bool) or not isinstance(q, int | float):
            raise ValueError(f"{self._of.where}resample.quantile: q={q!r} is not taken; it is one number")
        return self._each("quantile", q)

    def size(self) -> Series:
        """How many rows: a Series "size", or of one column of its name."""
        grouped, grid = self._grouped()
        made: Series = self._labelled(grouped[_REAL].count(), grid)
        return made.rename(self._of.frame.table.column_names[self._columns()[0]] if self._of.single else "size")

    def ohlc(self) -> DataFrame:
        """The first, greatest, least and last value: columns "open", "high", "low", "close" of one column, of several
        ``v_open`` and so on."""
        parts = (("open", "first"), ("high", "max"), ("low", "min"), ("close", "last"))
        grouped, grid = self._in_order()._grouped()
        wanted = {}
        for position in self._columns():
            name = self._of.frame.table.column_names[position]
            for label, function in parts:
                wanted[label if self._of.single else f"{name}_{label}"] = (name, function)
        made: DataFrame = self._labelled(grouped.agg(**wanted), grid)
        return made

    def agg(self, func: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Several functions at once, as `GroupBy.agg`, by name."""
        functions = _functions_of(func, kwargs)
        for one in functions:
            if callable(one) and reduction_of(one) is None:
                raise TypeError(
                    f"{self._of.where}resample.agg: a Python function is not taken; name a function, or group by the "
                    "rounded times"
                )
            if one == "size":
                raise ValueError(f"{self._of.where}resample.agg: size is a method of its own")
        if isinstance(func, str) and hasattr(self, func):
            return getattr(self, func)(*args, **kwargs)
        by_time = {"first", "last"}.intersection(one for one in functions if isinstance(one, str))
        grouped, grid = (self._in_order() if by_time else self)._grouped()
        names = [self._of.frame.table.column_names[position] for position in self._columns()]
        chosen = grouped[names[0]] if self._of.single else grouped[names]
        return self._labelled(chosen.agg(func, *args, **kwargs), grid)

    aggregate = agg

    def pipe(self, func: Piped, *args: Any, **kwargs: Any) -> Any:
        """``func(self, *args, **kwargs)``; or of a pair of function and name, with this as the argument so named."""
        return piped(self, func, args, kwargs)

    # -- a row a point -------------------------------------------------------------------------------------------

    def asfreq(self, fill_value: Any = None) -> Result:
        """The rows that lie on the grid's points; at others missing values, or `fill_value`."""
        return self._at_points("asfreq", None, fill_value)

    def ffill(self, limit: int | None = None) -> Result:
        """At each point the row of the last time that is not after it, at most `limit` points beyond."""
        check_limit(self._of.frame, "resample.ffill", limit)
        return self._in_order()._at_points("ffill", limit)

    def bfill(self, limit: int | None = None) -> Result:
        """At each point the row of the first time that is not before it, at most `limit` points ahead."""
        check_limit(self._of.frame, "resample.bfill", limit)
        return self._in_order()._at_points("bfill", limit)

    def nearest(self, limit: int | None = None) -> Result:
        """At each point the row of the nearest time, the later of two equally near."""
        check_limit(self._of.frame, "resample.nearest", limit)
        return self._in_order()._at_points("nearest", limit)

    def _at_points(self, how: str, limit: int | None, fill_value: Any = None) -> Result:

        from weft.series import Series

        of = self._of
        if self._options.on is not None or self._options.level is not None:
            raise ValueError(
                f"{of.where}resample.{how}: it goes by the index alone; use set_index() and leave on and level out"
            )
        if not of.frame.index.is_unique:
            raise ValueError(f"{of.where}resample.{how}: rows have the same time in {of.frame.index_names[0]!r}")
        times, missing = self._times()
        self._check_there(how, bool(missing.any()))
        grid = self._grid(times, missing)
        share = self._share(0 if grid is None else grid.count)
        points = share if grid is None else grid.points(share)
        sources = self._time_array(points)
        if how != "asfreq" and grid is not None:
            sources = self._sources(how, limit, grid, share, points, times)
        made = self._fetched(self._time_array(points), sources, fill_value)
        found: Any = Series(made) if of.single else made
        made_as: Result = found
        return made_as

    def _check_there(self, how: str, missing: bool) -> None:
        """Every row has a time, or an error on all ranks."""
        problem = None
        if missing and how != "asfreq":
            name = self._of.frame.table.column_names[self._time]
            problem = f"resample.{how}: {name!r} has missing values; drop those rows first"
        env = self._env()
        if env is not None:
            env.agree("resample", problem)
        elif problem is not None:
            raise ValueError(problem)

    def _sources(
        self,
        how: str,
        limit: int | None,
        grid: Grid,
        share: numpy.ndarray[Any, Any],
        points: numpy.ndarray[Any, Any],
        times: numpy.ndarray[Any, Any],
    ) -> pa.Array:
        """The time of the row that each point takes; null where it takes none."""
        import numpy
        import pyarrow as pa

        before = grid.points_before(times)
        # The next point not before each time.
        exact = grid.points(numpy.clip(before, 0, grid.count - 1)) == times
        after = numpy.where(exact & (before >= 0), before, before + 1)

        def found(direction: str, numbers: numpy.ndarray[Any, Any]) -> tuple[Any, Any]:
            table = self._nearest_rows(direction, points, times, numbers)
            time, number = (table.column(name) for name in ("source", "number"))
            there = time.is_valid().to_numpy()
            near = numpy.abs(number.fill_null(0).to_numpy() - share) <= (
                len(share) + grid.count if limit is None else limit
            )
            return time.fill_null(0).to_numpy(), there & near

        if how == "ffill":
            source, there = found("backward", before)
        elif how == "bfill":
            source, there = found("forward", after)
        else:
            low, has_low = found("backward", before)
            high, has_high = found("forward", after)
            lower = has_low & (~has_high | (points - low < high - points))
            source, there = numpy.where(lower, low, high), has_low | has_high
        made = pa.array(source, pa.int64(), mask=~there)
        return made.cast(self._of.frame.schema.field(self._time).type)

    def _nearest_rows(
        self,
        direction: str,
        points: numpy.ndarray[Any, Any],
        times: numpy.ndarray[Any, Any],
        numbers: numpy.ndarray[Any, Any],
    ) -> pa.Table:
        """For each point the nearest row's time, as "source", and "number"."""
        import pyarrow as pa

        env = self._env()
        left = pa.table({"point": pa.array(points, pa.int64())})
        right = pa.table(
            {
                "time": pa.array(times, pa.int64()),
                "source": pa.array(times, pa.int64()),
                "number": pa.array(numbers, pa.int64()),
            }
        )
        made = _core.asof_join(
            _core.Table.from_stream(left),
            _core.Table.from_stream(right),
            None if env is None else env.session,
            left_on=0,
            right_on=0,
            left_by=[],
            right_by=[],
            direction=direction,
            allow_exact_matches=True,
            tolerance=None,
            float_tolerance=None,
            left_suffix="",
            right_suffix="",
        )
        return pa.table(made)

    def _fetched(self, points: pa.Array, sources: pa.Array, fill_value: Any) -> DataFrame:
        """A row a point: that of its source."""
        import numpy
        import pyarrow as pa

        from weft.expression import col

        of = self._of
        env = self._env()
        columns = self._columns()
        names = [of.frame.table.column_names[position] for position in columns]
        label = of.frame.table.column_names[self._time]
        wanted = _core.Table.from_stream(pa.table({"point": points, "source": sources}))
        marked = _core.beside(
            [
                of.frame.table.select([self._time, *columns]),
                _core.Table.from_stream(pa.table({"there": pa.array(numpy.ones(len(of.frame), dtype=bool))})),
            ],
            ["source", *(f"c{i}" for i in range(len(columns))), "there"],
        )
        made = _core.join(
            wanted,
            marked,
            None if env is None else env.session,
            left_keys=[1],
            right_keys=[0],
            how="left",
            algorithm="auto",
            left_suffix="",
            right_suffix="",
            indicator="",
            maintain_order=True,
            columns=None,
        )
        rows = Rows._wrap(made, env)
        if fill_value is not None:
            there = col("there").notna()
            rows = rows.assign(**{f"c{i}": col(f"c{i}").where(there, fill_value) for i in range(len(columns))})
        positions = [rows.table.column_names.index(name) for name in ("point", *(f"c{i}" for i in range(len(columns))))]
        return Rows._wrap(rows.table.select(positions).rename([label, *names]), env, [label])


def _functions_of(func: Any, named: Mapping[str, Any]) -> Sequence[Any]:
    """All functions that are named in what ``agg`` is given."""
    if func is None:
        return [pair[1] if isinstance(pair, tuple) and len(pair) == 2 else pair for pair in named.values()]
    listed = list(func.values()) if isinstance(func, Mapping) else [func]
    return [one for given in listed for one in (given if isinstance(given, list | tuple) else [given])]
