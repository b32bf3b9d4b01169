"""Arrow types as pandas' rules see them: families, names, and the type that two have in common."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

__all__ = ["common_type", "dense", "family", "numeric_type", "of_name"]

_UNITS = ("s", "ms", "us", "ns")


def dense(type: pa.DataType) -> pa.DataType:
    """The type of the values: without dictionary encoding."""
    return type.value_type if pa.types.is_dictionary(type) else type


def family(type: pa.DataType) -> str:
    """What kind of values these are: null, bool, int, float, decimal, text, binary, moment (timestamp), date, span
    (duration), time, or other (nested)."""
    types = pa.types
    tests = (
        ("null", types.is_null),
        ("bool", types.is_boolean),
        ("int", types.is_integer),
        ("float", types.is_floating),
        ("decimal", types.is_decimal),
        ("text", lambda one: types.is_string(one) or types.is_large_string(one)),
        ("binary", lambda one: types.is_binary(one) or types.is_large_binary(one) or types.is_fixed_size_binary(one)),
        ("moment", types.is_timestamp),
        ("date", types.is_date),
        ("span", types.is_duration),
        ("time", types.is_time),
    )
    return next((name for name, test in tests if test(type)), "other")


def numeric_type(*values: Any) -> pa.DataType:
    """NumPy's common type of Arrow types (bool, integer, float); a Python bool, int or float among them is weak, as in
    NumPy 2."""
    import numpy

    dtypes = [value.to_pandas_dtype() if isinstance(value, pa.DataType) else value for value in values]
    return pa.from_numpy_dtype(numpy.result_type(*dtypes))


def finer(one: str, other: str) -> str:
    """The smaller of two units of time."""
    return max(one, other, key=_UNITS.index)


def common_type(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """The type that holds the values of both as pandas would (NumPy's promotion, the finer unit of time); None where
    there is none."""
    one, other = dense(one), dense(other)
    if one == other:
        return one
    left, right = family(one), family(other)
    if "null" in (left, right):
        return other if left == "null" else one
    pair = {left, right}
    if pair <= {"int", "float"}:
        return numeric_type(one, other)
    if pair == {"decimal"}:
        whole = max(one.precision - one.scale, other.precision - other.scale)
        scale = max(one.scale, other.scale)
        return (
            pa.decimal128(whole + scale, scale) if whole + scale <= 38 else pa.decimal256(min(whole + scale, 76), scale)
        )
    if pair == {"decimal", "int"}:
        return common_type(*(pa.decimal128(20, 0) if family(type) == "int" else type for type in (one, other)))
    if pair == {"decimal", "float"}:
        return pa.float64()
    if pair == {"text"}:
        return pa.large_string()
    if pair == {"binary"}:
        return pa.large_binary() if pa.large_binary() in (one, other) else pa.binary()
    if pair == {"moment"} and one.tz == other.tz:
        return pa.timestamp(finer(one.unit, other.unit), one.tz)
    if pair == {"moment", "date"} and (one if left == "moment" else other).tz is None:
        return one if left == "moment" else other
    if pair == {"span"}:
        return pa.duration(finer(one.unit, other.unit))
    if pair == {"date"}:
        return pa.date32()
    if pair == {"time"}:
        unit = finer(one.unit, other.unit)
        return pa.time64(unit) if unit in ("us", "ns") else pa.time32(unit)
    return None


_NAMES = {
    "str": "string",
    "object": "string",
    "string[pyarrow]": "string",
    "string[python]": "string",
    "boolean": "bool",
    "float": "float64",
    "int": "int64",
    "Float32": "float32",
    "Float64": "float64",
    "half": "float16",
    **{f"{sign}Int{bits}".replace("uI", "UI"): f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}


def of_name(dtype: Any, operation: str) -> pa.DataType:
    """The Arrow type that pandas, NumPy, Python or Arrow call so: ``"int64"``, ``numpy.float32``, ``str``,
    ``"category"``, ``"datetime64[ns, UTC]"``, ``"timestamp[us]"``, a ``pyarrow.DataType``. TypeError for what names no
    type."""
    if isinstance(dtype, pa.DataType):
        return dtype
    if dtype is str:
        return pa.string()
    if dtype is bytes:
        return pa.binary()
    text = dtype if isinstance(dtype, str) else str(getattr(dtype, "name", None) or getattr(dtype, "__name__", dtype))
    if text == "category":
        # Of whatever the values are.
        return pa.dictionary(pa.int32(), pa.null())
    text = text.removesuffix("[pyarrow]") if not text.startswith("string") else text
    for words, make in (("datetime64", pa.timestamp), ("timedelta64", pa.duration)):
        if text.startswith(f"{words}[") and text.endswith("]"):
            unit, _, zone = text[len(words) + 1 : -1].partition(",")
            if unit not in _UNITS:
                break
            return make(unit, zone.strip()) if zone else make(unit)
    try:
        return pa.type_for_alias(_NAMES.get(text, text))
    except ValueError:
        pass
    try:
        import numpy

        return pa.from_numpy_dtype(numpy.dtype(dtype))
    except (TypeError, pa.ArrowNotImplementedError):
        raise TypeError(f"{operation}: {dtype!r} is no type that is known here") from None
