"""The door for data: anything Arrow-like, NumPy, pandas or a dict becomes a `_core.Table` of plain types."""

from __future__ import annotations

import datetime
import itertools
import json
import sys
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from weft import _core

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "INDEX_KEY",
    "UNNAMED_INDEX",
    "doubled_index",
    "index_label",
    "index_names",
    "is_unnamed_index",
    "plain_index",
    "read",
    "unnamed_level",
]

#: Key of the schema's metadata under which the names of the index columns lie, as a JSON list.
INDEX_KEY = "weft.index"

#: What an index without a name is called, here and in pandas' Arrow form.
UNNAMED_INDEX = "__index_level_0__"
_DOUBLED = "__index_named_"


def index_names(metadata: Mapping[str, str]) -> list[str]:
    """The index columns that a schema's metadata names: Weft's own, else those of pandas."""
    if INDEX_KEY in metadata:
        return [str(name) for name in json.loads(metadata[INDEX_KEY])]
    if "pandas" not in metadata:
        return []
    # A RangeIndex is described by a dict: it has no column, and Weft's rows go by position anyway.
    columns = json.loads(metadata["pandas"]).get("index_columns", [])
    return [name for name in columns if isinstance(name, str)]


def is_unnamed_index(name: str) -> bool:
    """Whether `name` is what an index without a name is called by pandas' Arrow form."""
    return name.startswith("__index_level_") and name.endswith("__")


def doubled_index(name: str) -> str:
    """What an index column is called in the table whose name a column has, too."""
    return f"{_DOUBLED}{name}__"


def index_label(name: str) -> str | None:
    """The name of an index column as users see it; None for one without a name."""
    if is_unnamed_index(name):
        return None
    doubled = name.startswith(_DOUBLED) and name.endswith("__")
    return name[len(_DOUBLED) : -2] if doubled else name


def plain_index(index: Sequence[str], columns: Sequence[str]) -> list[str]:
    """Index columns as the table calls them beside these columns: by their own names where no column has them."""
    made = []
    for name in index:
        label = index_label(name)
        made.append(name if label is None or label in columns else label)
    return made


def unnamed_level(taken: Sequence[str]) -> str:
    """What one more index column without a name is called, beside those that are `taken`."""
    number = sum(is_unnamed_index(name) for name in taken)
    while f"__index_level_{number}__" in taken:
        number += 1
    return f"__index_level_{number}__"


def read(
    data: Any, columns: Sequence[Any] | None = None, index: Any = None, dtype: Any = None
) -> tuple[_core.Table, tuple[str, ...]]:
    """The table, its index columns first, and their names."""
    import pyarrow as pa

    table = _to_arrow(data, None if columns is None else [str(name) for name in columns])
    if dtype is not None:
        table = _cast(table, dtype)
    if index is not None:
        table = _with_index(table, index)
    schema_metadata = {
        key.decode(): value.decode()
        for key, value in (table.schema.metadata or {}).items()
        if key in (b"pandas", INDEX_KEY.encode())
    }
    index = tuple(name for name in index_names(schema_metadata) if name in table.column_names)
    if len(set(table.column_names)) != len(table.column_names):
        twice = sorted({name for name in table.column_names if table.column_names.count(name) > 1})
        raise ValueError(f"weft.DataFrame: column names are there twice: {', '.join(map(repr, twice))}")
    if index and tuple(table.column_names[: len(index)]) != index:
        table = table.select([*index, *(name for name in table.column_names if name not in index)])
    arrays = [_plain(table.column(i), table.field(i)) for i in range(table.num_columns)]
    for name, array in zip(table.column_names, arrays, strict=True):
        _tell_of_order(name, array)
    if table.num_columns:
        fields = [pa.field(table.field(i).name, array.type, nullable=True) for i, array in enumerate(arrays)]
        table = pa.Table.from_arrays(arrays, schema=pa.schema(fields))
    return _core.Table.from_stream(table.replace_schema_metadata(None)), index


