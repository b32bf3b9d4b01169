"""`read_csv` and `to_csv`."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from weft import _core
from weft.arguments import place, refuse
from weft.arrow_input import index_label
from weft.files import Paths, Sources, lower_filter, refuse_foreign, text_compression, write
from weft.frame import DataFrame

if TYPE_CHECKING:
    import pyarrow as pa

    from weft.env import Env
    from weft.expression import Expression

__all__ = ["read_csv", "write_csv"]


def _character(value: Any, name: str, where: str) -> str:
    if not isinstance(value, str) or len(value) != 1 or not 0 < ord(value) < 128:
        raise ValueError(f"{where}: {name}={value!r} is not one ASCII character")
    return value


def _count(value: Any, name: str, where: str) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not hasattr(value, "__index__") or int(value) < 0:
        raise ValueError(f"{where}: {name}={value!r} is not taken; it is a number of lines, at least 0")
    return int(value)


def arrow_type(kind: Any, where: str) -> pa.DataType:
    """The Arrow type that pandas' `kind` means: a type of Arrow, NumPy or Python, or a name."""
    import numpy
    import pyarrow as pa

    if isinstance(kind, pa.DataType):
        return kind
    by_type = {
        int: pa.int64(),
        float: pa.float64(),
        str: pa.string(),
        bool: pa.bool_(),
        object: pa.string(),
        bytes: pa.binary(),
    }
    if isinstance(kind, type) and kind in by_type:
        return by_type[kind]
    name = kind if isinstance(kind, str) else getattr(kind, "name", None)
    by_name = {
        "int": pa.int64(), "float": pa.float64(), "double": pa.float64(), "str": pa.string(), "string": pa.string(),
        "object": pa.string(), "bool": pa.bool_(), "boolean": pa.bool_(),
        "category": pa.dictionary(pa.int32(), pa.string()),
    }  # fmt: skip
    try:
        if isinstance(name, str):
            if name in by_name:
                return by_name[name]
            # pandas' nullable types: Int64, Float32.
            return pa.type_for_alias(name.lower() if name[:1] in "IUF" else name)
        return pa.from_numpy_dtype(numpy.dtype(kind))
    except (TypeError, ValueError, NotImplementedError) as problem:
        raise TypeError(f"{where}: {kind!r} is no type of Arrow, NumPy or Python: {problem}") from None


def _types(dtype: Any, where: str) -> pa.Schema | None:
    import pyarrow as pa

    if dtype is None:
        return None
    if not isinstance(dtype, Mapping):
        return pa.schema([pa.field("", arrow_type(dtype, f"{where}: dtype"))])
    return pa.schema([pa.field(name, arrow_type(kind, f"{where}: dtype of {name!r}")) for name, kind in dtype.items()])


def _null_values(na_values: Any, where: str) -> list[str]:
    if isinstance(na_values, Mapping):
        raise ValueError(f"{where}: na_values as a dict is not taken; give one list for all columns")
    texts: list[str] = []
    for value in [na_values] if isinstance(na_values, str | int | float) else list(na_values or []):
        texts.append(str(value))
        if isinstance(value, int | float) and not isinstance(value, bool) and float(value).is_integer():
            texts.extend([str(int(value)), str(float(value))])
    return texts


def _encoding(encoding: str | None, where: str) -> str:
    try:
        return codecs.lookup(encoding or "utf-8").name
    except LookupError:
        raise ValueError(f"{where}: encoding={encoding!r} is unknown") from None


def _read(
    sources: Sources, columns: list[str], filter: _core.Expression | None, options: _core.CsvOptions, where: str
) -> _core.Table:
    """The table; a name in the header that is not UTF-8, which neither Python's texts nor an error can hold, is a
    ValueError."""
    try:
        table = _core.read_csv(
            sources.paths, sources.session, own=sources.own, columns=columns, filter=filter, options=options
        )
        if table.column_names:
            return table
    except (RuntimeError, UnicodeDecodeError) as problem:
        if isinstance(problem, RuntimeError) and "conversion error" not in str(problem):
            raise
        paths = sources.paths
        files = ", ".join(map(repr, paths[:3])) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
        raise ValueError(
            f"{where}: file {files}: names in the header are not UTF-8; give its encoding=, such as 'latin-1'"
        ) from None
    return table


