"""`read_json` and `to_json`: JSON lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from weft import _core
from weft.arguments import place, refuse
from weft.csv_files import arrow_type
from weft.files import Paths, Sources, refuse_foreign, text_compression, write
from weft.frame import DataFrame

if TYPE_CHECKING:
    from weft.env import Env

__all__ = ["read_json", "write_json"]


def read_json(
    path_or_buf: Paths,
    *,
    orient: Literal["records"] | None = None,
    typ: Literal["frame"] = "frame",
    dtype: Mapping[str, Any] | None = None,
    convert_axes: None = None,
    convert_dates: bool | None = None,
    keep_default_dates: None = None,
    precise_float: bool = False,
    date_unit: None = None,
    encoding: Literal["utf-8"] | None = None,
    encoding_errors: str | None = "strict",
    lines: bool = False,
    chunksize: None = None,
    compression: str | None = "infer",
    nrows: None = None,
    storage_options: None = None,
    dtype_backend: None = None,
    engine: str = "ujson",
    split_bytes: int = 1 << 20,
    env: Env | None = None,
) -> DataFrame:
    """Reads JSON lines (``lines=True``, which must be given): an object a line, columns by the objects' names. With
    `env` it is collective and the frame is bound: large files are cut at lines into ranges of about the same number of
    bytes.

    Lists and objects within objects become lists and structs. Types are inferred from all rows of all ranks; a column
    that has numbers and texts is a TypeError. Texts stay texts, also where they look like dates.

    Parameters
    ----------
    path_or_buf
        As for `read_csv`; a directory means all ``*.jsonl``, ``*.json`` and ``*.ndjson`` below it.
    dtype
        Types of some columns.
    compression
        As for `read_csv`.
    split_bytes
        Files of at least this many bytes are cut.

    Raises
    ------
    FileNotFoundError, OSError
        Nothing is there, or a file cannot be read.
    ValueError
        A line that is no object of JSON, with the file and where.
    TypeError
        Two files or parts have different types in a column.
    """
    import pyarrow as pa

    sources = Sources(path_or_buf, env, "read_json")
    where = f"{place(sources.env)}read_json"
    if lines is not True:
        raise ValueError(f"{where}: lines={lines!r} is not taken; only JSON lines are read: lines=True")
    if orient not in (None, "records"):
        raise ValueError(f"{where}: orient={orient!r} is not taken; JSON lines are records")
    if dtype is not None and not isinstance(dtype, Mapping):
        raise ValueError(f"{where}: dtype={dtype!r} is not taken; it is a dict of types of some columns")
    if encoding not in (None, "utf-8", "utf8", "UTF-8"):
        raise ValueError(f"{where}: encoding={encoding!r} is not taken; JSON is UTF-8")
    refuse(
        where,
        typ=(typ, "frame", "take a column of the frame"),
        convert_axes=(convert_axes, None, "names stay names"),
        convert_dates=(convert_dates or None, None, "give dtype a timestamp"),
        keep_default_dates=(keep_default_dates, None, "give dtype a timestamp"),
        precise_float=(precise_float, False, "floats are exact"),
        date_unit=(date_unit, None, "give dtype a timestamp"),
        encoding_errors=(encoding_errors, "strict", "what does not fit is an error"),
        chunksize=(chunksize, None, "a frame is read at once"),
        nrows=(nrows, None, "use head"),
        engine=(engine, "ujson", "Weft has one"),
    )
    refuse_foreign(where, storage_options=storage_options, dtype_backend=dtype_backend)
    if compression not in ("infer", "gzip", "bz2", "zstd", "lz4", "none", None):
        raise ValueError(
            f"{where}: compression={compression!r} is not taken; it is infer, gzip, bz2, zstd, lz4 or None"
        )
    types = [pa.field(name, arrow_type(kind, f"{where}: dtype of {name!r}")) for name, kind in (dtype or {}).items()]
    table = _core.read_json(
        sources.paths,
        sources.session,
        own=sources.own,
        compression=compression or "none",
        types=pa.schema(types),
        split_bytes=int(split_bytes),
    )
    return DataFrame._wrap(table.with_metadata([], []), sources.env)


def write_json(frame: DataFrame, path: Any, compression: str | None, force_ascii: bool, overwrite: bool | None) -> None:
    """See `DataFrame.to_json`."""
    options = _core.WriteOptions()
    options.set_format("jsonl")
    options.compression = text_compression(frame, path, compression, "to_json")
    options.ascii = bool(force_ascii)
    write(frame, path, "to_json", overwrite, options)