def _to_arrow(data: Any, columns: Sequence[str] | None) -> pa.Table:
    import pyarrow as pa

    try:
        if isinstance(data, Mapping):
            if columns and not data:
                # Names alone.
                return pa.table({name: pa.nulls(0) for name in columns})
            return _pick(_from_dict(data), columns)
        pandas = sys.modules.get("pandas")
        if pandas is not None and isinstance(data, pandas.DataFrame):
            return _pick(_from_pandas(data), columns)
        if pandas is not None and isinstance(data, pandas.Series):
            return _from_pandas(data.to_frame("0" if data.name is None else data.name))
        if pandas is not None and isinstance(data, pandas.Index | pandas.api.extensions.ExtensionArray):
            return _from_pandas(pandas.Series(data).to_frame(columns[0] if columns else "0"))
        numpy = sys.modules.get("numpy")
        if numpy is not None and isinstance(data, numpy.ndarray):
            return _from_numpy(data, columns)
        if isinstance(data, list | tuple) or (hasattr(data, "__next__") and not hasattr(data, "__arrow_c_stream__")):
            return _from_list(list(data), columns)
        if hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__"):
            return _from_stream(data, columns)
        if hasattr(data, "to_arrow_table"):
            # A DuckDB relation.
            return _pick(data.to_arrow_table(), columns)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as problem:
        raise TypeError(f"weft.DataFrame: the data cannot be taken: {problem}") from None
    raise TypeError(
        f"weft.DataFrame takes a dict of columns, a list of rows, a pandas, NumPy or Polars table, or anything with "
        f"__arrow_c_stream__, not {type(data).__name__}"
    )


def _refuse_polars(data: Any) -> None:
    """Polars gives the addresses of Python's objects away, and its long integers in a type that is not Arrow's."""
    polars = sys.modules.get("polars")
    if polars is None or not isinstance(data, polars.DataFrame | polars.Series):
        return
    for column in [data] if isinstance(data, polars.Series) else data.get_columns():
        if str(column.dtype) in ("Object", "Int128", "UInt128"):
            raise TypeError(
                f"weft.DataFrame: column {column.name!r} of Polars' type {column.dtype} is not taken; make it text or "
                "a decimal first"
            )


def _from_stream(data: Any, columns: Sequence[str] | None) -> pa.Table:
    """A table, or what has no columns of its own: an array, which becomes one column."""
    import pyarrow as pa

    _refuse_polars(data)

    if isinstance(data, pa.Table | pa.RecordBatch):
        return _pick(pa.table(data), columns)
    from weft.series import Series

    if isinstance(data, Series):
        return _pick(data.to_frame().to_arrow(), columns)
    if isinstance(data, pa.Array | pa.ChunkedArray):
        return _from_columns([data], columns)
    try:
        return _pick(pa.table(data), columns)
    except pa.ArrowInvalid as problem:
        if "non-struct" not in str(problem):
            raise
        # One column, which a Polars series names.
        name = getattr(data, "name", None)
        return _from_columns([data], [str(name)] if columns is None and name else columns)


def _from_columns(arrays: Sequence[Any], columns: Sequence[str] | None) -> pa.Table:
    import pyarrow as pa

    chunked = [_column(array) for array in arrays]
    names = [str(i) for i in range(len(chunked))] if columns is None else list(columns)
    if len(names) != len(chunked):
        raise ValueError(f"weft.DataFrame: {len(names)} columns are named, {len(chunked)} are given")
    lengths = {name: len(array) for name, array in zip(names, chunked, strict=True)}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"weft.DataFrame: columns have unequal lengths: {lengths}")
    return pa.Table.from_arrays(chunked, names=names)


def _column(data: Any) -> Any:
    import pyarrow as pa

    if isinstance(data, pa.Array | pa.ChunkedArray):
        return data
    return pa.chunked_array(data) if hasattr(data, "__arrow_c_stream__") else pa.array(data)