def _split_names(columns: Any, name: str, where: str) -> tuple[list[str], list[int]]:
    """Columns named by text and those named by position; all of one kind."""
    if isinstance(columns, str) or callable(columns) or not hasattr(columns, "__iter__"):
        raise ValueError(f"{where}: {name}={columns!r} is not taken; it is a list of column names or of positions")
    listed = list(columns)
    if all(isinstance(one, str) for one in listed):
        return listed, []
    if all(hasattr(one, "__index__") and not isinstance(one, bool) for one in listed):
        return [], [int(one) for one in listed]
    raise ValueError(f"{where}: {name}={listed!r} must be all names or all positions")


def _set_header(options: _core.CsvOptions, header: Any, names: Any, where: str) -> None:
    if isinstance(header, bool):
        raise TypeError(f"{where}: header={header!r} is not taken; it is 'infer', None or the number of a line")
    if header is not None and header != "infer" and not hasattr(header, "__index__"):
        raise ValueError(f"{where}: header={header!r} is not taken; it is 'infer', None or the number of one line")
    options.names = [str(name) for name in names] if names is not None else []
    if len(set(options.names)) != len(options.names):
        raise ValueError(f"{where}: names has a name twice: {options.names!r}")
    options.header = header is not None and not (header == "infer" and names is not None)
    options.header_row = _count(header, "header", where) if options.header and header != "infer" else 0


def _set_index_and_times(
    options: _core.CsvOptions, index_col: Any, parse_dates: Any, usecols: Any, where: str
) -> list[str | int]:
    """The columns of the index; sets those that are timestamps."""
    index: list[str | int] = []
    if index_col is not None and index_col is not False:
        listed = list(index_col) if isinstance(index_col, list | tuple) else [index_col]
        for one in listed:
            if isinstance(one, bool) or not (isinstance(one, str) or hasattr(one, "__index__")):
                raise ValueError(f"{where}: index_col={index_col!r} is not taken; it is a name, a position or a list")
        index = [one if isinstance(one, str) else int(one) for one in listed]
    if isinstance(parse_dates, bool) or parse_dates is None:
        times: Any = index if parse_dates else []
    else:
        if isinstance(parse_dates, Mapping) or any(isinstance(one, list | tuple) for one in parse_dates):
            raise ValueError(f"{where}: parse_dates={parse_dates!r} is not taken; it is True or a list of columns")
        times = parse_dates
    options.times, options.time_positions = _split_names(times, "parse_dates", where)
    if options.time_positions and usecols is not None:
        raise ValueError(f"{where}: with usecols name the columns of parse_dates (or index_col), not their positions")
    return index


