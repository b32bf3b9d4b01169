"""`DataFrame`: rows on this rank, or one table over all ranks."""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from weft import _core, arrow_input
from weft.arguments import choose_env, find, find_all, one_of, place, refuse
from weft.expression import Expression

if TYPE_CHECKING:
    import numpy
    import pandas
    import polars
    import pyarrow as pa

    from weft.env import Env
    from weft.groupby import GroupBy
    from weft.series import Series

__all__ = ["Column", "Columns", "DataFrame"]

#: A column by name, or by position among those that are no index.
Column = str | int
#: One column or several.
Columns = Column | Sequence[Column]


class DataFrame:
    """A table of named columns of Arrow types.

    A frame made with ``env=`` is *bound*: its rows are this rank's part of one table over all ranks of the env, rank
    order being row order, and its operators are collective and work over the whole. Other frames are local. ``len``,
    ``repr``, ``shape`` and the exports (``to_arrow`` ...) are always about this rank's rows and run no collective;
    `gather`, `show`, `total_rows` are collective on bound frames. `local` gives this rank's rows unbound.

    Where a method has pandas' name, pandas 3 is its specification; arguments of pandas that are not taken are refused
    by name. Null and NaN are one missing value. Frames do not change: every method returns a new one, and shares
    memory where it can.

    Parameters
    ----------
    data
        A dict of columns, a pandas or Polars frame, a NumPy array of one or two dimensions, or anything with
        ``__arrow_c_stream__`` or ``__arrow_c_array__`` (no copy). An index of pandas becomes the frame's index, but
        for one that only counts rows. Integer labels become text.
    columns
        Names for a NumPy array's columns (default "0", "1", ...); else the columns to take, in this order.
    env
        Bind the frame: `data` is this rank's part of the whole. Local; ranks must give the same columns and types.

    Raises
    ------
    TypeError
        The data is nothing of the above.
    ValueError
        Columns of unequal length, a name that is there twice, or several levels of column names.
    """

    __slots__ = ("__weakref__", "_env", "_index", "_table")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, data: Any = None, *, columns: Sequence[str] | None = None, env: Env | None = None) -> None:
        self._env = choose_env("weft.DataFrame", env)
        if isinstance(data, DataFrame):
            data = data if columns is None else data[list(columns)]
            self._table: _core.Table = data._table
            self._index: tuple[str, ...] = data._index
        else:
            self._table, self._index = arrow_input.read({} if data is None else data, columns)

    @classmethod
    def _wrap(cls, table: _core.Table, env: Env | None, index: Sequence[str] = ()) -> DataFrame:
        frame = cls.__new__(cls)
        frame._table = table
        frame._env = env
        frame._index = tuple(index)
        return frame

    def _like(self, table: _core.Table) -> DataFrame:
        return DataFrame._wrap(table, self._env, self._index)

    # -- what it is: local, no collective ------------------------------------------------------------------------

    @property
    def env(self) -> Env | None:
        """The env that the frame is bound to, or None."""
        return self._env

    @property
    def table(self) -> _core.Table:
        """The C++ table, index columns first. Not for users."""
        return self._table

    @property
    def index_names(self) -> tuple[str, ...]:
        """The columns that are the index; empty where rows go by position."""
        return self._index

    @property
    def columns(self) -> list[str]:
        """Names of the columns that are no index."""
        return self._table.column_names[len(self._index) :]

    @property
    def schema(self) -> pa.Schema:
        """Arrow names and types of all columns, the index first."""
        import pyarrow as pa

        return pa.schema(self._table)

    @property
    def dtypes(self) -> dict[str, pa.DataType]:
        """The Arrow type of each column that is no index."""
        schema = self.schema
        return {name: schema.field(name).type for name in self.columns}

    @property
    def shape(self) -> tuple[int, int]:
        """This rank's rows, and columns."""
        return self._table.num_rows, len(self.columns)

    @property
    def size(self) -> int:
        """This rank's rows times columns."""
        return self._table.num_rows * len(self.columns)

    @property
    def empty(self) -> bool:
        """Whether this rank has no rows, or the frame no columns."""
        return self.size == 0

    @property
    def nbytes(self) -> int:
        """Bytes of this rank's rows."""
        return self._table.nbytes

    def __len__(self) -> int:
        return self._table.num_rows

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def __bool__(self) -> bool:
        raise ValueError("the truth value of a frame is ambiguous: use len(df), df.empty or df.total_rows()")

    def __repr__(self) -> str:
        whole = "" if self._env is None else f", part of rank {self._env.rank} of {self._env.world_size}"
        return self._text(self._table, 10, f"[{len(self)} rows x {len(self.columns)} columns{whole}]")

    def _text(self, table: _core.Table, rows: int, footer: str) -> str:
        import pyarrow as pa

        from weft.display import format_table

        if table.num_rows <= rows:
            return format_table(pa.table(table), None, table.num_rows, footer)
        half = max(1, rows // 2)
        head = pa.table(table.slice(0, rows - half))
        tail = pa.table(table.slice(table.num_rows - half, half))
        return format_table(head, tail, table.num_rows, footer)

    # -- over ranks ----------------------------------------------------------------------------------------------

    def local(self) -> DataFrame:
        """This rank's rows as an unbound frame. Local."""
        return DataFrame._wrap(self._table, None, self._index)

    def bind(self, env: Env) -> DataFrame:
        """These rows as this rank's part of a frame over `env`. Local."""
        return DataFrame._wrap(self._table, choose_env("bind", env), self._index)

    def total_rows(self) -> int:
        """Rows of all ranks. Collective on a bound frame."""
        env = choose_env("total_rows", None, self)
        return len(self) if env is None else _core.total_rows(self._table, env.session)

    def gather(self, root: int = 0) -> DataFrame:
        """All rows, by rank, as an unbound frame on rank `root`; an empty one elsewhere. Collective on a bound
        frame."""
        env = choose_env("gather", None, self)
        if env is None:
            return self
        if not isinstance(root, int) or isinstance(root, bool) or not 0 <= root < env.world_size:
            raise ValueError(f"{place(env)}gather: root={root!r} is no rank of a world of {env.world_size}")
        return DataFrame._wrap(_core.gather(self._table, env.session, root), None, self._index)

    def allgather(self) -> DataFrame:
        """All rows, by rank, as an unbound frame on every rank. Collective on a bound frame."""
        env = choose_env("allgather", None, self)
        return self if env is None else DataFrame._wrap(_core.allgather(self._table, env.session), None, self._index)

    def repartition(self) -> DataFrame:
        """The same rows in the same order, moved so that ranks' shares differ by at most one row. Collective on a
        bound frame."""
        env = choose_env("repartition", None, self)
        return self if env is None else self._like(_core.repartition(self._table, env.session))

    def show(self, rows: int = 20) -> None:
        """Prints the first `rows` rows of the whole on rank 0. Collective on a bound frame."""
        env = choose_env("show", None, self)
        total = self.total_rows()
        first = self.head(rows).gather(0)
        if env is None or env.rank == 0:
            left_out = "" if total <= rows else f", the first {rows} shown"
            ranks = "" if env is None else f" on {env.world_size} rank{'s' if env.world_size > 1 else ''}"
            footer = f"[{total} rows x {len(self.columns)} columns{ranks}{left_out}]"
            print(self._text(first.table, max(rows, 1), footer), flush=True)

    # -- exports: this rank's rows, no collective ----------------------------------------------------------------

    def _with_metadata(self) -> _core.Table:
        if not self._index:
            return self._table
        return self._table.with_metadata([arrow_input.INDEX_KEY], [json.dumps(list(self._index))])

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._with_metadata().__arrow_c_stream__(requested_schema)

    def __arrow_c_schema__(self) -> object:
        return self._with_metadata().__arrow_c_schema__()

    def to_arrow(self) -> pa.Table:
        """This rank's rows as a pyarrow table, index columns first; no copy."""
        import pyarrow as pa

        return pa.table(self._with_metadata())

    def to_pandas(self) -> pandas.DataFrame:
        """This rank's rows as pandas has them; the index columns become its index."""
        frame = self.to_arrow().replace_schema_metadata(None).to_pandas()
        if self._index:
            frame = frame.set_index(list(self._index))
            frame.index.names = [None if arrow_input.is_unnamed_index(name) else name for name in self._index]
        return frame

    def to_numpy(self) -> numpy.ndarray[Any, Any]:
        """This rank's rows as an array of shape (rows, columns), without the index, of the type that holds all
        columns."""
        values: numpy.ndarray[Any, Any] = self.reset_index(drop=True).to_pandas().to_numpy()
        return values

    def to_polars(self) -> polars.DataFrame:
        """This rank's rows as a Polars frame, index columns first."""
        import polars

        return polars.DataFrame(self.to_arrow().replace_schema_metadata(None))

    def to_dict(self) -> dict[str, list[Any]]:
        """This rank's rows as a dict of lists of Python values, index columns first (pandas' ``orient="list"``)."""
        found: dict[str, list[Any]] = self.to_arrow().to_pydict()
        return found

    # -- choosing ------------------------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> Any:
        """``df["a"]`` is a `Series`, ``df[["a", "b"]]`` those columns, ``df[2:5]`` rows of the whole by position,
        ``df[weft.col("a") > 1]`` the rows for which that is true."""
        from weft.series import Series

        if isinstance(key, Expression):
            return self.filter(key)
        if isinstance(key, slice):
            return self._slice_rows(key)
        if isinstance(key, str):
            position = find(self, key, "df[...]", index_too=False)
            return Series(self._keep([position]))
        if isinstance(key, list):
            if key and all(isinstance(item, bool) for item in key):
                raise ValueError("df[...]: a list of truth values is not taken; use an expression of weft.col")
            return self._keep([find(self, item, "df[...]", index_too=False) for item in key])
        if isinstance(key, Series):
            raise ValueError("df[...]: a Series as a mask is not taken; use an expression of weft.col")
        raise KeyError(f"df[...]: {key!r} is no column name, list of names, slice of rows or expression")

    def _keep(self, positions: Sequence[int]) -> DataFrame:
        if len(set(positions)) != len(positions):
            raise ValueError("a column is named twice")
        return self._like(self._table.select([*range(len(self._index)), *positions]))

    def select(self, *columns: Column | Expression, **named: Any) -> DataFrame:
        """The columns named, then those of the expressions: ``df.select("a", twice=weft.col("a") * 2)``. Local: no
        rank needs another's rows. The index stays."""
        names: list[str] = []
        expressions: list[Expression] = []
        for column in columns:
            if isinstance(column, Expression):
                raise TypeError("select: an expression needs a name: select(name=expression)")
            names.append(self._table.column_names[find(self, column, "select", index_too=False)])
            expressions.append(Expression("column", detail=names[-1]))
        return self._project(names, expressions, named, "select")

    def assign(self, **columns: Any) -> DataFrame:
        """All columns, and those given: an expression, a constant, or a function of this frame that returns one of
        these. A name that is there already is replaced. Later ones see earlier ones, as in pandas."""
        frame = self
        for name, value in columns.items():
            made = value(frame) if callable(value) and not isinstance(value, Expression) else value
            names = frame.columns
            kept = [Expression("column", detail=other) for other in names]
            expression = frame._expression(made, "assign")
            if name in names:
                kept[names.index(name)] = expression
                frame = frame._project(names, kept, {}, "assign")
            else:
                frame = frame._project(names, kept, {name: expression}, "assign")
        return frame

    def _expression(self, value: Any, operation: str) -> Expression:
        from weft.expression import lit

        if isinstance(value, Expression):
            return value
        if hasattr(value, "__len__") and not isinstance(value, str | bytes):
            raise TypeError(
                f"{operation}: a column is given by an expression or a constant, not {type(value).__name__}"
            )
        return lit(value)

    def _project(
        self, names: Sequence[str], expressions: Sequence[Expression], named: Mapping[str, Any], operation: str
    ) -> DataFrame:
        all_names = [*self._index, *names, *named]
        if len(set(all_names)) != len(all_names):
            raise ValueError(f"{place(self._env)}{operation}: a column name is there twice: {all_names}")
        values = [*expressions, *(self._expression(value, operation) for value in named.values())]
        for value in values:
            for name in sorted(value.columns()):
                find(self, name, operation)
        lowered = [_core.Expression.field(name) for name in self._index] + [value.lower() for value in values]
        env = choose_env(operation, None, self)
        session = None if env is None else env.session
        return self._like(_core.project(self._table, session, all_names, lowered))

    def filter(self, condition: Expression) -> DataFrame:
        """The rows for which the condition is true, in their order: ``df.filter(weft.col("delay") > 15)``. Local: no
        rank needs another's rows.

        Raises KeyError for a column that is not there, TypeError for what is no condition or does not fit the types.
        """
        if not isinstance(condition, Expression):
            raise TypeError(f"filter takes an expression of weft.col, not {type(condition).__name__}")
        for name in sorted(condition.columns()):
            find(self, name, "filter")
        env = choose_env("filter", None, self)
        session = None if env is None else env.session
        return self._like(_core.filter(self._table, session, condition.lower(as_filter=True)))

    def head(self, n: int = 5) -> DataFrame:
        """The first `n` rows of the whole; all but the last -n for a negative `n`. Collective on a bound frame."""
        return self._slice_rows(slice(0, n))

    def tail(self, n: int = 5) -> DataFrame:
        """The last `n` rows of the whole; all but the first -n for a negative `n`. Collective on a bound frame."""
        total = self.total_rows()
        return self.slice(max(0, total - n) if n >= 0 else min(total, -n))

    def slice(self, offset: int, length: int | None = None) -> DataFrame:
        """Rows ``offset`` to ``offset + length`` of the whole, to the end without a length. Rows stay on their rank.
        Collective on a bound frame."""
        if offset < 0 or (length is not None and length < 0):
            raise ValueError(f"slice: offset={offset} and length={length} are not below 0")
        env = choose_env("slice", None, self)
        count = 2**62 if length is None else length
        if env is not None:
            return self._like(_core.slice(self._table, env.session, offset, count))
        start = min(offset, len(self))
        return self._like(self._table.slice(start, min(count, len(self) - start)))

    def _slice_rows(self, rows: builtins.slice) -> DataFrame:
        for bound in (rows.start, rows.stop):
            if bound is not None and (isinstance(bound, bool) or not hasattr(bound, "__index__")):
                raise TypeError(f"df[a:b]: rows are sliced by position, not by {bound!r}")
        if rows.step not in (None, 1):
            raise ValueError(f"df[a:b]: a step of {rows.step} is not taken")
        start, stop = rows.start or 0, rows.stop
        if start < 0 or (stop is not None and stop < 0):
            start, stop, _ = rows.indices(self.total_rows())
        return self.slice(start, None if stop is None else max(0, stop - start))

    # -- names and index: local ----------------------------------------------------------------------------------

    def rename(self, columns: Mapping[str, str] | Callable[[str], str]) -> DataFrame:
        """Columns with other names: by a dict of old to new (unknown ones are passed over, as in pandas) or by a
        function."""
        change = columns if callable(columns) else lambda name: columns.get(name, name)
        names = [*self._index, *(change(name) for name in self.columns)]
        if len(set(names)) != len(names):
            raise ValueError(f"rename: a column name would be there twice: {names}")
        return self._like(self._table.rename(names))

    def drop(self, columns: Columns) -> DataFrame:
        """Without these columns."""
        gone = set(find_all(self, columns, "drop", index_too=False))
        return self._keep([i for i in range(len(self._index), self._table.num_columns) if i not in gone])

    def set_index(self, keys: Columns, drop: bool = True) -> DataFrame:
        """These columns as the index, in place of the one there is."""
        refuse("set_index", drop=(drop, True, "the index columns are ordinary columns of to_arrow()"))
        positions = find_all(self, keys, "set_index", index_too=False)
        rest = [i for i in range(len(self._index), self._table.num_columns) if i not in positions]
        names = [self._table.column_names[i] for i in positions]
        return DataFrame._wrap(self._table.select([*positions, *rest]), self._env, names)

    def reset_index(self, drop: bool = False) -> DataFrame:
        """The index columns as ordinary ones, first; or, with `drop`, without them."""
        if not drop:
            return DataFrame._wrap(self._table, self._env)
        kept = list(range(len(self._index), self._table.num_columns))
        return DataFrame._wrap(self._table.select(kept), self._env)

    # -- operators over the whole: collective on bound frames ------------------------------------------------------

    def merge(
        self,
        right: DataFrame,
        how: Literal["inner", "left", "right", "outer"] = "inner",
        on: Columns | None = None,
        left_on: Columns | None = None,
        right_on: Columns | None = None,
        left_index: bool = False,
        right_index: bool = False,
        sort: bool = False,
        suffixes: tuple[str | None, str | None] = ("_x", "_y"),
        copy: bool | None = None,
        indicator: bool = False,
        validate: str | None = None,
        *,
        algorithm: Literal["hash", "sort"] | None = None,
        env: Env | None = None,
    ) -> DataFrame:
        """Joins two frames on equal keys, as pandas' ``merge`` does. Collective on bound frames or with `env`.

        Parameters
        ----------
        how
            ``"inner"``, ``"left"``, ``"right"`` or ``"outer"``.
        on, left_on, right_on
            Key columns by name or position; by default all columns that both sides have. Keys of a pair must have the
            same type. Missing keys (null, NaN) equal each other.
        sort
            Order the result by the keys. Without it the order is the same in every run, and no more is promised.
        suffixes
            For columns of one name that are on both sides and are no key.
        algorithm
            ``"hash"`` (default) or ``"sort"``; the sort join's result is ordered by the keys.
        env
            Takes both frames as this rank's parts of one whole; the result is bound to it.

        Raises
        ------
        KeyError
            A key column is not there.
        TypeError
            A type cannot be a key, or the two sides' keys have different types.
        ValueError
            An option is unknown, keys do not pair up, or the result would have a column name twice.
        """
        from weft.merge import merge

        refuse(
            "merge",
            left_index=(left_index, False, "name the index columns in left_on"),
            right_index=(right_index, False, "name the index columns in right_on"),
            copy=(copy, None, "frames do not change, so nothing needs a copy"),
            indicator=(indicator, False, "assign a constant column to each side before the merge"),
            validate=(validate, None, "count the keys by groupby(...).size()"),
        )
        return merge(self, right, how, on, left_on, right_on, sort, suffixes, algorithm, env)

    def groupby(
        self,
        by: Columns | None = None,
        level: Any = None,
        *,
        as_index: bool = True,
        sort: bool = True,
        group_keys: bool = True,
        observed: bool = True,
        dropna: bool = True,
    ) -> GroupBy:
        """Groups rows by key columns; call ``agg``, ``sum``, ``count``, ``size``, ``mean``, ``min`` or ``max`` on it.

        Parameters
        ----------
        by
            Key columns by name or position.
        as_index
            Whether the keys become the result's index; else they are its first columns.
        sort
            Order the groups by their keys, over all ranks.
        dropna
            Leave out rows with a missing key.
        """
        from weft.groupby import GroupBy

        refuse(
            "groupby",
            level=(level, None, "name the index columns in by"),
            group_keys=(group_keys, True, "it only matters to apply, which is not there"),
            observed=(observed, True, "groups without rows are never made"),
        )
        if by is None:
            raise ValueError("groupby: name the key columns in by")
        if callable(by) or isinstance(by, dict | Expression):
            raise ValueError("groupby: by is a column or a list of columns; assign an expression's column first")
        return GroupBy(self, by, as_index=bool(as_index), sort=bool(sort), dropna=bool(dropna))

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
        evenly spread.

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
        """
        refuse(
            "sort_values",
            axis=(0 if axis in (0, "index", "rows") else axis, 0, "columns are not sorted"),
            inplace=(inplace, False, "frames do not change: use the result"),
            key=(key, None, "assign the key's column first"),
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
        session = None if env is None else env.session
        table = _core.sort(self._table, session, keys=keys, ascending=directions, nulls_first=na_position == "first")
        made = self._like(table)
        return made.reset_index(drop=True) if ignore_index else made

    def drop_duplicates(
        self,
        subset: Columns | None = None,
        *,
        keep: Literal["first"] = "first",
        inplace: bool = False,
        ignore_index: bool = False,
    ) -> DataFrame:
        """The first row, by rank and row, of each set of rows that agree in `subset` (default: all columns but the
        index). Missing values agree. Collective on a bound frame, whose rows then lie by hash: their order is the
        same in every run, and no more is promised.
        """
        refuse("drop_duplicates", inplace=(inplace, False, "frames do not change: use the result"))
        if keep != "first":
            one_of(self._env, "drop_duplicates", "keep", keep if isinstance(keep, str) else str(keep), ("first",))
        if subset is None:
            positions = list(range(len(self._index), self._table.num_columns))
        else:
            positions = find_all(self, subset, "drop_duplicates", index_too=False)
        env = choose_env("drop_duplicates", None, self)
        session = None if env is None else env.session
        if not positions:
            # Rows of no columns: pandas keeps them all.
            return self
        made = self._like(_core.unique(self._table, session, columns=positions))
        return made.reset_index(drop=True) if ignore_index else made

    def unique(self, columns: Columns | None = None) -> DataFrame:
        """The same as `drop_duplicates`."""
        return self.drop_duplicates(columns)

    # -- writing: collective on bound frames -----------------------------------------------------------------------

    def to_parquet(
        self,
        path: Any,
        *,
        compression: Literal["snappy", "zstd", "gzip", "none"] | None = "snappy",
        index: bool | None = None,
        row_group_rows: int = 1 << 20,
        overwrite: bool | None = None,
    ) -> None:
        """Writes Parquet: a bound frame as a directory of one part a rank, visible whole or not at all; an unbound one
        as one file. Collective on a bound frame.

        Parameters
        ----------
        path
            A path or ``s3://bucket/key``.
        index
            False leaves the index columns out.
        overwrite
            Replace what is there. By default a file is replaced, as by pandas, and a directory is a FileExistsError.
        """
        from weft.files import write_parquet

        frame = self.reset_index(drop=True) if index is False else self
        write_parquet(frame, path, compression, row_group_rows, overwrite)

    def to_csv(
        self,
        path: Any,
        sep: str = ",",
        *,
        header: bool = True,
        index: bool = True,
        compression: Literal["none", "gzip"] | None = None,
        overwrite: bool | None = None,
    ) -> None:
        """Writes CSV, as `to_parquet` writes. The index columns come first unless `index` is False; positions are not
        written."""
        from weft.files import write_csv

        write_csv(self if index else self.reset_index(drop=True), path, sep, header, compression, overwrite)

    # -- convenience -----------------------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Series:
        # Only reached where there is no such attribute: df.column, as in pandas.
        if not name.startswith("_") and name in self.columns:
            made: Series = self[name]
            return made
        raise AttributeError(f"weft.DataFrame has no attribute or column {name!r}")