def _from_list(data: list[Any], columns: Sequence[str] | None) -> pa.Table:
    """As pandas takes it: dicts are records, lists and tuples are rows, anything else is one column. Arrow arrays and
    Series are columns."""
    import pyarrow as pa

    if not data:
        return pa.table({name: pa.nulls(0) for name in columns or []})
    if all(isinstance(item, Mapping) for item in data):
        names = list(dict.fromkeys(str(key) for item in data for key in item))
        rows = [{str(key): value for key, value in item.items()} for item in data]
        table = pa.table({name: _array([row.get(name) for row in rows], name) for name in names})
        if not names:
            raise ValueError("weft.DataFrame: records without a field make no columns")
        return _pick(table, columns)
    if all(hasattr(item, "__arrow_c_array__") or hasattr(item, "__arrow_c_stream__") for item in data):
        from weft.series import Series

        if columns is None and all(isinstance(item, Series) for item in data):
            columns = [item.name for item in data]
        return _from_columns(data, columns)
    if all(isinstance(item, list | tuple) or getattr(item, "ndim", 0) == 1 for item in data):
        fields = getattr(data[0], "_fields", None)
        width = max(len(item) for item in data)
        names = list(columns) if columns is not None else list(fields or (str(i) for i in range(width)))
        if len(names) != width:
            raise ValueError(f"weft.DataFrame: {len(names)} columns are named, rows have {width} values")
        filled = [[*item, *[None] * (width - len(item))] for item in data]
        return pa.table({name: _array([row[i] for row in filled], name) for i, name in enumerate(names)})
    names = ["0"] if columns is None else list(columns)
    if len(names) != 1:
        raise ValueError(f"weft.DataFrame: {len(names)} columns are named, a list of values is one")
    return pa.table({names[0]: _array(data, names[0])})


#: What says a moment or a duration; pandas' own are of them.
_TIMES = (datetime.date, datetime.timedelta, datetime.time)


def _array(values: Any, name: str) -> pa.Array:
    """Values of Python, NumPy or pandas as one Arrow array, NaN of objects as missing."""
    import numpy
    import pyarrow as pa

    dtype = getattr(values, "dtype", None)
    try:
        if isinstance(dtype, numpy.dtype) and dtype.kind == "O" and not isinstance(values, numpy.ma.MaskedArray):
            # Of an array of objects Arrow does not look at the zones of times.
            objects = numpy.asarray(values).tolist()
            values = objects if any(issubclass(kind, _TIMES) for kind in set(map(type, objects))) else values
        if isinstance(values, list):
            values = _numpy_times(values)
        if isinstance(values, numpy.ndarray):
            values = _known_numpy(values)
        if hasattr(getattr(values, "array", values), "sp_values"):
            values = getattr(values, "array", values).to_dense()
        try:
            made = pa.array(values, from_pandas=True)
        except OverflowError:
            # Integers beyond 63 bits.
            made = pa.array(values, pa.uint64(), from_pandas=True)
        return made if hasattr(values, "dtype") else _unshortened(made, values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError, UnicodeError) as problem:
        raise TypeError(f"weft.DataFrame: the values of column {name!r} are of no one type: {problem}") from None


def _numpy_times(values: list[Any]) -> Any:
    """A list of NumPy's times as their array, of the finest of their units; another list as it is."""
    import numpy

    kinds = set(map(type, values)) - {type(None)}
    if not kinds or not kinds <= {numpy.datetime64, numpy.timedelta64}:
        return values
    return numpy.array(values, numpy.result_type(*{value.dtype for value in values if value is not None}))


def _known_numpy(values: Any) -> Any:
    """The array of a type that Arrow knows: of this machine's byte order, its times in one of Arrow's units."""
    import numpy

    if not values.dtype.isnative:
        values = values.astype(values.dtype.newbyteorder("="))
    kind = values.dtype.kind
    if kind not in "mM":
        return values
    unit, count = numpy.datetime_data(values.dtype)
    coarse = ("W", "D", "h", "m") if kind == "m" else ("Y", "M", "W", "h", "m")
    if unit in coarse or count != 1:
        values = values.astype(f"{kind}8[{'s' if unit in coarse else unit}]")
    return values


