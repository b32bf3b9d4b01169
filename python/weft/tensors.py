"""Columns as arrays and tensors of other libraries: NumPy, PyTorch, TensorFlow, whatever takes DLPack.

All of it is this rank's rows and runs no collective. A column of integers or floats without nulls that lies in one
chunk is shared, not copied; so whoever gets it must not write to it.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from weft.arguments import place
from weft.computed import ABSENT
from weft.dtypes import family, numeric_type

if TYPE_CHECKING:
    import numpy
    import pyarrow as pa

    from weft.rows import Rows

__all__ = [
    "LEGACY",
    "as_numpy",
    "check_numbers",
    "filled_type",
    "frame_as_numpy",
    "matrix",
    "needed",
    "numbers",
    "tensorflow_tensor",
    "torch_dtype",
    "torch_tensor",
    "view",
]

#: The last version of DLPack whose capsules every library takes.
LEGACY = (0, 8)

#: What TensorFlow's kernels may expect of a tensor's address.
_ALIGNMENT = 64

#: What to do with a column that is no number, by the family of its type.
_WAYS_OUT = {
    "text": "encode it (weft.learn.OrdinalEncoder, weft.get_dummies, weft.factorize) or leave it out",
    "decimal": "astype('float64') makes numbers of it",
    "moment": "take numbers of it (.dt.hour, .dt.dayofyear, astype('int64') ...) or leave it out",
    "date": "take numbers of it (.dt.month, .dt.dayofyear ...) or leave it out",
    "span": "take numbers of it (astype('int64') ...) or leave it out",
}


def needed(module: str, library: str, operation: str) -> Any:
    """A library that Weft does not need itself, or an ImportError that says which one is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as problem:
        raise ImportError(f"{operation}: {library} cannot be imported here ({problem}); install it first") from None


# -- NumPy -----------------------------------------------------------------------------------------------------------


def one_array(column: pa.ChunkedArray) -> pa.Array:
    """The column in one piece; no copy of one chunk."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def as_numpy(column: pa.ChunkedArray) -> numpy.ndarray[Any, Any] | None:
    """The values as NumPy has them, read-only and shared with a column of one chunk (bools are copied); None where it
    has no such type, or a value is missing."""
    from pyarrow import types

    kind = column.type
    plain = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_duration(kind)
    if column.null_count or not (plain or (types.is_timestamp(kind) and kind.tz is None)):
        return None
    values: numpy.ndarray[Any, Any] = one_array(column).to_numpy(zero_copy_only=False)
    return values


def frame_as_numpy(frame: Rows, dtype: Any) -> numpy.ndarray[Any, Any] | None:
    """The columns that are no index as one array of shape (rows, columns), of their common type or of `dtype`; of one
    column shared with it. None where pandas would make objects of them, or a value is missing."""
    import numpy

    columns = [as_numpy(column) for column in _columns(frame)]
    present = [column for column in columns if column is not None]
    kinds = {"n" if column.dtype.kind in "iuf" else column.dtype.kind for column in present}
    if not columns or len(present) < len(columns) or len(kinds) != 1 or (kinds & {"m", "M"} and len(columns) > 1):
        return None
    kind = numpy.result_type(*(column.dtype for column in present)) if dtype is None else numpy.dtype(dtype)
    if len(present) == 1:
        return present[0].astype(kind, copy=False).reshape(-1, 1)
    made: numpy.ndarray[Any, Any] = numpy.empty((len(frame), len(present)), kind)
    for number, column in enumerate(present):
        made[:, number] = column
    return made


def view(frame: Rows, dtype: Any) -> numpy.ndarray[Any, Any]:
    """The one column of a frame, shared; ValueError where that needs a copy."""
    columns = _columns(frame)
    column = columns[0] if len(columns) == 1 else None
    values = None if column is None or column.num_chunks != 1 else as_numpy(column)
    if values is None or values.dtype.kind == "b" or (dtype is not None and values.dtype != dtype):
        raise ValueError(
            f"{place(frame.env)}__array__: there is no such array without a copy; one column of integers, floats or "
            "times without nulls, in one chunk and of that dtype, is shared"
        )
    return values


def _columns(frame: Rows) -> list[pa.ChunkedArray]:
    import pyarrow as pa

    columns: list[pa.ChunkedArray] = pa.table(frame.table).columns[len(frame.index_names) :]
    return columns


# -- columns of numbers ----------------------------------------------------------------------------------------------


def check_numbers(where: str, name: str, kind: pa.DataType) -> None:
    """TypeError that says what to do where a column is none of bool, integers, floats."""
    if family(kind) not in ("bool", "int", "float"):
        way_out = _WAYS_OUT.get(family(kind), "encode it")
        text = "of texts" if family(kind) == "text" else f"of type {kind}"
        raise TypeError(f"{where}: column {name!r} is {text}, which no tensor holds: {way_out}")


def filled_type(kind: pa.DataType, na_value: Any) -> pa.DataType:
    """The type of a column in which `na_value` stands for what is missing, whether anything is or not."""
    if na_value is ABSENT or (family(kind) == "bool" and isinstance(na_value, bool)):
        return kind
    if not isinstance(na_value, int | float):
        raise TypeError("it is no number")
    return numeric_type(kind, na_value)


def filled(where: str, name: str, column: pa.ChunkedArray, na_value: Any) -> pa.ChunkedArray:
    """The column without missing values, null or NaN: `na_value` is put there. With a float for it integers become
    floats, as in NumPy."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        kind = filled_type(column.type, na_value)
        column = column if column.type == kind else column.cast(kind, safe=False)
        missing = pc.is_null(column, nan_is_null=True)
        if not pc.any(missing).as_py():
            return column
        return pc.if_else(missing, pa.scalar(na_value, kind), column)
    except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError, OverflowError) as problem:
        raise TypeError(
            f"{where}: na_value={na_value!r} does not fit column {name!r} of {column.type}: {problem}"
        ) from None


