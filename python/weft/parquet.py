"""`read_parquet` and `to_parquet`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from weft import _core, arrow_input
from weft.arguments import find_all, one_of, place, refuse
from weft.files import Paths, Sources, column_names, lower_filter, refuse_foreign, write
from weft.frame import DataFrame

if TYPE_CHECKING:
    from weft.env import Env
    from weft.expression import Expression

__all__ = ["framed", "index_metadata", "read_parquet", "refuse_engine", "write_parquet"]


def read_parquet(
    path: Paths,
    engine: Literal["auto", "pyarrow"] = "auto",
    columns: Sequence[str] | None = None,
    storage_options: None = None,
    dtype_backend: None = None,
    filesystem: None = None,
    filters: Expression | list[Any] | None = None,
    to_pandas_kwargs: None = None,
    *,
    partitioning: Literal["hive"] | None = "hive",
    env: Env | None = None,
) -> DataFrame:
    """Reads Parquet files. With `env` it is collective: each rank reads its share of the row groups, and the frame is
    bound.

    Parameters
    ----------
    path
        A file, a glob (``"flights/*.parquet"``, ``**`` for any depth), a directory, ``s3://bucket/key``, a list of
        such, or a dict of ranks to these (each rank reads its own); all files must have the same columns and types. A
        file named ``_metadata`` stands for the files that it lists.
    columns
        The columns to read, in this order; those of the index come in any case.
    filters
        Only rows for which it is true: an expression of `weft.col`, or pandas' list of tuples. Row groups and
        directories that cannot have such are not read.
    partitioning
        ``"hive"``: directories such as ``year=2013`` are columns, of integers or text; they come last. None: their
        names mean nothing.

    Raises
    ------
    FileNotFoundError, OSError
        Nothing is there, or a file is broken: its name and where it broke.
    KeyError
        A column is not there.
    TypeError
        Files differ in a column's type.
    """
    sources = Sources(path, env, "read_parquet")
    where = f"{place(sources.env)}read_parquet"
    if engine not in ("auto", "pyarrow"):
        raise ValueError(f"{where}: engine={engine!r} is not taken; Weft has one")
    if partitioning not in ("hive", None):
        raise ValueError(f"{where}: partitioning={partitioning!r} is not taken; it is 'hive' or None")
    refuse_foreign(
        where, storage_options=storage_options, dtype_backend=dtype_backend, filesystem=filesystem,
        to_pandas_kwargs=to_pandas_kwargs,
    )  # fmt: skip
    table = _core.read_parquet(
        sources.paths,
        sources.session,
        own=sources.own,
        columns=column_names(columns, "read_parquet", "columns", place(sources.env)),
        filter=lower_filter(filters, "read_parquet", place(sources.env)),
        hive=partitioning == "hive",
    )
    return framed(table, sources.env)


def framed(table: _core.Table, env: Env | None) -> DataFrame:
    """The frame, with the index that the files' metadata names."""
    index = [name for name in arrow_input.index_names(table.metadata()) if name in table.column_names]
    frame = DataFrame._wrap(table.with_metadata([], []), env)
    return frame.set_index(index) if index else frame


def index_metadata(frame: DataFrame) -> dict[str, str]:
    """What tells Weft and pandas which columns of a file are the index."""
    if not frame.index_names:
        return {}
    columns = [
        {
            "name": arrow_input.index_label(name),
            "field_name": name,
            "pandas_type": "",
            "numpy_type": "object",
            "metadata": None,
        }
        for name in frame.index_names
    ]
    pandas = {"index_columns": list(frame.index_names), "column_indexes": [], "columns": columns}
    return {arrow_input.INDEX_KEY: json.dumps(list(frame.index_names)), "pandas": json.dumps(pandas)}


def write_parquet(
    frame: DataFrame,
    path: Any,
    compression: str | None,
    row_group_rows: int,
    partition_cols: Sequence[str] | str | None,
    metadata_file: bool,
    overwrite: bool | None,
) -> None:
    """See `DataFrame.to_parquet`."""
    where = f"{place(frame.env)}to_parquet"
    options = _core.WriteOptions()
    options.set_format("parquet")
    options.compression = one_of(
        frame.env,
        "to_parquet",
        "compression",
        compression or "none",
        ("snappy", "zstd", "gzip", "brotli", "lz4", "none"),
    )
    if not isinstance(row_group_rows, int) or isinstance(row_group_rows, bool) or row_group_rows < 1:
        raise ValueError(f"{where}: row_group_rows={row_group_rows!r} is not at least 1")
    options.row_group_rows = row_group_rows
    if partition_cols is not None:
        names = [partition_cols] if isinstance(partition_cols, str) else list(partition_cols)
        places = find_all(frame, names, "to_parquet: partition_cols")
        options.partition_columns = [frame.table.column_names[place] for place in places]
        inner = [name for name in frame.index_names if name in options.partition_columns]
        if inner:
            raise ValueError(f"{where}: partition_cols: {inner[0]!r} is in the index; use reset_index first")
    if metadata_file and frame.env is None and not options.partition_columns:
        raise ValueError(f"{where}: metadata_file=True is for a directory; a single file holds its own metadata")
    options.metadata_file = bool(metadata_file)
    write(frame, path, "to_parquet", overwrite, options, index_metadata(frame))


def refuse_engine(operation: str, engine: str) -> None:
    """Weft has one engine; pandas' name of it is taken."""
    if engine not in ("auto", "pyarrow"):
        refuse(operation, engine=(engine, "auto", "Weft has one"))