def _unshortened(made: pa.Array, values: Any) -> pa.Array:
    """The array of times with all that the objects say, which Arrow cuts to microseconds or to days."""
    import pyarrow as pa

    type = made.type
    if pa.types.is_date(type) and any(isinstance(value, datetime.datetime) for value in values):
        raise pa.ArrowInvalid("dates and datetimes are mixed")
    if pa.types.is_timestamp(type) and any(getattr(value, "nanosecond", 0) > 0 for value in values):
        return pa.array(values, pa.timestamp("ns", type.tz), from_pandas=True)
    if pa.types.is_duration(type) and any(getattr(value, "nanoseconds", 0) > 0 for value in values):
        return pa.array(values, pa.duration("ns"), from_pandas=True)
    return made


def _cast(table: pa.Table, dtype: Any) -> pa.Table:
    import pyarrow as pa

    from weft.dtypes import of_name

    type = of_name(dtype, "weft.DataFrame")
    try:
        return table.cast(pa.schema([pa.field(name, type) for name in table.column_names]))
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as problem:
        raise ValueError(f"weft.DataFrame: the data does not fit dtype={dtype!r}: {problem}") from None


def _with_index(table: pa.Table, index: Any) -> pa.Table:
    """The table with labels for its rows, which has none of its own."""

    own = {
        key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items() if key != b"ARROW:schema"
    }
    if index_names(own):
        raise ValueError(
            "weft.DataFrame: the data has an index of its own, with which index= is not aligned; leave one out"
        )
    name = getattr(index, "name", None)
    if hasattr(index, "__arrow_c_stream__") or hasattr(index, "__arrow_c_array__"):
        labels = _column(index)
    else:
        labels = _array(index if hasattr(index, "dtype") else list(index), "index")
    if len(labels) != table.num_rows:
        raise ValueError(f"weft.DataFrame: {len(labels)} labels are given for {table.num_rows} rows")
    name = UNNAMED_INDEX if name is None else str(name)
    if name in table.column_names:
        raise ValueError(f"weft.DataFrame: the index is named {name!r} as a column is")
    return table.add_column(0, name, labels).replace_schema_metadata({INDEX_KEY: json.dumps([name])})


def _pick(table: pa.Table, columns: Sequence[str] | None) -> pa.Table:
    if columns is None:
        return table
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        raise KeyError(f"weft.DataFrame: the data has no column {missing[0]!r}; it has {table.column_names}")
    return table.select(list(columns))


def _from_dict(data: Mapping[Any, Any]) -> pa.Table:
    import pyarrow as pa

    pandas = sys.modules.get("pandas")
    made: dict[str, Any] = {}
    scalars: dict[str, Any] = {}
    for key, value in data.items():
        name = str(key)
        if name in made:
            raise ValueError(f"weft.DataFrame: column names are there twice: {name!r}")
        if isinstance(value, str | bytes) or not (hasattr(value, "__len__") or hasattr(value, "__arrow_c_array__")):
            scalars[name] = value
            made[name] = None
        elif hasattr(value, "__arrow_c_stream__") and not (pandas is not None and isinstance(value, pandas.Series)):
            _refuse_polars(value)
            made[name] = pa.chunked_array(value)
        else:
            made[name] = _array(list(value) if isinstance(value, range) else value, name)
    lengths = {name: len(array) for name, array in made.items() if array is not None}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"weft.DataFrame: columns have unequal lengths: {lengths}")
    if scalars and not lengths:
        raise ValueError("weft.DataFrame: a dict of scalars alone has no length; put each in a list")
    for name, value in scalars.items():
        made[name] = pa.repeat(_array([value], name)[0], next(iter(lengths.values())))
    return pa.table(made)


