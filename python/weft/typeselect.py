"""Columns chosen by type, as pandas' ``select_dtypes`` names types, and `convert_dtypes`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from weft.frame import DataFrame

__all__ = ["chosen_types", "converted"]


def _families() -> dict[str, Callable[[pa.DataType], bool]]:
    import pyarrow as pa

    types = pa.types

    def number(kind: pa.DataType) -> bool:
        # pandas counts durations among the numbers.
        tests = (types.is_integer, types.is_floating, types.is_decimal, types.is_duration)
        return any(bool(test(kind)) for test in tests)

    def text(kind: pa.DataType) -> bool:
        return bool(types.is_string(kind) or types.is_large_string(kind))

    return {
        "number": number,
        "integer": lambda kind: types.is_integer(kind) or types.is_duration(kind),
        "signedinteger": lambda kind: types.is_signed_integer(kind) or types.is_duration(kind),
        "unsignedinteger": types.is_unsigned_integer,
        "floating": types.is_floating,
        # pandas' rule: the name of Python's type stands for both common widths.
        "int": lambda kind: types.is_int64(kind) or types.is_int32(kind),
        "float": lambda kind: types.is_float64(kind) or types.is_float32(kind),
        "bool": types.is_boolean,
        "boolean": types.is_boolean,
        "bool_": types.is_boolean,
        "str": text,
        "string": text,
        "object": lambda kind: text(kind) or types.is_binary(kind) or types.is_nested(kind),
        "datetime": lambda kind: types.is_timestamp(kind) and kind.tz is None,
        "datetime64": lambda kind: types.is_timestamp(kind) and kind.tz is None,
        "datetimetz": lambda kind: types.is_timestamp(kind) and kind.tz is not None,
        "timedelta": types.is_duration,
        "timedelta64": types.is_duration,
        "category": types.is_dictionary,
    }


def _test(wanted: Any, operation: str) -> Callable[[pa.DataType], bool]:
    import pyarrow as pa

    from weft.dtypes import of_name

    if isinstance(wanted, pa.DataType):
        return lambda kind: bool(kind == wanted)
    families = _families()
    name = wanted if isinstance(wanted, str) else getattr(wanted, "__name__", None)
    if isinstance(name, str) and name in families:
        return families[name]
    exact = of_name(wanted, operation)
    return lambda kind: bool(kind == exact)


def chosen_types(types: Mapping[str, pa.DataType], include: Any, exclude: Any, operation: str) -> list[str]:
    """The names of the columns whose type is among `include` (all, where it is empty) and not among `exclude`."""

    def tests(wanted: Any) -> list[Callable[[pa.DataType], bool]]:
        listed = list(wanted) if isinstance(wanted, list | tuple | set | frozenset) else [wanted]
        return [] if wanted is None else [_test(item, operation) for item in listed]

    wanted, unwanted = tests(include), tests(exclude)
    if not wanted and not unwanted:
        raise ValueError(f"{operation}: give include, exclude or both")
    if include is not None and exclude is not None and repr(include) == repr(exclude):
        raise ValueError(f"{operation}: include and exclude overlap: {include!r}")
    return [
        name
        for name, kind in types.items()
        if (not wanted or any(test(kind) for test in wanted)) and not any(test(kind) for test in unwanted)
    ]


def converted(frame: DataFrame) -> DataFrame:
    """The frame with int64 for floats that are all whole. Collective on a bound frame."""
    from weft.dtypes import dense, family
    from weft.expression import col

    floats = [name for name, type in frame.dtypes.items() if family(dense(type)) == "float"]
    if not floats:
        return frame
    conditions = {}
    for number, name in enumerate(floats):
        value = col(name).astype("float64")
        conditions[f"c{number}"] = value.isna() | ((value % 1 == 0) & (abs(value) < 2.0**63))
    whole = frame.reset_index(drop=True).select(**conditions).all()
    return frame.astype({name: "int64" for number, name in enumerate(floats) if whole[f"c{number}"]})