def numbers(frame: Rows, position: int, operation: str, na_value: Any = ABSENT) -> pa.Array:
    """This rank's values of a column of bool, integers or floats in one array without nulls. No copy where it lies in
    one chunk and has none.

    TypeError for another type; ValueError for nulls, unless `na_value` is to be put where a value is missing.
    """
    import pyarrow as pa

    name = frame.table.column_names[position]
    where = f"{place(frame.env)}{operation}"
    column = pa.table(frame.table.select([position])).column(0)
    check_numbers(where, name, column.type)
    if na_value is not ABSENT:
        column = filled(where, name, column, na_value)
    if column.null_count:
        raise ValueError(
            f"{where}: column {name!r} has {column.null_count} missing values among this rank's {len(column)} rows: "
            "fillna, dropna or weft.learn.SimpleImputer first, or say na_value="
        )
    return one_array(column)


def matrix(
    frame: Rows, operation: str, dtype: Any = None, na_value: Any = ABSENT, positions: Sequence[int] | None = None
) -> numpy.ndarray[Any, Any]:
    """Columns (default: all but the index) as a new array of shape (rows, columns) that may be written to, of their
    common type or of `dtype` (of NumPy); errors as of `numbers`."""
    import numpy

    hidden = len(frame.index_names)
    if positions is None:
        positions = range(hidden, frame.table.num_columns)
    columns = [numbers(frame, position, operation, na_value).to_numpy(zero_copy_only=False) for position in positions]
    if not columns and dtype is None:
        raise ValueError(f"{place(frame.env)}{operation}: the frame has no columns")
    kind = numpy.result_type(*(column.dtype for column in columns)) if dtype is None else numpy.dtype(dtype)
    made: numpy.ndarray[Any, Any] = numpy.empty((len(frame), len(columns)), kind)
    for number, column in enumerate(columns):
        made[:, number] = column
    return made


# -- tensors ---------------------------------------------------------------------------------------------------------


def torch_dtype(dtype: Any, operation: str) -> Any:
    """A dtype of PyTorch, from itself or its name."""
    torch = needed("torch", "PyTorch", operation)
    if isinstance(dtype, torch.dtype):
        return dtype
    found = getattr(torch, dtype, None) if isinstance(dtype, str) else None
    if not isinstance(found, torch.dtype):
        raise TypeError(f"{operation}: {dtype!r} is no dtype of PyTorch")
    return found


def torch_tensor(values: Any, operation: str) -> Any:
    """A tensor of an Arrow array without nulls, or of a NumPy array that may be written to; it shares the memory, but
    for bools.

    By DLPack alone: PyTorch may have been built for another NumPy than the one that is here.
    """
    torch = needed("torch", "PyTorch", operation)
    import pyarrow as pa

    bools = pa.types.is_boolean(values.type) if isinstance(values, pa.Array) else values.dtype.kind == "b"
    if bools:
        # As bytes: Arrow has a bit for each, and DLPack had none for long.
        plain = values.to_numpy(zero_copy_only=False) if isinstance(values, pa.Array) else values
        return torch.utils.dlpack.from_dlpack(plain.astype("uint8").__dlpack__()).to(torch.bool)
    try:
        if isinstance(values, pa.Array):
            return torch.utils.dlpack.from_dlpack(values.__dlpack__(max_version=LEGACY))
        return torch.utils.dlpack.from_dlpack(values.__dlpack__())
    except RuntimeError as problem:
        kind = values.type if isinstance(values, pa.Array) else values.dtype
        raise TypeError(
            f"{operation}: PyTorch {torch.__version__} takes no {kind} ({problem}); astype it first"
        ) from None


def tensorflow_tensor(values: pa.Array, operation: str) -> Any:
    """A tensor of an Arrow array without nulls; it shares the memory where that lies as TensorFlow's kernels want it,
    but for bools."""
    tensorflow = needed("tensorflow", "TensorFlow", operation)
    import pyarrow as pa

    plain = values.to_numpy(zero_copy_only=False)
    aligned = plain.ctypes.data % _ALIGNMENT == 0
    if len(values) and aligned and not pa.types.is_boolean(values.type):
        return tensorflow.experimental.dlpack.from_dlpack(values.__dlpack__(max_version=LEGACY))
    return tensorflow.constant(plain)