def read_csv(
    filepath_or_buffer: Paths,
    *,
    sep: str | None = None,
    delimiter: str | None = None,
    header: int | Literal["infer"] | None = "infer",
    names: Sequence[Hashable] | None = None,
    index_col: str | int | Sequence[str | int] | Literal[False] | None = None,
    usecols: Sequence[str] | Sequence[int] | None = None,
    dtype: Any = None,
    engine: Literal["c"] | None = None,
    converters: None = None,
    true_values: Sequence[str] | None = None,
    false_values: Sequence[str] | None = None,
    skipinitialspace: bool = False,
    skiprows: int | None = None,
    skipfooter: int = 0,
    nrows: int | None = None,
    na_values: Any = None,
    keep_default_na: bool = True,
    na_filter: bool = True,
    skip_blank_lines: bool = True,
    parse_dates: bool | Sequence[str] | Sequence[int] | None = None,
    date_format: None = None,
    dayfirst: bool = False,
    cache_dates: bool = True,
    iterator: bool = False,
    chunksize: None = None,
    compression: str | None = "infer",
    thousands: str | None = None,
    decimal: str = ".",
    lineterminator: None = None,
    quotechar: str = '"',
    quoting: int = 0,
    doublequote: bool = True,
    escapechar: None = None,
    comment: None = None,
    encoding: str | None = None,
    encoding_errors: str | None = "strict",
    dialect: None = None,
    on_bad_lines: str = "error",
    low_memory: bool = True,
    memory_map: bool = False,
    float_precision: Literal["round_trip"] | None = None,
    storage_options: None = None,
    dtype_backend: None = None,
    filters: Expression | list[Any] | None = None,
    split_bytes: int = 1 << 20,
    env: Env | None = None,
) -> DataFrame:
    """Reads CSV files. With `env` it is collective and the frame is bound: large files are cut at records into ranges
    of about the same number of bytes, compressed ones and such that are not UTF-8 are read whole. Types are inferred
    from all rows of all ranks, as pandas infers them, but missing integers and bools stay integers and bools.

    Parameters
    ----------
    filepath_or_buffer
        A file, a glob, a directory, ``s3://bucket/key``, a list of such, or a dict of ranks to these (each rank reads
        its own, whole). Options are each file's.
    sep, delimiter, quotechar, decimal, thousands
        One character each; `delimiter` is another name of `sep`.
    header
        The number of the line with the names, blank lines not counted. ``"infer"``: 0, unless `names` are given. None:
        there is none, and columns are called "0", "1" and so on.
    names
        Names of all columns.
    index_col
        The columns that become the index: names, or positions among the columns that are read.
    usecols
        The columns to read: names or positions; they come in the files' order.
    dtype
        The type of all columns, or a dict of types of some: Arrow's, NumPy's, Python's or their names, ``"category"``.
    true_values, false_values
        Texts that are bools, besides "true" and "false" in any case.
    skiprows
        Lines to leave out at the beginning.
    nrows
        Read so many rows in all; rank 0 reads them.
    na_values, keep_default_na, na_filter
        Texts that are missing values; whether pandas' list and the empty text are; whether any is.
    parse_dates
        Columns (True: the index) that become timestamps if all their texts are as ISO 8601 has them; such with an
        offset become UTC.
    compression
        ``"infer"`` (by the extension), ``"gzip"``, ``"bz2"``, ``"zstd"``, ``"lz4"`` or None.
    encoding
        Any that the system knows.
    filters
        Only rows for which it is true: an expression of `weft.col`, or pandas' list of tuples.
    split_bytes
        Files of at least this many bytes are cut.

    Raises
    ------
    FileNotFoundError, OSError
        Nothing is there, or a file cannot be read.
    ValueError
        A broken line: file, line and cause. An argument that is not taken.
    KeyError
        A column is not there.
    """
    sources = Sources(filepath_or_buffer, env, "read_csv")
    where = f"{place(sources.env)}read_csv"
    refuse(
        where,
        converters=(converters, None, "read the text with dtype=str and assign"),
        skipinitialspace=(skipinitialspace, False, "numbers may have spaces around them; strip texts afterwards"),
        skipfooter=(skipfooter, 0, "cut the rows off afterwards"),
        skip_blank_lines=(skip_blank_lines, True, "blank lines are no rows"),
        date_format=(date_format, None, "dates are ISO 8601"),
        dayfirst=(dayfirst, False, "dates are ISO 8601"),
        cache_dates=(cache_dates, True, "there is no cache"),
        iterator=(iterator, False, "a frame is read at once"),
        chunksize=(chunksize, None, "a frame is read at once"),
        lineterminator=(lineterminator, None, "lines end with \\n, \\r\\n or \\r"),
        doublequote=(doublequote, True, "two quotes within quotes are one"),
        escapechar=(escapechar, None, "quote the field instead"),
        comment=(comment, None, "leave lines out with skiprows"),
        encoding_errors=(encoding_errors, "strict", "what does not fit is an error; dtype=bytes keeps any bytes"),
        dialect=(dialect, None, "give sep and quotechar"),
        on_bad_lines=(on_bad_lines, "error", "a broken line is an error"),
        low_memory=(low_memory, True, "types are inferred from all rows"),
        memory_map=(memory_map, False, "files are read"),
    )
    refuse_foreign(where, storage_options=storage_options, dtype_backend=dtype_backend)
    for name, value, taken in (
        ("engine", engine, (None, "c")),
        ("float_precision", float_precision, (None, "round_trip")),
        ("quoting", quoting, (0, 1)),
    ):
        if value not in taken:
            raise ValueError(f"{where}: {name}={value!r} is not taken; there is one way to read")
    if sep is not None and delimiter is not None:
        raise ValueError(f"{where}: sep and delimiter are one argument; give one of them")
    options = _core.CsvOptions()
    options.delimiter = _character(sep or delimiter or ",", "sep", where)
    options.quote = _character(quotechar, "quotechar", where)
    options.decimal = _character(decimal, "decimal", where)
    if thousands is not None:
        options.thousands = _character(thousands, "thousands", where)
    _set_header(options, header, names, where)
    if skiprows is not None:
        options.skip_rows = _count(skiprows, "skiprows", where)
    if nrows is not None:
        options.max_rows = _count(nrows, "nrows", where)
        if sources.own:
            raise ValueError(f"{where}: nrows is not taken with a dict of ranks to paths; use head")
    chosen: list[str] = []
    if usecols is not None:
        chosen, options.positions = _split_names(usecols, "usecols", where)
        if not chosen and not options.positions:
            raise ValueError(f"{where}: usecols is empty; leave it out to read all columns")
    index = _set_index_and_times(options, index_col, parse_dates, usecols, where)
    types = _types(dtype, where)
    if types is not None:
        options.set_types(types)
    options.null_values = _null_values(na_values, where) if na_filter else []
    options.default_null_values = bool(keep_default_na and na_filter)
    options.true_values = [str(value) for value in true_values or []]
    options.false_values = [str(value) for value in false_values or []]
    if compression not in ("infer", "gzip", "bz2", "zstd", "lz4", "none", None):
        raise ValueError(
            f"{where}: compression={compression!r} is not taken; it is infer, gzip, bz2, zstd, lz4 or None"
        )
    options.compression = compression or "none"
    options.encoding = _encoding(encoding, where)
    options.split_bytes = int(split_bytes)
    table = _read(sources, chosen, lower_filter(filters, "read_csv", place(sources.env)), options, where)
    frame = DataFrame._wrap(table.with_metadata([], []), sources.env)
    if not index:
        return frame
    columns = frame.columns
    for one in index:
        if isinstance(one, int) and not -len(columns) <= one < len(columns):
            raise KeyError(f"{where}: index_col={one}: there is no column at this position; there are {len(columns)}")
        if isinstance(one, str) and one not in columns:
            raise KeyError(f"{where}: index_col={one!r}: there is no such column among {columns}")
    return frame.set_index([columns[one] if isinstance(one, int) else one for one in index])


