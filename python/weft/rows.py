"""`Rows`: what a frame is before any operator. The layers above it add operators, a topic each; `DataFrame` is last."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

from weft import _core, arrow_input
from weft.agreement import tables_agreed
from weft.arguments import choose_env, place, refuse
from weft.by_column import ByColumn, ColumnNames

if TYPE_CHECKING:
    import numpy
    import pandas
    import polars
    import pyarrow as pa

    from weft.env import Env
    from weft.frame import DataFrame
    from weft.series import Series

__all__ = ["Column", "Columns", "Rows"]

#: A column by name, or by position among those that are no index.
Column = str | int
_NO_VALUE: Any = object()
#: One column or several.
Columns = Column | Sequence[Column]


class Rows:
    """A C++ table, the env it is bound to, the names of its index columns; and its exports."""

    __slots__ = ("_env", "_index", "_rows", "_table")
    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self,
        data: Any = None,
        index: Any = None,
        columns: Sequence[str] | None = None,
        dtype: Any = None,
        copy: bool | None = None,
        *,
        env: Env | None = None,
    ) -> None:
        refuse(
            "weft.DataFrame", copy=(None if copy is False else copy, None, "frames share memory and do not change it")
        )
        self._env = choose_env("weft.DataFrame", env)
        self._table: _core.Table
        self._index: tuple[str, ...]
        self._rows: object = object()

        def read() -> tuple[_core.Table, tuple[str, ...]]:
            if not isinstance(data, Rows) or index is not None or dtype is not None:
                return arrow_input.read({} if data is None else data, columns, index, dtype)
            given = data._same if columns is None else data._same[list(columns)]
            self._rows = given._rows
            return given._table, given._index

        self._table, self._index = tables_agreed(self._env, "weft.DataFrame", read)

    @classmethod
    def from_dict(
        cls, data: Any, orient: str = "columns", dtype: Any = None, columns: Any = None, *, env: Env | None = None
    ) -> DataFrame:
        """A frame of a dict of columns, rows by label (``orient="index"``), or of what ``to_dict("tight")`` gives."""
        from weft.construct import from_dict

        return from_dict(data, orient, dtype, columns, env)

    @classmethod
    def from_records(
        cls,
        data: Any,
        index: Any = None,
        exclude: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        coerce_float: bool = False,
        nrows: int | None = None,
        *,
        env: Env | None = None,
    ) -> DataFrame:
        """A frame of rows: tuples, dicts, a structured array, or an iterator of such, of which `nrows` are taken.

        Parameters
        ----------
        index
            A column, or several, for the index; or the labels.
        exclude
            Columns that are left out.
        """
        from weft.construct import from_records

        refuse("from_records", coerce_float=(coerce_float, False, "astype the columns"))
        return from_records(data, index, exclude, columns, nrows, env)

    @classmethod
    def from_arrow(cls, data: Any, *, env: Env | None = None) -> DataFrame:
        """A frame of anything with ``__arrow_c_stream__`` or ``__arrow_c_array__``; no copy."""
        from weft.construct import from_arrow

        return from_arrow(data, env)

    @staticmethod
    def _wrap(table: _core.Table, env: Env | None, index: Sequence[str] = (), rows: object = None) -> DataFrame:
        """A frame; `rows` is another's `_rows` where it has the same rows, in the same order, and the same index."""
        from weft.frame import DataFrame

        frame = DataFrame.__new__(DataFrame)
        frame._table = table
        frame._env = env
        frame._index = tuple(index)
        frame._rows = object() if rows is None else rows
        return frame

    @property
    def _same(self) -> DataFrame:
        return cast("DataFrame", self)

    def _become(self, other: DataFrame) -> None:
        """From now on this frame is what `other` is."""
        self._table, self._index, self._rows = other._table, other._index, other._rows

    def _like(self, table: _core.Table) -> DataFrame:
        return self._wrap(table, self._env, self._index)

    def of_same_rows(self, table: _core.Table) -> DataFrame:
        """A frame of the same rows and the same index, with other columns. Not for users."""
        return self._wrap(table, self._env, self._index, self._rows)

    def has_rows_of(self, other: Rows) -> bool:
        """Whether both were made, by columns alone, from one frame: then nothing needs to be compared. Not for
        users."""
        return self._rows is other._rows

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
        """Names of the columns that are no index; see `ColumnNames`."""
        return ColumnNames(self._table.column_names[len(self._index) :])

    @columns.setter
    def columns(self, names: Sequence[str]) -> None:
        if isinstance(names, str | bytes):
            raise TypeError(f"{place(self._env)}df.columns = {names!r}: it takes a list of all names")
        self._become(self._same.set_axis(list(names), axis=1))

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

    @property
    def ndim(self) -> int:
        """2: rows and columns."""
        return 2

    @property
    def axes(self) -> list[Any]:
        """This rank's row labels, and the columns."""
        return [self._same.index, self.columns]

    def keys(self) -> list[str]:
        """Names of the columns that are no index."""
        return self.columns

    def __repr__(self) -> str:
        return self._text(self._table, self._shown_rows(), self._footer())

    def _repr_html_(self) -> str:
        from weft.display import html_table

        ends = self._ends(self._table, self._shown_rows())
        return html_table(*ends, self._table.num_rows, len(self._index), self._footer())

    def _shown_rows(self) -> int:
        """As pandas: all up to 60, else 10."""
        return 60 if self._table.num_rows <= 60 else 10

    def _footer(self) -> str:
        whole = "" if self._env is None else f", part of rank {self._env.rank} of {self._env.world_size}"
        return f"[{len(self)} rows x {len(self.columns)} columns{whole}]"

    def _ends(self, table: _core.Table, rows: int) -> tuple[pa.Table, pa.Table | None]:
        """All rows where there are at most `rows`; else the first and the last of them."""
        import pyarrow as pa

        if table.num_rows <= rows:
            return pa.table(table), None
        half = max(1, rows // 2)
        return pa.table(table.slice(0, rows - half)), pa.table(table.slice(table.num_rows - half, half))

    def _text(self, table: _core.Table, rows: int, footer: str) -> str:
        from weft.display import format_table

        return format_table(*self._ends(table, rows), table.num_rows, footer)

    def __copy__(self) -> DataFrame:
        return self._same.copy()

    def __deepcopy__(self, memo: Any) -> DataFrame:
        return self._same.copy()

    def __reduce__(self) -> tuple[Any, ...]:
        """What `pickle` keeps of a frame that is not bound: its rows and its index."""
        if self._env is not None:
            raise TypeError(
                f"{place(self._env)}a frame that is bound to an env is not pickled, for its rows are part of a whole: "
                "pickle df.local(), or write all rows with to_parquet"
            )
        from weft.construct import of_bytes, to_bytes

        return of_bytes, (to_bytes(self),)

    # -- over ranks ----------------------------------------------------------------------------------------------

    def local(self) -> DataFrame:
        """This rank's rows as an unbound frame. Local."""
        return self._wrap(self._table, None, self._index, self._rows)

    def bind(self, env: Env) -> DataFrame:
        """These rows as this rank's part of a frame over `env`. Local."""
        return self._wrap(self._table, choose_env("bind", env), self._index, self._rows)

    def total_rows(self) -> int:
        """Rows of all ranks. Collective on a bound frame."""
        env = choose_env("total_rows", None, self)
        return len(self) if env is None else _core.total_rows(self._table, env.session)

    def gather(self, root: int = 0) -> DataFrame:
        """All rows, by rank, as an unbound frame on rank `root`; an empty one elsewhere. Collective on a bound
        frame."""
        env = choose_env("gather", None, self)
        if not isinstance(root, int) or isinstance(root, bool) or root < 0:
            raise ValueError(f"{place(env)}gather: root={root!r} is no rank")
        if env is None:
            return self.of_same_rows(self._table)
        if root >= env.world_size:
            raise ValueError(f"{place(env)}gather: root={root!r} is no rank of a world of {env.world_size}")
        return self._wrap(_core.gather(self._table, env.session, root), None, self._index)

    def allgather(self) -> DataFrame:
        """All rows, by rank, as an unbound frame on every rank. Collective on a bound frame."""
        env = choose_env("allgather", None, self)
        if env is None:
            return self.of_same_rows(self._table)
        return self._wrap(_core.allgather(self._table, env.session), None, self._index)

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
        import pyarrow as pa

        table = self.to_arrow().replace_schema_metadata(None)
        frame = table.to_pandas()
        for name, type in zip(table.column_names, table.schema.types, strict=True):
            if pa.types.is_dictionary(type) and pa.types.is_timestamp(type.value_type) and type.value_type.tz:
                # Arrow (26) forgets the zone of categories.
                moments = frame[name].cat.categories.tz_localize("UTC")
                zone = pa.lib.string_to_tzinfo(type.value_type.tz)
                frame[name] = frame[name].cat.rename_categories(moments.tz_convert(zone))
        if self._index:
            frame = frame.set_index(list(self._index))
            frame.index.names = [arrow_input.index_label(name) for name in self._index]
        return frame

    def to_numpy(self, dtype: Any = None, copy: bool = False, na_value: Any = _NO_VALUE) -> numpy.ndarray[Any, Any]:
        """This rank's rows as an array of shape (rows, columns), without the index, of the type that holds all
        columns; or of `dtype`, with `na_value` for what is missing. One column of integers, floats or times without
        nulls, in one chunk, is shared with the array, which then is read-only, unless `copy` says otherwise."""
        from weft.tensors import frame_as_numpy

        shared = frame_as_numpy(self, dtype) if na_value is _NO_VALUE else None
        if shared is not None:
            return shared.copy() if copy and not shared.flags.owndata else shared
        more = {} if na_value is _NO_VALUE else {"na_value": na_value}
        frame = self._same.reset_index(drop=True).to_pandas()
        values: numpy.ndarray[Any, Any] = frame.to_numpy(dtype=dtype, copy=copy, **more)
        return values

    @property
    def values(self) -> numpy.ndarray[Any, Any]:
        """The same as `to_numpy()`."""
        return self.to_numpy()

    def to_polars(self) -> polars.DataFrame:
        """This rank's rows as a Polars frame, index columns first."""
        import polars

        return polars.DataFrame(self.to_arrow().replace_schema_metadata(None))

    def to_duckdb(self, connection: Any = None) -> Any:
        """This rank's rows as a DuckDB relation of `connection` (default: DuckDB's own), index columns first; no
        copy."""
        import duckdb

        return (connection or duckdb).from_arrow(self.to_arrow().replace_schema_metadata(None))

    def to_pydict(self) -> dict[str, list[Any]]:
        """This rank's rows as a dict of lists of Python values, index columns first."""
        found: dict[str, list[Any]] = self.to_arrow().to_pydict()
        return found

    def to_dict(self, orient: str = "dict", *, into: Any = dict, index: bool = True) -> Any:
        """This rank's rows as Python values in dicts.

        Parameters
        ----------
        orient
            ``"dict"``: {column: {label: value}}, ``"list"``: {column: [values]}, ``"series"``: {column: Series},
            ``"split"`` and ``"tight"``: lists of labels, columns and rows, ``"records"``: a list of rows {column:
            value}, ``"index"``: {label: {column: value}}. Labels are the index values; without an index, positions
            among this rank's rows.
        into
            The mapping to make: a class, or a ``defaultdict`` made as the wanted one.
        index
            Whether ``"split"`` and ``"tight"`` have labels.
        """
        from weft.exports import to_dict

        return to_dict(self._same, orient, into, index)

    def to_records(self, index: bool = True, column_dtypes: Any = None, index_dtypes: Any = None) -> Any:
        """This rank's rows as NumPy's record array."""
        return self.to_pandas().to_records(index=index, column_dtypes=column_dtypes, index_dtypes=index_dtypes)

    def iterrows(self) -> Iterator[tuple[Any, dict[str, Any]]]:
        """This rank's rows: label (without an index the position) and a dict of values by column."""
        from weft.exports import iterate_rows

        return iterate_rows(self._same)

    def itertuples(self, index: bool = True, name: str | None = "Pandas") -> Iterator[tuple[Any, ...]]:
        """This rank's rows as named tuples, the label first as ``Index`` unless `index` is False; plain tuples where
        `name` is None."""
        from weft.exports import iterate_tuples

        return iterate_tuples(self._same, index, name)

    def items(self) -> Iterator[tuple[str, Series]]:
        """Each column's name and the column."""
        return ((name, self._same[name]) for name in self.columns)

    def memory_usage(self, index: bool = True, deep: bool = False) -> dict[str, int]:
        """Bytes of this rank's rows by column, those of the index columns together as ``Index`` first. Always `deep`:
        buffers that columns share are counted for each."""
        from weft.exports import memory_of_columns

        of_index, of_columns = memory_of_columns(self)
        return ByColumn({**({"Index": of_index} if index else {}), **of_columns})

    def info(
        self,
        verbose: bool | None = None,
        buf: Any = None,
        max_cols: int | None = None,
        memory_usage: bool | str | None = None,
        show_counts: bool | None = None,
        *,
        whole: bool = False,
    ) -> None:
        """Prints rows, columns, types and memory of this rank's part; or, with `whole`, of all ranks', on rank 0,
        which is collective on a bound frame.

        Parameters
        ----------
        verbose
            Whether each column has a line; by default where there are at most `max_cols` (100).
        buf
            Where to write, by default standard output.
        memory_usage
            False leaves the bytes out.
        show_counts
            False leaves out how many values are not missing.
        """
        import pyarrow.compute as pc

        from weft.exports import print_info

        table = self._same.reset_index(drop=True).to_arrow()
        missing = [pc.sum(pc.is_null(column, nan_is_null=True)).as_py() or 0 for column in table.columns]
        facts = [[len(self)], [len(self) - count for count in missing], [self.nbytes]]
        env = choose_env("info", None, self) if whole else None
        if env is not None:
            of_ranks = [json.loads(text) for text in env.session.allgather_bytes(json.dumps(facts).encode())]
            if env.rank != 0:
                return
            facts = [
                [rows[0] for rows, _, _ in of_ranks],
                [sum(column) for column in zip(*(present for _, present, _ in of_ranks), strict=True)],
                [sum(size[0] for _, _, size in of_ranks)],
            ]
        print_info(
            self._same,
            facts[0],
            facts[1],
            facts[2][0],
            verbose=len(self.columns) <= (100 if max_cols is None else max_cols) if verbose is None else verbose,
            memory_usage=memory_usage is None or bool(memory_usage),
            counts=show_counts is not False,
            buf=buf,
        )