def _from_pandas(data: Any) -> pa.Table:
    import numpy
    import pandas
    import pyarrow as pa

    names = [str(name) for name in data.columns]
    if len(set(names)) != len(names):
        raise ValueError("weft.DataFrame: column names are there twice; rename them first")
    if getattr(data.columns, "nlevels", 1) > 1:
        raise ValueError(
            "weft.DataFrame: there are no multi-level column names; join them first, for example "
            "df.columns = ['_'.join(levels) for levels in df.columns]"
        )
    given = data
    for i, name in enumerate(names):
        column = given.iloc[:, i]
        if hasattr(column.array, "sp_values"):
            made = column.array.to_dense()
        elif column.dtype == object:
            made = pandas.arrays.ArrowExtensionArray(pa.chunked_array([_array(column, name)]))
        elif isinstance(column.dtype, numpy.dtype) and not column.dtype.isnative:
            made = _known_numpy(column.to_numpy())
        else:
            continue
        if data is given:
            data = given.copy(deep=False)
        data.isetitem(i, made)
    # pandas makes a range of labels such as 1, 2, 3 too; one with a name is more than a count of rows.
    return pa.Table.from_pandas(data, preserve_index=True if data.index.name is not None else None)


def _from_numpy(data: Any, columns: Sequence[str] | None) -> pa.Table:
    import pyarrow as pa

    if data.dtype.names is not None:
        return _pick(pa.table({name: _array(data[name].copy(), name) for name in data.dtype.names}), columns)
    if data.ndim == 1:
        data = data.reshape(-1, 1)
    if data.ndim != 2:
        raise ValueError(f"weft.DataFrame: an array of {data.ndim} dimensions is no table; it takes one or two")
    names = [str(i) for i in range(data.shape[1])] if columns is None else [str(name) for name in columns]
    if len(names) != data.shape[1]:
        raise ValueError(f"weft.DataFrame: {len(names)} columns are named, the array has {data.shape[1]}")
    return pa.table({name: _array(data[:, i].copy(), name) for i, name in enumerate(names)})


def _plain_type(type: pa.DataType, big: bool) -> pa.DataType:
    """The type without layouts that operators do not know: views, extensions, narrow decimals. Run ends stay: a
    `_core.Table` looks plain from outside, whatever it keeps."""
    import pyarrow as pa

    types = pa.types
    if isinstance(type, pa.BaseExtensionType):
        if type.extension_name == "pandas.period":
            raise TypeError("periods are not taken; make them timestamps first, .dt.to_timestamp(), or text")
        if type.extension_name == "arrow.bool8":
            return pa.bool_()
        return _plain_type(type.storage_type, big)
    if types.is_string_view(type):
        return pa.large_string() if big else pa.string()
    if types.is_binary_view(type):
        return pa.large_binary() if big else pa.binary()
    if types.is_run_end_encoded(type):
        value = _plain_type(type.value_type, big)
        return type if value == type.value_type else pa.run_end_encoded(type.run_end_type, value)
    if types.is_decimal32(type) or types.is_decimal64(type):
        return pa.decimal128(type.precision, type.scale)
    if types.is_dictionary(type):
        value = _plain_type(type.value_type, big)
        if types.is_float16(value) or types.is_null(value) or types.is_nested(value):
            # Arrow (26) makes no one dictionary of several of these, and does not tell half floats apart where it does.
            return value
        return type if value == type.value_type else pa.dictionary(type.index_type, value, type.ordered)
    if types.is_list_view(type) or types.is_list(type):
        return pa.list_(type.value_field.with_type(_plain_type(type.value_type, big)))
    if types.is_large_list_view(type) or types.is_large_list(type):
        return pa.large_list(type.value_field.with_type(_plain_type(type.value_type, big)))
    if types.is_fixed_size_list(type):
        return pa.list_(type.value_field.with_type(_plain_type(type.value_type, big)), type.list_size)
    if types.is_map(type):
        key, item = type.key_field, type.item_field
        return pa.map_(
            key.with_type(_plain_type(key.type, big)), item.with_type(_plain_type(item.type, big)), type.keys_sorted
        )
    if types.is_union(type):
        raise TypeError("unions are not taken; make it a struct or text first")
    if types.is_struct(type):
        fields = [type.field(i) for i in range(type.num_fields)]
        return pa.struct([field.with_type(_plain_type(field.type, big)) for field in fields])
    return type


