"""`Ordering`: the order of rows, duplicates, and on which rank rows lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from weft import _core
from weft.arguments import choose_env, find_all, one_of, place, refuse
from weft.elementwise import Elementwise
from weft.positions import reversed_rows
from weft.row_index import levels_of
from weft.rows import Columns

if TYPE_CHECKING:
    from weft.frame import DataFrame
    from weft.series import Series

__all__ = ["Ordering", "beside", "has_top"]


class Ordering(Elementwise):
    """The order of rows, duplicates, and on which rank rows lie. Collective on bound frames."""

    __slots__ = ()

    def sort_values(
        self,
        by: Columns,
        *,
        axis: int | str = 0,
        ascending: bool | Sequence[bool] = True,
        inplace: bool = False,
        kind: str = "quicksort",
        na_position: Literal["first", "last"] = "last",
        ignore_index: bool = False,
        key: Callable[..., Any] | None = None,
    ) -> DataFrame:
        """Rows ordered by columns; always stable. Collective on a bound frame: the result is ordered rank by rank, and
        evenly spread; rows that lie in order already stay where they are, unless a rank has 1.25 times its share.

        Parameters
        ----------
        by
            Columns by name or position, the first one counting most.
        ascending
            One direction for all, or a list of one a column.
        na_position
            Where missing values go, whatever the direction.
        ignore_index
            Without the index.
        key
            A function of each of the columns, a `Series`, that gives what to order by: ``key=lambda s: s.str.lower()``.
        """
        refuse(
            "sort_values",
            axis=(0 if axis in (0, "index", "rows") else axis, 0, "columns are not sorted"),
            inplace=(inplace, False, "frames do not change: use the result"),
        )
        one_of(self._env, "sort_values", "kind", kind, ("quicksort", "mergesort", "stable"))
        one_of(self._env, "sort_values", "na_position", na_position, ("first", "last"))
        keys = find_all(self, by, "sort_values")
        directions = [ascending] * len(keys) if isinstance(ascending, bool) else list(ascending)
        if len(directions) != len(keys):
            raise ValueError(
                f"{place(self._env)}sort_values: ascending has {len(directions)} entries for {len(keys)} columns"
            )
        if not all(isinstance(direction, bool) for direction in directions):
            raise ValueError(
                f"{place(self._env)}sort_values: ascending={ascending!r} is no truth value or list of such"
            )
        env = choose_env("sort_values", None, self)
        if env is not None:
            env.boundary("sort_values")
        session = None if env is None else env.session
        width = self._table.num_columns
        table = self._table
        if key is not None:
            table = _core.beside([table, *(self._sort_key(key, position) for position in keys)], _names(width, keys))
            keys = list(range(width, width + len(keys)))
        table = _core.sort(table, session, keys=keys, ascending=directions, nulls_first=na_position == "first")
        made = self._like(table.select(list(range(width))).rename(self._table.column_names))
        return made.reset_index(drop=True) if ignore_index else made

    def _sort_key(self, key: Callable[..., Any], position: int) -> _core.Table:
        """What `key` makes of a column."""
        from weft.series import Series

        where = f"{place(self._env)}sort_values"
        if not callable(key):
            raise TypeError(f"{where}: key is a function, not {type(key).__name__}")
        column = self._wrap(self._table.select([position]), self._env)
        made = key(Series(column))
        if not isinstance(made, Series) or len(made) != len(self):
            raise TypeError(f"{where}: key gives a Series of as many rows, not {type(made).__name__}")
        frame = made.to_frame()
        return frame.table.select([len(frame.index_names)])

    def sort_index(
        self,
        *,
        axis: int | str = 0,
        level: Any = None,
        ascending: bool | Sequence[bool] = True,
        inplace: bool = False,
        kind: str = "quicksort",
        na_position: Literal["first", "last"] = "last",
        sort_remaining: bool = True,
        ignore_index: bool = False,
        key: Callable[..., Any] | None = None,
    ) -> DataFrame:
        """Rows ordered by the index columns, or columns by name (``axis=1``, local); always stable. Without an index
        rows are in order, and turned round by ``ascending=False``. Collective on a bound frame.

        Parameters
        ----------
        level
            The index columns, by name or position, that come first.
        sort_remaining
            Whether the others come after them.
        key
            A function of each index column, as in `sort_values`.
        """
        refuse("sort_index", inplace=(inplace, False, "frames do not change: use the result"))
        one_of(self._env, "sort_index", "kind", kind, ("quicksort", "mergesort", "heapsort", "stable"))
        one_of(self._env, "sort_index", "na_position", na_position, ("first", "last"))
        if axis in (1, "columns"):
            refuse(
                "sort_index",
                level=(level, None, "column names have one level"),
                key=(key, None, "choose the columns in their order"),
            )
            made: DataFrame = self._same[sorted(self.columns, reverse=not ascending)]
            return made
        if axis not in (0, "index", "rows"):
            raise ValueError(f"{place(self._env)}sort_index: axis={axis!r} is none of 0, 1, index, columns")
        if not self._index:
            refuse("sort_index", key=(key, None, "positions have no key"))
            return self._same if ascending else reversed_rows(self._same, "sort_index")
        wanted = level if isinstance(level, list | tuple) else [level]
        levels = [0] if level is None and len(self._index) == 1 else _levels_in_order(self, level, wanted)
        directions = [ascending] * len(levels) if isinstance(ascending, bool) else list(ascending)
        if len(directions) != len(levels):
            raise ValueError(
                f"{place(self._env)}sort_index: ascending has {len(directions)} entries for {len(levels)} index columns"
            )
        if sort_remaining:
            rest = [i for i in range(len(self._index)) if i not in levels]
            levels += rest
            directions += [bool(directions[0])] * len(rest)
        return self.sort_values(
            [self._index[i] for i in levels],
            ascending=[bool(direction) for direction in directions],
            na_position=na_position,
            ignore_index=ignore_index,
            key=key,
        )

    def nlargest(self, n: int, columns: Columns, keep: Literal["first", "last", "all"] = "first") -> DataFrame:
        """The `n` rows with the largest values of the columns, the first column counting most, in descending order;
        missing values last. Collective on a bound frame: each rank chooses its own, the result lies on rank 0.

        Parameters
        ----------
        keep
            Which of rows that are equal in all columns come first, and stay: the ``"first"``, the ``"last"``, or
            ``"all"`` that equal the last one taken, even where that makes more than `n`.
        """
        return self._top("nlargest", n, columns, keep, ascending=False)

    def nsmallest(self, n: int, columns: Columns, keep: Literal["first", "last", "all"] = "first") -> DataFrame:
        """The `n` rows with the smallest values, in ascending order; else as `nlargest`."""
        return self._top("nsmallest", n, columns, keep, ascending=True)

    def _top(self, operation: str, n: int, columns: Columns, keep: str, ascending: bool) -> DataFrame:
        one_of(self._env, operation, "keep", keep, ("first", "last", "all"))
        if isinstance(n, bool) or not hasattr(n, "__index__"):
            raise TypeError(f"{place(self._env)}{operation}: n is a number of rows, not {n!r}")
        keys = find_all(self, columns, operation)
        types = self.schema.types
        for key in keys:
            if not has_top(types[key]):
                raise TypeError(
                    f"{place(self._env)}{operation}: column {self._table.column_names[key]!r} has type {types[key]}; "
                    "it takes numbers, bool and times. sort_values(...).head(n) takes others"
                )
        env = choose_env(operation, None, self)
        table = _core.top(
            self._table,
            None if env is None else env.session,
            keys=keys,
            ascending=[ascending] * len(keys),
            rows=max(0, int(n)),
            keep=keep,
        )
        return self._like(table)

    def rank(
        self,
        axis: int | str = 0,
        method: Literal["average", "min", "max", "first", "dense"] = "average",
        numeric_only: bool = False,
        na_option: Literal["keep", "top", "bottom"] = "keep",
        ascending: bool = True,
        pct: bool = False,
    ) -> DataFrame:
        """The place (1, 2, ...) that each value has among those of its column, as doubles, at the rows' own places.
        Collective on a bound frame.

        Parameters
        ----------
        method
            What equal values get: the ``"average"``, ``"min"`` or ``"max"`` of their places, their places in row order
            (``"first"``), or the number of their value among the distinct ones (``"dense"``).
        numeric_only
            Leaves other columns out than numbers and bool.
        na_option
            Missing values have no rank (``"keep"``), or come first (``"top"``) or last.
        pct
            Ranks as shares of the greatest.
        """
        refuse("rank", axis=(0 if axis in (0, "index", "rows") else axis, 0, "values are ranked by column"))
        one_of(self._env, "rank", "method", method, ("average", "min", "max", "first", "dense"))
        one_of(self._env, "rank", "na_option", na_option, ("keep", "top", "bottom"))
        env = choose_env("rank", None, self)
        session = None if env is None else env.session
        hidden = len(self._index)
        types = self.schema.types
        ranked = [i for i in range(hidden, len(types)) if not numeric_only or _is_number(types[i])]
        names = [self._table.column_names[i] for i in ranked]
        columns = [
            _core.rank(
                self._table,
                session,
                column=position,
                method=method,
                ascending=bool(ascending),
                missing=na_option,
                percent=bool(pct),
            )
            for position in ranked
        ]
        return self._wrap(
            beside([self._table.select(list(range(hidden))), *columns], [*self._index, *names]), self._env, self._index
        )

    def sample(
        self,
        n: int | None = None,
        frac: float | None = None,
        replace: bool = False,
        weights: Any = None,
        random_state: int | None = None,
        axis: int | str | None = None,
        ignore_index: bool = False,
    ) -> DataFrame:
        """Rows chosen at random, in random order, evenly spread over the ranks. With the same seed the same rows, in
        the same order, for any number of ranks and however the rows lie on them. Collective on a bound frame.

        Parameters
        ----------
        n, frac
            How many rows (default 1), or what share of them.
        replace
            A row may be chosen again.
        weights
            The column whose numbers say how likely each row is (missing ones: never); by default all are as likely.
        random_state
            The seed, an integer; by default another one in each call.
        """
        from weft.sampling import sample

        refuse("sample", axis=(0 if axis in (None, 0, "index", "rows") else axis, 0, "columns are not sampled"))
        made = sample(self._same, n, frac, replace, weights, random_state)
        return made.reset_index(drop=True) if ignore_index else made

    def shuffle(self, seed: int | None = None) -> DataFrame:
        """All rows in random order, evenly spread over the ranks: ``sample(frac=1, random_state=seed)``. The same seed
        gives the same order for any number of ranks. Collective on a bound frame."""
        return self.sample(frac=1.0, random_state=seed)

    def drop_duplicates(
        self,
        subset: Columns | None = None,
        *,
        keep: Literal["first", "last", False] = "first",
        inplace: bool = False,
        ignore_index: bool = False,
        maintain_order: bool = False,
    ) -> DataFrame:
        """One row, by rank and row, of each set of rows that agree in `subset` (default: all columns but the index).
        Missing values agree. Collective on a bound frame.

        Parameters
        ----------
        keep
            The ``"first"`` or the ``"last"`` row of a set; False: none of a set of several.
        maintain_order
            Rows stay in their order, on their rank, which on a local frame they always do. Without it a bound frame's
            rows may lie by hash: spread evenly, their order the same in every run, and no more is promised.
        """
        refuse("drop_duplicates", inplace=(inplace, False, "frames do not change: use the result"))
        positions, kept = self._duplicates("drop_duplicates", subset, keep)
        env = choose_env("drop_duplicates", None, self)
        if env is not None:
            env.boundary("drop_duplicates")
        session = None if env is None else env.session
        if not positions:
            # Rows of no columns: pandas keeps them all.
            return self._same
        table = _core.unique(self._table, session, columns=positions, keep=kept, maintain_order=bool(maintain_order))
        made = self._like(table)
        return made.reset_index(drop=True) if ignore_index else made

    def duplicated(self, subset: Columns | None = None, keep: Literal["first", "last", False] = "first") -> Series:
        """For each row whether `drop_duplicates` would leave it out: a Series of bool with the frame's index, at the
        rows' own places. Collective on a bound frame."""
        from weft.series import Series

        positions, kept = self._duplicates("duplicated", subset, keep)
        env = choose_env("duplicated", None, self)
        session = None if env is None else env.session
        hidden = list(range(len(self._index)))
        if positions:
            marks = _core.duplicated(self._table, session, columns=positions, keep=kept)
        else:
            none = _core.Expression.literal(_false())
            marks = _core.project(self._table, session, ["duplicated"], [none])
        table = beside([self._table.select(hidden), marks], [*self._index, "duplicated"])
        return Series(self._wrap(table, self._env, self._index))

    def _duplicates(self, operation: str, subset: Columns | None, keep: Any) -> tuple[list[int], str]:
        if keep is not False:
            one_of(self._env, operation, "keep", keep, ("first", "last"))
        if subset is None:
            positions = list(range(len(self._index), self._table.num_columns))
        else:
            positions = find_all(self, subset, operation, index_too=False)
        return positions, "none" if keep is False else str(keep)

    def unique(self, columns: Columns | None = None) -> DataFrame:
        """The same as `drop_duplicates`."""
        return self.drop_duplicates(columns)

    def repartition(self, counts: Sequence[int] | None = None, *, by: Columns | None = None) -> DataFrame:
        """The same rows on other ranks. Collective on a bound frame; of a local one nothing changes.

        Parameters
        ----------
        counts
            How many rows each rank gets, the same list on all ranks; rows keep their order. By default shares differ
            by at most one row.
        by
            Rows that agree in these columns come to one rank, in their order there.
        """
        env = choose_env("repartition", None, self)
        if env is not None:
            env.boundary("repartition")
        where = place(self._env)
        if counts is not None and by is not None:
            raise ValueError(f"{where}repartition: give counts or by")
        keys = None if by is None else find_all(self, by, "repartition")
        if counts is not None:
            counts = list(counts)
            ranks = 1 if env is None else env.world_size
            if any(isinstance(count, bool) or not hasattr(count, "__index__") for count in counts):
                raise TypeError(f"{where}repartition: counts are numbers of rows, not {counts!r}")
            if len(counts) != ranks:
                raise ValueError(f"{where}repartition: {len(counts)} counts for {ranks} ranks")
            if env is None and counts != [len(self)]:
                raise ValueError(f"repartition: the counts add up to {sum(counts)}; there are {len(self)} rows")
        if env is None:
            return self._same
        if keys is not None:
            return self._like(_core.repartition_by_key(self._table, env.session, keys))
        return self._like(_core.repartition(self._table, env.session, counts or []))


def _names(width: int, keys: Sequence[int]) -> list[str]:
    return [*(f"c{i}" for i in range(width)), *(f"key{i}" for i in range(len(keys)))]


def _levels_in_order(frame: Ordering, level: Any, wanted: Sequence[Any]) -> list[int]:
    if level is None:
        return list(range(len(frame.index_names)))
    return [levels_of(frame, item, "sort_index")[0] for item in wanted]


def _is_number(kind: Any) -> bool:
    import pyarrow as pa

    types = pa.types
    return any(test(kind) for test in (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal))


def has_top(kind: Any) -> bool:
    import pyarrow as pa

    return _is_number(kind) or pa.types.is_temporal(kind) or pa.types.is_null(kind)


def _false() -> Any:
    import pyarrow as pa

    return pa.array([False])


def beside(tables: Sequence[_core.Table], names: Sequence[str]) -> _core.Table:
    """Tables of as many rows beside one another; no copy."""
    import pyarrow as pa

    columns = [column for table in tables if table.num_columns for column in pa.table(table).columns]
    if not columns:
        return tables[0]
    return _core.Table.from_stream(pa.Table.from_arrays(columns, names=list(names)))
