"""`RowWise`: a value for every row from the rows of its group, at the row's own place."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from weft import _core
from weft.arguments import one_of, refuse
from weft.expression import Expression, col
from weft.frame import DataFrame
from weft.groupby_aggregates import Aggregates, Item, Result
from weft.groupby_functions import Gathered, agreed, one_type
from weft.numpy_functions import reduction_of
from weft.series import Series

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["RowWise"]

TRANSFORMS = ("cumsum", "cumprod", "cummin", "cummax", "cumcount", "shift", "rank", "ffill", "bfill", "diff")
_NO_FILL = object()


class RowWise(Aggregates[Result]):
    """A value for every row. Rows keep their rank, place and index; rows with a missing key get missing values."""

    def _rows(self, columns: list[int], function: str, **arguments: Any) -> _core.Table:
        keys = self._keys
        transforms = [
            {"function": function, "column": position, "name": self._name(position), **arguments}
            for position in columns
        ]
        return _core.group_transform(
            keys.table, keys.session, keys=keys.positions, transforms=transforms, dropna=keys.dropna
        )

    def _beside(self, made: _core.Table) -> Result:
        frame = self._keys.beside_index(made)
        return Series(frame) if self._single else frame  # type: ignore[return-value]

    def _counts(self, *, before: bool = True, after: bool = True) -> _core.Table:
        """How many rows of its group come before each row, and after it."""
        keys = self._keys
        transforms = []
        if before:
            transforms.append({"function": "cumcount", "column": -1, "name": "__weft_before__"})
        if after:
            transforms.append({"function": "remaining", "column": -1, "name": "__weft_after__"})
        return _core.group_transform(
            keys.table, keys.session, keys=keys.positions, transforms=transforms, dropna=keys.dropna
        )

    def cumsum(self, numeric_only: bool = False, skipna: bool = True) -> Result:
        """Running sums. One of integers beyond 64 bits is a ValueError."""
        return self._beside(self._rows(self._numbers(numeric_only, "cumsum"), "cumsum", skipna=skipna))

    def cumprod(self, numeric_only: bool = False, skipna: bool = True) -> Result:
        """Running products."""
        return self._beside(self._rows(self._numbers(numeric_only, "cumprod"), "cumprod", skipna=skipna))

    def cummin(self, numeric_only: bool = False, skipna: bool = True) -> Result:
        """The least value so far."""
        return self._beside(self._rows(self._numbers(numeric_only, "cummin"), "cummin", skipna=skipna))

    def cummax(self, numeric_only: bool = False, skipna: bool = True) -> Result:
        """The greatest value so far."""
        return self._beside(self._rows(self._numbers(numeric_only, "cummax"), "cummax", skipna=skipna))

    def cumcount(self, ascending: bool = True) -> Series:
        """How many rows of the group come before each row; with ``ascending=False`` after it. A Series "cumcount"."""
        made = self._counts(before=ascending, after=not ascending).rename(["cumcount"])
        return Series(self._keys.beside_index(made))

    def ngroup(self, ascending: bool = True) -> Series:
        """The number of each row's group among all groups, in the order of the keys, or with ``sort=False`` of first
        appearance. A Series "ngroup"."""
        import pyarrow as pa

        keys = self._keys
        count = len(keys.positions)
        places = list(range(count))
        names = [f"k{place}" for place in places]
        table = keys.table.select(keys.positions).rename(names)
        groups = _core.group_by(
            _core.beside([table, self._numbered(table, "first")]),
            keys.session,
            keys=places,
            aggregations=[{"function": "min", "column": count, "name": "first"}],
            sort=keys.sort,
            dropna=keys.dropna,
        )
        if not keys.sort:
            if keys.session is None:
                groups = _core.sort(groups, None, keys=[count], ascending=[True], nulls_first=False)
            else:
                groups = _core.sort(groups, keys.session, keys=[count], ascending=[True], nulls_first=False)
        groups = groups.select(places)
        total = groups.num_rows if keys.session is None else _core.total_rows(groups, keys.session)
        groups = _core.beside([groups, self._numbered(groups, "ngroup", None if ascending else total - 1)])
        # The groups' rows, which have a number, before the frame's, which take it.
        none = _core.Table.from_stream(pa.table({"ngroup": pa.nulls(table.num_rows, pa.int64())}))
        whole = _core.concat([groups, _core.beside([table, none])], None, outer=False)
        made = _core.group_broadcast(
            whole,
            keys.session,
            keys=places,
            aggregations=[{"function": "max", "column": count, "name": "ngroup"}],
            dropna=keys.dropna,
        )
        return Series(keys.beside_index(made.slice(groups.num_rows, table.num_rows)))

    def _numbered(self, table: _core.Table, name: str, down_from: int | None = None) -> _core.Table:
        """The numbers of a table's rows in the whole, as a column."""
        import numpy
        import pyarrow as pa

        env = self._keys.env
        before = 0 if env is None else sum(env.allgather(table.num_rows)[: env.rank])
        numbers = numpy.arange(before, before + table.num_rows, dtype=numpy.int64)
        made = numbers if down_from is None else down_from - numbers
        return _core.Table.from_stream(pa.table({name: pa.array(made, pa.int64())}))

    def rank(
        self,
        method: Literal["average", "min", "max", "first", "dense"] = "average",
        ascending: bool = True,
        na_option: Literal["keep", "top", "bottom"] = "keep",
        pct: bool = False,
    ) -> Result:
        """Ranks within groups, from 1, as doubles."""
        env = self._frame.env
        one_of(env, "groupby.rank", "method", method, ("average", "min", "max", "first", "dense"))
        one_of(env, "groupby.rank", "na_option", na_option, ("keep", "top", "bottom"))
        return self._beside(
            self._rows(
                self._columns, "rank", method=method, ascending=bool(ascending), na_option=na_option, pct=bool(pct)
            )
        )

    def shift(
        self, periods: int = 1, freq: Any = None, fill_value: Any = _NO_FILL, suffix: str | None = None
    ) -> Result:
        """Each row gets the value `periods` rows earlier in its group, or `fill_value` where there is none."""
        refuse(
            "groupby.shift",
            freq=(freq, None, "shift by rows"),
            suffix=(suffix, None, "rename the columns"),
        )
        shifted = self._shifted(self._columns, _whole("shift", "periods", periods), fill_value)
        return self._beside(shifted)

    def _shifted(self, columns: list[int], periods: int, fill_value: Any = _NO_FILL) -> _core.Table:
        if fill_value is _NO_FILL or fill_value is None:
            return self._rows(columns, "shift", periods=periods)
        import pyarrow as pa

        keys = self._keys
        types = self._frame.schema.types
        transforms = []
        for position in columns:
            try:
                fill = pa.array([fill_value]).cast(types[position])
            except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as problem:
                raise TypeError(
                    f"{keys.where}groupby.shift: fill_value={fill_value!r} does not fit column "
                    f"{self._name(position)!r} of type {types[position]}: {problem}"
                ) from None
            transforms.append(
                {
                    "function": "shift",
                    "column": position,
                    "name": self._name(position),
                    "periods": periods,
                    "fill": fill,
                }
            )
        return _core.group_transform(
            keys.table, keys.session, keys=keys.positions, transforms=transforms, dropna=keys.dropna
        )

    def _with_shifted(self, periods: int, make: Callable[[Expression, Expression, pa.DataType], Expression]) -> Result:
        """An expression of each column and the same shifted."""
        columns = self._columns
        values = self._keys.table.select(columns)
        shifted = self._shifted(columns, periods)
        count = len(columns)
        both = _core.beside(
            [values.rename([f"v{i}" for i in range(count)]), shifted.rename([f"s{i}" for i in range(count)])]
        )
        frame = DataFrame._wrap(both, self._keys.env)
        types = frame.schema.types
        made = frame.select(**{f"r{i}": make(col(f"v{i}"), col(f"s{i}"), types[i]) for i in range(count)})
        return self._beside(made.table.rename([self._name(position) for position in columns]))

    def diff(self, periods: int = 1) -> Result:
        """Each value less the one `periods` rows earlier in its group: doubles; of times durations."""
        import pyarrow as pa

        def make(value: Expression, shifted: Expression, kind: pa.DataType) -> Expression:
            if pa.types.is_integer(kind) or pa.types.is_floating(kind):
                return value.cast(pa.float64()) - shifted.cast(pa.float64())
            if pa.types.is_timestamp(kind) or pa.types.is_duration(kind) or pa.types.is_decimal(kind):
                return value - shifted
            raise TypeError(f"{self._keys.where}groupby.diff: there is no difference of values of type {kind}")

        return self._with_shifted(_whole("diff", "periods", periods), make)

    def pct_change(self, periods: int = 1, fill_method: None = None, freq: Any = None) -> Result:
        """Each value over the one `periods` rows earlier in its group, less 1."""
        import pyarrow as pa

        refuse(
            "groupby.pct_change",
            fill_method=(fill_method, None, "call ffill first"),
            freq=(freq, None, "shift by rows"),
        )

        def make(value: Expression, shifted: Expression, kind: pa.DataType) -> Expression:
            if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
                raise TypeError(f"{self._keys.where}groupby.pct_change: there is no change of values of type {kind}")
            return value.cast(pa.float64()) / shifted.cast(pa.float64()) - 1.0

        return self._with_shifted(_whole("pct_change", "periods", periods), make)

    def ffill(self, limit: int | None = None) -> Result:
        """Missing values become the last one before them in their group, at most `limit` in a row."""
        return self._filled("ffill", limit)

    def bfill(self, limit: int | None = None) -> Result:
        """Missing values become the next one after them in their group."""
        return self._filled("bfill", limit)

    def _filled(self, function: str, limit: int | None) -> Result:
        most = -1 if limit is None else _whole(function, "limit", limit)
        if limit is not None and most < 0:
            raise ValueError(f"{self._keys.where}groupby.{function}: limit={limit} is below 0")
        return self._beside(self._rows(self._columns, function, limit=most))

    # -- choosing rows -------------------------------------------------------------------------------------------

    def _choose(self, condition: Expression | None, more: _core.Table) -> Result:
        """The frame's rows, of the columns selected, for which a condition on columns of `more` holds."""
        frame = self._frame
        hidden = len(frame.index_names)
        chosen = self._columns if self._selected else list(range(hidden, frame.table.num_columns))
        shown = frame.table.select([*range(hidden), *chosen])
        whole = DataFrame._wrap(_core.beside([shown, more]), frame.env, frame.index_names)
        kept = whole.filter(condition) if condition is not None else whole.slice(0, 0)
        made = DataFrame._wrap(kept.table.select(list(range(shown.num_columns))), frame.env, frame.index_names)
        return Series(made) if self._single else made  # type: ignore[return-value]

    def head(self, n: int = 5) -> Result:
        """The first `n` rows of each group, all but the last -n for a negative `n`; in the rows' own order."""
        count = _whole("head", "n", n)
        if count >= 0:
            return self._choose(_before() < count, self._counts(after=False))
        return self._choose(_after() >= -count, self._counts(before=False))

    def tail(self, n: int = 5) -> Result:
        """The last `n` rows of each group; in the rows' own order."""
        count = _whole("tail", "n", n)
        if count >= 0:
            return self._choose(_after() < count, self._counts(before=False))
        return self._choose(_before() >= -count, self._counts(after=False))

    def nth(self, n: int | slice | list[int], dropna: Literal["any", "all"] | None = None) -> Result:
        """The rows at one place of their group, at several, or at a slice; negative places count from the end."""
        refuse("groupby.nth", dropna=(dropna, None, "drop the rows first"))
        if isinstance(n, slice):
            return self._choose(_within(n), self._counts())
        places = [_whole("nth", "n", one) for one in (n if isinstance(n, list | tuple) else [n])]
        front = [place for place in places if place >= 0]
        behind = [-1 - place for place in places if place < 0]
        conditions = [_before().isin(front)] if front else []
        conditions += [_after().isin(behind)] if behind else []
        condition = conditions[0] if conditions else None
        return self._choose(condition if len(conditions) < 2 else conditions[0] | conditions[1], self._counts())

    def sample(
        self,
        n: int | None = None,
        frac: float | None = None,
        replace: bool = False,
        weights: Any = None,
        random_state: int | None = None,
    ) -> Result:
        """`n` rows (default 1) of each group chosen at random, or of each the share `frac`; by group. The same seed in
        `random_state` gives the same rows for any number of ranks. ValueError where a group has fewer rows."""
        import numpy
        import pyarrow as pa

        from weft.positions import first_and_total
        from weft.sampling import check_amount, check_seed, random_bits, seed_of

        keys, frame = self._keys, self._frame
        refuse(
            "groupby.sample",
            replace=(replace, False, "each row is chosen once"),
            weights=(weights, None, "each row of a group has the same chance"),
        )
        check_amount(f"{keys.where}groupby.", n, frac, False)
        check_seed(f"{keys.where}groupby.", random_state)
        seed = seed_of(keys.env, random_state)
        first, _ = first_and_total(frame, "groupby.sample")
        bits = (random_bits(seed, first, len(frame)) >> numpy.uint64(1)).astype(numpy.int64)
        drawn = _core.beside([keys.table, _core.Table.from_stream(pa.table({"__weft_drawn__": pa.array(bits)}))])
        options = {"method": "first", "ascending": True, "na_option": "keep", "pct": False}
        order = {"function": "rank", "column": keys.table.num_columns, "name": "__weft_order__", **options}
        places = _core.group_transform(drawn, keys.session, keys=keys.positions, transforms=[order], dropna=keys.dropna)
        more = _core.beside([places, self._counts(), self.ngroup().to_frame().reset_index(drop=True).table])
        rows = DataFrame._wrap(more, keys.env)
        size = col("__weft_before__") + col("__weft_after__") + 1
        if frac is None and n is not None and bool(rows.select(few=size < int(n))["few"].any()):
            raise ValueError(f"{keys.where}groupby.sample: a group has fewer rows than n={n}")
        wanted = (1 if n is None else int(n)) if frac is None else (size.cast("float64") * float(frac)).round()
        hidden = len(frame.index_names)
        chosen = self._columns if self._selected else list(range(hidden, frame.table.num_columns))
        shown = frame.table.select([*range(hidden), *chosen])
        named = shown.rename([f"c{i}" for i in range(shown.num_columns)])
        kept = DataFrame._wrap(_core.beside([named, more]), keys.env).filter(col("__weft_order__") <= wanted)
        ordered = kept.sort_values(["ngroup", "__weft_order__"])
        table = ordered.table.select(list(range(shown.num_columns))).rename(shown.column_names)
        made = DataFrame._wrap(table, frame.env, frame.index_names)
        return Series(made) if self._single else made  # type: ignore[return-value]

    def _top(self, operation: str, n: Any, keep: str, *, largest: bool) -> Series:
        """See `SeriesGroupBy.nlargest`: rows by their rank within the group."""
        from weft.ordering import has_top

        keys = self._keys
        one_of(self._frame.env, f"groupby.{operation}", "keep", keep, ("first", "last", "all"))
        count = max(0, _whole(operation, "n", n))
        position = self._columns[0]
        name = self._name(position)
        type = self._frame.schema.types[position]
        if not has_top(type):
            raise TypeError(
                f"{keys.where}groupby.{operation}: column {name!r} has type {type}; it takes numbers, bool and times"
            )

        def ranks(method: str) -> _core.Table:
            more = {"method": method, "ascending": not largest, "na_option": "bottom", "pct": False}
            return self._rows([position], "rank", **more).rename([method])

        inner = [i for i, label in enumerate(self._frame.index_names) if label not in keys.names]
        shown = keys.table.select([*keys.positions, *inner, position])
        width = shown.num_columns
        tables = [shown.rename([f"c{i}" for i in range(width)]), ranks("first"), self.ngroup().to_frame().table]
        if keep != "first":
            tables += [ranks("min"), ranks("max")]
        ngroup = tables[2].num_columns - 1
        tables[2] = tables[2].select([ngroup]).rename(["group"])
        frame = DataFrame._wrap(_core.beside(tables), keys.env)
        # Of equal values the last one first: counted from behind.
        place = col("min") + col("max") - col("first") if keep == "last" else col("first")
        chosen = frame.assign(place=place).filter((col("min") if keep == "all" else col("place")) <= count)
        ordered = chosen.sort_values(["group", "place"])
        index = [*keys.index_beside([name]), *(self._frame.index_names[i] for i in inner)]
        made = ordered.table.select(list(range(width))).rename([*index, name])
        return Series(DataFrame._wrap(made, keys.env, index))

    # -- transform -----------------------------------------------------------------------------------------------

    def transform(
        self, func: Any = None, *args: Any, engine: Any = None, engine_kwargs: Any = None, **kwargs: Any
    ) -> Result:
        """For each row what its group comes to (``"mean"``, any function of `agg`), or a row-wise method by name
        (``"cumsum"``), or what a Python function makes of the group's values: one value for all its rows, or one a row.
        """
        refuse(
            "groupby.transform",
            engine=(engine, None, "Weft has one engine"),
            engine_kwargs=(engine_kwargs, None, "Weft has one engine"),
        )
        if reduction_of(func) is not None and not args and not kwargs:
            plan = [self._item(func, position, self._name(position)) for position in self._columns]
            return self._beside(self._broadcast_table(plan))
        if callable(func):
            return self._transform_function(lambda values: func(values, *args, **kwargs))
        if func in TRANSFORMS:
            made: Result = getattr(self, func)(*args, **kwargs)
            return made
        keys = self._keys
        known = self._function(func)
        if args or kwargs:
            raise TypeError(f"{keys.where}groupby.transform: more arguments are for a Python function")
        plan = [self._item(known, position, self._name(position)) for position in self._columns]
        if known == "size":
            plan = plan[:1] or [self._item(known, -1, "size")]
        if known == "size" and not self._single:
            return Series(keys.beside_index(self._broadcast_table(plan).rename(["size"])))  # type: ignore[return-value]
        return self._beside(self._broadcast_table(plan))

    def _broadcast_table(self, plan: list[Item]) -> _core.Table:
        """What its group comes to, for each row."""
        keys = self._keys
        return _core.group_broadcast(
            keys.table,
            keys.session,
            keys=keys.positions,
            aggregations=[item.lowered() for item in plan],
            dropna=keys.dropna,
        )

    def _transform_function(self, func: Callable[[Series], Any]) -> Result:
        import pyarrow as pa

        columns: _core.Table | None = None
        for position in self._columns:
            gathered = Gathered(self._keys, [position], "groupby.transform")

            def compute(gathered: Gathered = gathered) -> pa.Table:
                parts = []
                for group in gathered.groups():
                    made = func(Series(DataFrame._wrap(group, None)))
                    parts.append(_values(made, group.num_rows))
                return pa.table({"made": _joined(parts)})

            table = one_type(gathered.env, "groupby.transform", agreed(gathered.env, "groupby.transform", compute))
            back = gathered.back(table.column(0)).rename([self._name(position)])
            columns = back if columns is None else _core.beside([columns, back])
        return self._beside(columns if columns is not None else self._keys.table.select([]))


