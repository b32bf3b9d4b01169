"""Reading and writing files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from weft import _core, arrow_input
from weft.arguments import choose_env, one_of, place, refuse
from weft.expression import Expression
from weft.frame import DataFrame

if TYPE_CHECKING:
    import pyarrow as pa

    from weft.env import Env

__all__ = ["read_csv", "read_parquet", "write_csv", "write_parquet"]

#: One path, or several.
Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def _paths(path: Any, operation: str) -> list[str]:
    listed = list(path) if isinstance(path, list | tuple) else [path]
    if not listed:
        raise ValueError(f"{operation}: the list of paths is empty")
    for one in listed:
        if not isinstance(one, str | os.PathLike):
            raise TypeError(f"{operation}: a path is a text or a pathlib.Path, not {type(one).__name__}")
    return [os.fspath(one) for one in listed]


def _names(columns: Any, operation: str, argument: str) -> list[str]:
    if columns is None:
        return []
    if isinstance(columns, str) or not all(isinstance(name, str) for name in columns):
        raise TypeError(f"{operation}: {argument} is a list of column names")
    if not list(columns):
        raise ValueError(f"{operation}: {argument} is empty; leave it out to read all columns")
    return list(columns)


def _filter(filters: Any, operation: str) -> _core.Expression | None:
    if filters is None:
        return None
    if not isinstance(filters, Expression):
        raise TypeError(f"{operation}: filters is an expression of weft.col, not {type(filters).__name__}")
    return filters.lower(as_filter=True)


def read_parquet(
    path: Paths,
    *,
    columns: Sequence[str] | None = None,
    filters: Expression | None = None,
    engine: str = "auto",
    env: Env | None = None,
) -> DataFrame:
    """Reads Parquet files. With `env` it is collective: each rank reads its share of the row groups, and the frame is
    bound.

    Parameters
    ----------
    path
        A file, a glob (``"flights/*.parquet"``, ``**`` for any depth), a directory, ``s3://bucket/key``, or a list of
        such; all files must have the same columns and types.
    columns
        The columns to read, in this order.
    filters
        Only rows for which it is true; row groups that cannot have such are not read.

    Raises
    ------
    FileNotFoundError, OSError
        Nothing is there, or a file is broken: its name and where it broke.
    KeyError
        A column is not there.
    TypeError
        Files differ in a column's type.
    """
    refuse("read_parquet", engine=(engine, "auto", "Weft has one"))
    chosen = choose_env("read_parquet", env)
    table = _core.read_parquet(
        _paths(path, "read_parquet"),
        None if chosen is None else chosen.session,
        columns=_names(columns, "read_parquet", "columns"),
        filter=_filter(filters, "read_parquet"),
    )
    return _made(table, chosen)


def _made(table: _core.Table, env: Env | None) -> DataFrame:
    """The frame, with the index that the files' metadata names."""
    index = [name for name in arrow_input.index_names(table.metadata()) if name in table.column_names]
    frame = DataFrame._wrap(table.with_metadata([], []), env)
    return frame.set_index(index) if index else frame