def write_csv(
    frame: DataFrame,
    path: Any,
    sep: str,
    na_rep: str,
    float_format: Any,
    header: bool | Sequence[str],
    encoding: str | None,
    compression: str | None,
    quoting: int | None,
    quotechar: str,
    lineterminator: str | None,
    overwrite: bool | None,
) -> None:
    """See `DataFrame.to_csv`."""
    where = f"{place(frame.env)}to_csv"
    options = _core.WriteOptions()
    options.set_format("csv")
    options.delimiter = _character(sep, "sep", where)
    options.quote = _character(quotechar, "quotechar", where)
    if not isinstance(na_rep, str):
        raise TypeError(f"{where}: na_rep={na_rep!r} is no text")
    options.null_text = na_rep
    if float_format is not None:
        if not isinstance(float_format, str) or not re.fullmatch(r"%[-+ 0#]*\d{0,2}(\.\d{0,2})?[eEfFgG]", float_format):
            raise ValueError(f"{where}: float_format={float_format!r} is not taken; it is like '%.3f'")
        options.float_format = float_format
    if encoding is not None and _encoding(encoding, where) != "utf-8":
        raise ValueError(f"{where}: encoding={encoding!r} is not taken; files are written as UTF-8")
    if lineterminator not in (None, "\n"):
        raise ValueError(f"{where}: lineterminator={lineterminator!r} is not taken; lines end with \\n")
    kinds = {
        csv.QUOTE_MINIMAL: _core.CsvQuoting.MINIMAL,
        csv.QUOTE_ALL: _core.CsvQuoting.ALL,
        csv.QUOTE_NONNUMERIC: _core.CsvQuoting.NOT_NUMBERS,
    }
    if quoting is not None and quoting not in kinds:
        raise ValueError(
            f"{where}: quoting={quoting!r} is not taken; it is csv.QUOTE_MINIMAL, QUOTE_ALL or QUOTE_NONNUMERIC"
        )
    options.quoting = kinds[quoting or csv.QUOTE_MINIMAL]
    index = [index_label(name) or name for name in frame.index_names]
    if isinstance(header, list | tuple):
        if len(header) != len(frame.columns):
            raise ValueError(f"{where}: header has {len(header)} names for {len(frame.columns)} columns")
        options.header_names = [*index, *(str(name) for name in header)]
    elif header in (True, False):
        options.header = bool(header)
        if header and index != list(frame.index_names):
            options.header_names = [*index, *frame.columns]
    else:
        raise ValueError(f"{where}: header={header!r} is not taken; it is True, False or a list of names")
    options.compression = text_compression(frame, path, compression, "to_csv")
    write(frame, path, "to_csv", overwrite, options)
