"""`Rows`: what a frame is before any operator. The layers above it add operators, a topic each; `DataFrame` is last."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

from weft import _core, arrow_input
from weft.arguments import choose_env, place

if TYPE_CHECKING:
    import numpy
    import pandas
    import polars
    import pyarrow as pa

    from weft.env import Env
    from weft.frame import DataFrame

__all__ = ["Column", "Columns", "Rows"]

#: A column by name, or by position among those that are no index.
Column = str | int
#: One column or several.
Columns = Column | Sequence[Column]


class Rows:
    """A C++ table, the env it is bound to, the names of its index columns; and its exports."""

    __slots__ = ("_env", "_index", "_rows", "_table")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, data: Any = None, *, columns: Sequence[str] | None = None, env: Env | None = None) -> None:
        self._env = choose_env("weft.DataFrame", env)
        if isinstance(data, Rows):
            data = data._same if columns is None else data._same[list(columns)]
            self._table: _core.Table = data._table
            self._index: tuple[str, ...] = data._index
            self._rows: object = data._rows
        else:
            self._table, self._index = arrow_input.read({} if data is None else data, columns)
            self._rows = object()

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
        if env is None:
            return self.of_same_rows(self._table)
        if not isinstance(root, int) or isinstance(root, bool) or not 0 <= root < env.world_size:
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
        frame = self.to_arrow().replace_schema_metadata(None).to_pandas()
        if self._index:
            frame = frame.set_index(list(self._index))
            frame.index.names = [None if arrow_input.is_unnamed_index(name) else name for name in self._index]
        return frame

    def to_numpy(self) -> numpy.ndarray[Any, Any]:
        """This rank's rows as an array of shape (rows, columns), without the index, of the type that holds all
        columns."""
        values: numpy.ndarray[Any, Any] = self._same.reset_index(drop=True).to_pandas().to_numpy()
        return values

    def to_polars(self) -> polars.DataFrame:
        """This rank's rows as a Polars frame, index columns first."""
        import polars

        return polars.DataFrame(self.to_arrow().replace_schema_metadata(None))

    def to_dict(self) -> dict[str, list[Any]]:
        """This rank's rows as a dict of lists of Python values, index columns first (pandas' ``orient="list"``)."""
        found: dict[str, list[Any]] = self.to_arrow().to_pydict()
        return found