def read_csv(
    path: Paths,
    sep: str = ",",
    *,
    header: Literal["infer", 0] | None = "infer",
    names: Sequence[str] | None = None,
    usecols: Sequence[str] | None = None,
    dtype: Mapping[str, Any] | None = None,
    na_values: str | Sequence[str] | None = None,
    keep_default_na: bool = True,
    quotechar: str = '"',
    filters: Expression | None = None,
    env: Env | None = None,
) -> DataFrame:
    """Reads CSV files. With `env` it is collective: each rank reads whole files, about the same number of bytes, and
    the frame is bound. Types are inferred from all rows and made to agree between ranks.

    Parameters
    ----------
    path
        As for `read_parquet`.
    sep, quotechar
        One character each.
    header
        ``"infer"``: the first line, unless `names` are given. None: there is none.
    names
        Names of the columns.
    usecols
        The columns to read, in this order.
    dtype
        Types of some columns: Arrow types or their names, such as ``"int32"``.
    na_values
        Texts that are missing values, besides pandas' list.
    keep_default_na
        Whether pandas' list counts.
    filters
        Only rows for which it is true.

    Raises
    ------
    FileNotFoundError, OSError
        Nothing is there, or a file cannot be read.
    ValueError
        A broken line: file, line and cause.
    KeyError
        A column is not there.
    """
    import pyarrow as pa

    chosen = choose_env("read_csv", env)
    where = place(chosen)
    for name, value in (("sep", sep), ("quotechar", quotechar)):
        if not isinstance(value, str) or len(value) != 1 or ord(value) > 127:
            raise ValueError(f"{where}read_csv: {name}={value!r} is not one ASCII character")
    if header not in ("infer", 0, None) or isinstance(header, bool):
        raise ValueError(f"{where}read_csv: header={header!r} is not taken; it is 'infer', 0 or None")
    if header is None and names is None:
        raise ValueError(f"{where}read_csv: header=None needs names")
    fields: list[pa.Field] = []
    for name, kind in (dtype or {}).items():
        try:
            fields.append(pa.field(name, pa.type_for_alias(kind) if isinstance(kind, str) else kind))
        except (TypeError, ValueError) as problem:
            raise TypeError(f"{where}read_csv: dtype of {name!r}: {kind!r} is no Arrow type: {problem}") from None
    table = _core.read_csv(
        _paths(path, "read_csv"),
        None if chosen is None else chosen.session,
        columns=_names(usecols, "read_csv", "usecols"),
        filter=_filter(filters, "read_csv"),
        delimiter=sep,
        quote=quotechar,
        names=_names(names, "read_csv", "names"),
        header=header == 0 or (header == "infer" and names is None),
        null_values=[na_values] if isinstance(na_values, str) else list(na_values or []),
        default_null_values=bool(keep_default_na),
        types=pa.schema(fields),
    )
    return DataFrame._wrap(table.with_metadata([], []), chosen)


def _write(frame: DataFrame, path: Any, operation: str, overwrite: bool | None, **options: Any) -> None:
    env = choose_env(operation, None, frame)
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"{place(env)}{operation}: a path is a text or a pathlib.Path, not {type(path).__name__}")
    session = None if env is None else env.session
    # pandas replaces a file; a directory, which may hold anything, is only replaced when asked to.
    replace = env is None if overwrite is None else bool(overwrite)
    _core.write(frame._with_metadata(), session, os.fspath(path), overwrite=replace, **options)


def write_parquet(
    frame: DataFrame, path: Any, compression: str | None, row_group_rows: int, overwrite: bool | None
) -> None:
    """See `DataFrame.to_parquet`."""
    chosen = one_of(frame.env, "to_parquet", "compression", compression or "none", ("snappy", "zstd", "gzip", "none"))
    if not isinstance(row_group_rows, int) or row_group_rows < 1:
        raise ValueError(f"{place(frame.env)}to_parquet: row_group_rows={row_group_rows!r} is not at least 1")
    _write(
        frame, path, "to_parquet", format="parquet", compression=chosen, row_group_rows=row_group_rows, delimiter=",",
        header=True, overwrite=overwrite,
    )  # fmt: skip


def write_csv(
    frame: DataFrame, path: Any, sep: str, header: bool, compression: str | None, overwrite: bool | None
) -> None:
    """See `DataFrame.to_csv`."""
    chosen = one_of(frame.env, "to_csv", "compression", compression or "none", ("gzip", "none"))
    if not isinstance(sep, str) or len(sep) != 1 or ord(sep) > 127:
        raise ValueError(f"{place(frame.env)}to_csv: sep={sep!r} is not one ASCII character")
    _write(
        frame, path, "to_csv", format="csv", compression=chosen, row_group_rows=1 << 20, delimiter=sep,
        header=bool(header), overwrite=overwrite,
    )  # fmt: skip
