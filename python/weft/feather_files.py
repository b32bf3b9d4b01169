"""Arrow's IPC format: `read_feather`, `read_ipc`, `to_feather`, `to_ipc`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from weft import _core
from weft.arguments import place, refuse
from weft.files import Paths, Sources, column_names, lower_filter, refuse_foreign, write
from weft.frame import DataFrame
from weft.parquet import framed, index_metadata

if TYPE_CHECKING:
    from weft.env import Env
    from weft.expression import Expression

__all__ = ["read_feather", "read_ipc", "write_ipc"]


def read_feather(
    path: Paths,
    columns: Sequence[str] | None = None,
    use_threads: bool = True,
    storage_options: None = None,
    dtype_backend: None = None,
    *,
    filters: Expression | list[Any] | None = None,
    env: Env | None = None,
) -> DataFrame:
    """Reads Feather files (of version 2, which is Arrow's IPC file format). As `read_ipc`, with pandas' arguments."""
    refuse("read_feather", use_threads=(use_threads, True, "weft.init(threads=) says how many"))
    refuse_foreign("read_feather", storage_options=storage_options, dtype_backend=dtype_backend)
    return _read(path, columns, filters, env, "read_feather")


def read_ipc(
    path: Paths,
    *,
    columns: Sequence[str] | None = None,
    filters: Expression | list[Any] | None = None,
    env: Env | None = None,
) -> DataFrame:
    """Reads Arrow IPC files and streams. With `env` it is collective: record batches are shared out over the ranks,
    those on a border cut by rows (a stream is one rank's), and the frame is bound.

    Parameters
    ----------
    path
        As for `read_parquet`; a directory means all ``*.feather``, ``*.arrow``, ``*.arrows`` and ``*.ipc`` below it.
        All files must have the same columns and types.
    columns
        The columns to read, in this order.
    filters
        Only rows for which it is true.

    Raises
    ------
    FileNotFoundError, OSError
        Nothing is there, or a file is broken.
    KeyError
        A column is not there.
    TypeError
        Files differ in columns or types.
    """
    return _read(path, columns, filters, env, "read_ipc")


def _read(path: Any, columns: Any, filters: Any, env: Env | None, operation: str) -> DataFrame:
    sources = Sources(path, env, operation)
    where = place(sources.env)
    table = _core.read_ipc(
        sources.paths,
        sources.session,
        own=sources.own,
        columns=column_names(columns, operation, "columns", where),
        filter=lower_filter(filters, operation, where),
    )
    return framed(table, sources.env)


def write_ipc(
    frame: DataFrame, path: Any, operation: str, format: str, compression: Any, chunksize: int, overwrite: bool | None
) -> None:
    """See `DataFrame.to_feather` and `DataFrame.to_ipc`."""
    where = f"{place(frame.env)}{operation}"
    if compression not in ("lz4", "zstd", "uncompressed", None):
        raise ValueError(f"{where}: compression={compression!r} is unknown; it is one of lz4, zstd, uncompressed")
    if not isinstance(chunksize, int) or isinstance(chunksize, bool) or chunksize < 1:
        raise ValueError(f"{where}: chunksize={chunksize!r} is not at least 1")
    options = _core.WriteOptions()
    options.set_format(format)
    options.compression = "none" if compression in ("uncompressed", None) else compression
    options.row_group_rows = chunksize
    write(frame, path, operation, overwrite, options, index_metadata(frame))