def _tell_of_order(name: str, column: pa.ChunkedArray) -> None:
    """Warns of categories that have an order of their own: here they compare and sort as their values do."""
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type) or not column.type.ordered:
        return
    # Values made of others, such as intervals, are in no order here.
    if pa.types.is_nested(column.type.value_type):
        return
    seen: pa.Array | None = None
    for chunk in column.chunks:
        if seen is not None and chunk.dictionary.equals(seen):
            continue
        seen = chunk.dictionary
        values = seen.drop_null().to_pylist()
        if any(one > other for one, other in itertools.pairwise(values)):
            warnings.warn(
                f"column {name!r}: ordered categories sort and compare as their values, not in the order "
                f"{values[0]!r} < {values[1]!r} ...; use numbers that rise with them where their order counts",
                stacklevel=2,
            )
            return


def _nulls_by_index(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Dictionaries without nulls: writers of files refuse those that have some."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if all(chunk.dictionary.null_count == 0 for chunk in column.chunks):
        return column
    chunks = []
    for chunk in column.chunks:
        valid = chunk.dictionary.is_valid()
        places = pc.if_else(valid, pc.subtract(pc.cumulative_sum(valid.cast(pa.int64())), 1), None)
        indices = places.cast(column.type.index_type).take(chunk.indices)
        chunks.append(
            pa.DictionaryArray.from_arrays(indices, chunk.dictionary.drop_null(), ordered=column.type.ordered)
        )
    return pa.chunked_array(chunks, type=column.type)


def _has_list_views(type: pa.DataType) -> bool:
    import pyarrow as pa

    types = pa.types
    if types.is_list_view(type) or types.is_large_list_view(type):
        return True
    if types.is_dictionary(type):
        return _has_list_views(type.value_type)
    return any(_has_list_views(type.field(i).type) for i in range(type.num_fields))


def _plain(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    import pyarrow as pa

    if _has_list_views(column.type):
        # Arrow (26) casts them wrongly.
        column = pa.table(_core.Table.from_stream(pa.table([column], names=[field.name]))).column(0)
    try:
        target = _plain_type(column.type, column.nbytes > 2**31 - 1)
    except TypeError as problem:
        raise TypeError(f"weft.DataFrame: column {field.name!r}: {problem}") from None
    if target == column.type:
        return _nulls_by_index(column) if pa.types.is_dictionary(target) else column
    try:
        if pa.types.is_dictionary(target):
            chunks = [
                pa.DictionaryArray.from_arrays(
                    chunk.indices, chunk.dictionary.cast(target.value_type), ordered=target.ordered
                )
                for chunk in column.chunks
            ]
            return _nulls_by_index(pa.chunked_array(chunks, type=target))
        if isinstance(column.type, pa.BaseExtensionType):
            column = pa.chunked_array([chunk.storage for chunk in column.chunks], type=column.type.storage_type)
            return column.cast(target) if pa.types.is_boolean(target) else _plain(column, field)
        if pa.types.is_dictionary(column.type):
            chunks = [chunk.dictionary.take(chunk.indices) for chunk in column.chunks]
            return _plain(pa.chunked_array(chunks, type=column.type.value_type), field)
        if pa.types.is_run_end_encoded(target):
            # `run_ends` and `values` are those of the whole array that the chunk may be a slice of.
            chunks = [
                pa.RunEndEncodedArray.from_arrays(chunk.run_ends, chunk.values.cast(target.value_type)).slice(
                    chunk.offset, len(chunk)
                )
                for chunk in column.chunks
            ]
            return pa.chunked_array(chunks, type=target)
        return column.cast(target)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as problem:
        raise TypeError(
            f"weft.DataFrame: column {field.name!r} of type {column.type} cannot become {target}: {problem}"
        ) from None