def _before() -> Expression:
    return col("__weft_before__")


def _after() -> Expression:
    return col("__weft_after__")


def _within(rows: slice) -> Expression:
    if rows.step not in (None, 1):
        raise ValueError(f"groupby.nth: a step of {rows.step} is not taken")
    condition = _before() >= 0
    if rows.start is not None:
        start = _whole("nth", "start", rows.start)
        condition = condition & (_before() >= start if start >= 0 else _after() < -start)
    if rows.stop is not None:
        stop = _whole("nth", "stop", rows.stop)
        condition = condition & (_before() < stop if stop >= 0 else _after() >= -stop)
    return condition


def _whole(operation: str, name: str, value: Any) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"groupby.{operation}: {name}={value!r} is no whole number")
    return int(value)


def _values(made: Any, rows: int) -> pa.Array:
    """What a function made of a group of `rows` rows, as one value a row."""
    import pyarrow as pa

    from weft.groupby_functions import as_array

    if isinstance(made, Series):
        made = made.to_arrow()
    elif isinstance(made, DataFrame):
        made = made.reset_index(drop=True).to_arrow().column(0)
    elif type(made).__module__.startswith("pandas.") and hasattr(made, "to_numpy"):
        made = pa.Array.from_pandas(made)
    elif type(made).__module__ == "numpy" and getattr(made, "ndim", 0) == 1:
        made = pa.array(made)
    elif isinstance(made, list | tuple):
        made = as_array(list(made))
    if isinstance(made, pa.ChunkedArray):
        made = made.combine_chunks()
        if isinstance(made, pa.ChunkedArray):
            made = pa.concat_arrays(made.chunks)
    if isinstance(made, pa.Array):
        if len(made) != rows:
            raise ValueError(f"groupby.transform: the function made {len(made)} values of {rows} rows")
        return made
    one = as_array([made])
    return pa.concat_arrays([one] * rows) if rows else one.slice(0, 0)


def _joined(parts: list[pa.Array]) -> pa.ChunkedArray:
    """Groups' values as one column, of the type that suits all."""
    import pyarrow as pa

    if not parts:
        return pa.chunked_array([], pa.null())
    try:
        schema = pa.unify_schemas([pa.schema([("", part.type)]) for part in parts], promote_options="permissive")
        return pa.chunked_array([part.cast(schema.field(0).type) for part in parts], schema.field(0).type)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as problem:
        raise TypeError(f"the function's results are of no one type: {problem}") from None
