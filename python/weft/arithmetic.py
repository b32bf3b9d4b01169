"""Rules of comparison, arithmetic, logic, and of choosing between values."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa

from weft.dtypes import common_type, family, finer, numeric_type
from weft.lowering import COMPARISONS, RULES, Lowering, Term, is_missing, rule, to_array

__all__ = ["together"]

_NUMBERS = ("bool", "int", "float")
_SIGNS = {
    "add": "+",
    "subtract": "-",
    "multiply": "*",
    "divide": "/",
    "floor_divide": "//",
    "modulo": "%",
    "power": "**",
    "and": "&",
    "or": "|",
    "xor": "^",
    "equal": "==",
    "not_equal": "!=",
    "less": "<",
    "less_equal": "<=",
    "greater": ">",
    "greater_equal": ">=",
}


def _unfit(kind: str, *terms: Term) -> TypeError:
    types = " and ".join(str(term.type) for term in terms)
    return TypeError(f"{_SIGNS.get(kind, kind)} cannot be computed of {types}")


# -- numbers ---------------------------------------------------------------------------------------------------------


def _weak(term: Term) -> Any:
    """A Python number is weak: it takes the other side's type where it can."""
    if term.is_constant and type(term.value) in (int, float):
        return type(term.value)(0)
    return term.type


def _as(low: Lowering, term: Term, type: pa.DataType) -> Term:
    """A number as `type`; a Python integer that does not fit is a ValueError, as NumPy has it."""
    if term.is_constant and not term.is_missing and not isinstance(term.value, pa.Scalar):
        try:
            value = float(term.value) if family(type) == "float" else term.value
            if family(type) == "float":
                import numpy

                value = numpy.dtype(type.to_pandas_dtype()).type(value)
            return low.constant(value, type)
        except TypeError as problem:
            raise ValueError(f"{term.value!r} does not fit {type}") from problem
    return low.cast(term, type)


def _numbers(low: Lowering, left: Term, right: Term, type: pa.DataType | None = None) -> tuple[Term, Term, pa.DataType]:
    """Both sides as their common type and that type; half floats as float, in which they are computed."""
    type = type or numeric_type(_weak(left), _weak(right))
    computed = pa.float32() if pa.types.is_float16(type) else type
    return _as(low, left, computed), _as(low, right, computed), type


def _plain_arithmetic(low: Lowering, kind: str, left: Term, right: Term) -> Term:
    """+ - * of numbers."""
    if left.family == right.family == "bool":
        if kind == "subtract":
            raise TypeError("- of truth values is not defined; use ^")
        return low.call("or" if kind == "add" else "and", left, right, type=pa.bool_())
    one, other, type = _numbers(low, left, right)
    return low.cast(low.call(kind, one, other, type=one.type), type)


def _divide(low: Lowering, left: Term, right: Term) -> Term:
    if left.family == right.family == "bool":
        raise TypeError("/ of truth values is not defined")
    type = numeric_type(_weak(left), _weak(right))
    one, other, type = _numbers(low, left, right, type if family(type) == "float" else pa.float64())
    return low.cast(low.call("divide", one, other, type=one.type), type)


def _floor_divide(low: Lowering, kind: str, left: Term, right: Term) -> Term:
    """// and %. By a constant 0 the result is a float, as pandas'; where an integer column is 0, it is missing."""
    if left.family == right.family == "bool":
        raise TypeError(f"{_SIGNS[kind]} of truth values is not defined")
    type = numeric_type(_weak(left), _weak(right))
    if family(type) == "int" and right.is_constant and right.value == 0:
        type = pa.float64()
    one, other, type = _numbers(low, left, right, type)
    if family(type) == "int" and not right.is_constant:
        zero = low.call("equal", other, low.constant(0, type), type=pa.bool_())
        other = low.choose(zero, low.null(type), other)
    return low.cast(low.call(f"weft_{kind}", one, other, type=one.type), type)


def _power(low: Lowering, left: Term, right: Term) -> Term:
    if left.family == right.family == "bool":
        raise TypeError("** of truth values is not defined")
    one, other, type = _numbers(low, left, right)
    if family(type) == "int":
        if right.is_constant and not right.is_missing and right.value < 0:
            raise ValueError("integers to negative integer powers are not allowed; make one side a float")
        low.fallible = low.fallible or not right.is_constant
    if right.is_constant and not right.is_missing and right.value == 2:
        return low.cast(low.call("weft_square", one, type=one.type), type)
    made = low.call("power", one, other, type=one.type)
    # 1 to a missing power is 1, and so is a missing number to the power of 0.
    ones = low.constant(1, one.type)
    sure = low.call(
        "or",
        low.true_where(low.call("equal", one, ones, type=pa.bool_())),
        low.true_where(low.call("equal", other, low.constant(0, one.type), type=pa.bool_())),
        type=pa.bool_(),
    )
    return low.cast(low.choose(sure, ones, made), type)


# -- time ------------------------------------------------------------------------------------------------------------

_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}


def _integers(low: Lowering, term: Term) -> Term:
    return low.cast(term, pa.int64())


def _with_time(low: Lowering, kind: str, left: Term, right: Term) -> Term | None:
    """Arithmetic of moments, dates and spans; None where it is not defined."""
    pair = (left.family, right.family)
    numbers = ("int", "float")
    if pair == ("span", "span"):
        return _two_spans(low, kind, left, right)
    if kind == "add" and pair in (("span", "moment"), ("span", "date")):
        return _with_time(low, kind, right, left)
    if kind in ("add", "subtract") and pair == ("moment", "span"):
        unit = finer(left.type.unit, right.type.unit)
        type = pa.timestamp(unit, left.type.tz)
        return low.call(
            kind,
            low.cast(left, type, fallible=left.type.unit != unit),
            low.cast(right, pa.duration(unit), fallible=right.type.unit != unit),
            type=type,
        )
    if kind in ("add", "subtract") and pair == ("date", "span"):
        # As Python's date and timedelta: whole days, rounded down.
        day = low.constant(_DAY[right.type.unit])
        days = low.call("weft_floor_divide", _integers(low, right), day, type=pa.int64())
        since = low.cast(low.cast(low.cast(left, pa.date32()), pa.int32()), pa.int64())
        low.fallible = True
        return low.cast(low.cast(low.call(kind, since, days, type=pa.int64()), pa.int32()), pa.date32())
    if kind == "subtract" and set(pair) <= {"moment", "date"}:
        return _between_moments(low, left, right)
    if kind == "multiply" and pair[0] in numbers and pair[1] == "span":
        return _span_by_number(low, kind, right, left)
    if kind in ("multiply", "divide", "floor_divide") and pair[0] == "span" and pair[1] in numbers:
        return _span_by_number(low, kind, left, right)
    return None


def _between_moments(low: Lowering, left: Term, right: Term) -> Term:
    if left.family == right.family == "date":
        return low.call("subtract", low.cast(left, pa.date32()), low.cast(right, pa.date32()))
    both = _moments(low, "subtract", left, right)
    return low.call("subtract", *both, type=pa.duration(both[0].type.unit))


def _moments(low: Lowering, kind: str, left: Term, right: Term) -> tuple[Term, Term]:
    """Two moments of one unit; both with a time zone or both without."""
    type = common_type(left.type, right.type)
    if type is None and left.family == right.family == "moment" and left.type.tz and right.type.tz:
        type = pa.timestamp(finer(left.type.unit, right.type.unit), left.type.tz)
    if type is None:
        raise TypeError(
            f"{_SIGNS[kind]} cannot be computed of {left.type} and {right.type}: one has a time zone, the other not"
        )
    return low.cast(left, type, fallible=True), low.cast(right, type, fallible=True)


def _two_spans(low: Lowering, kind: str, left: Term, right: Term) -> Term | None:
    type = pa.duration(finer(left.type.unit, right.type.unit))
    fallible = left.type != right.type
    one, other = low.cast(left, type, fallible=fallible), low.cast(right, type, fallible=fallible)
    if kind in ("add", "subtract"):
        return low.call(kind, one, other, type=type)
    counts = _integers(low, one), _integers(low, other)
    if kind == "divide":
        floats = (low.cast(count, pa.float64()) for count in counts)
        return low.call("divide", *floats, type=pa.float64())
    if kind in ("floor_divide", "modulo"):
        made = _floor_divide(low, kind, *counts)
        return made if kind == "floor_divide" else low.cast(made, type)
    return None


def _span_by_number(low: Lowering, kind: str, span: Term, number: Term) -> Term:
    counts = _integers(low, span)
    if number.family == "int":
        if kind == "multiply":
            made = low.call("multiply", counts, low.cast(number, pa.int64()), type=pa.int64())
            return low.cast(made, span.type)
        number = low.cast(number, pa.int64())
        zero = low.call("equal", number, low.constant(0), type=pa.bool_())
        divisor = low.choose(zero, low.null(pa.int64()), number)
        # NumPy cuts off, for // too.
        return low.cast(low.call("divide", counts, divisor, type=pa.int64()), span.type)
    if kind == "floor_divide":
        raise TypeError("// of a duration by a float is not taken; divide by /")
    made = low.call(kind, low.cast(counts, pa.float64()), low.cast(number, pa.float64()), type=pa.float64())
    finite = low.call("is_finite", made, type=pa.bool_())
    low.fallible = True
    kept = low.call("trunc", low.choose(finite, made, low.null(pa.float64())), type=pa.float64())
    return low.cast(low.cast(kept, pa.int64()), span.type)


# -- the operators ---------------------------------------------------------------------------------------------------


def _text(low: Lowering, kind: str, left: Term, right: Term) -> Term | None:
    if kind == "add" and left.family == right.family:
        type = common_type(left.type, right.type)
        assert type is not None
        if pa.types.is_fixed_size_binary(type):
            type = pa.binary()
        empty = low.constant("" if left.family == "text" else b"", type)
        return low.call("binary_join_element_wise", low.cast(left, type), low.cast(right, type), empty, type=type)
    if kind == "multiply" and {left.family, right.family} == {"text", "int"}:
        text, times = (left, right) if left.family == "text" else (right, left)
        none = low.call("less", times, low.constant(0), type=pa.bool_())
        count = low.choose(none, low.constant(0, times.type), times)
        return low.call("binary_repeat", text, low.cast(count, pa.int64()), type=text.type)
    return None


def _decimal(low: Lowering, kind: str, left: Term, right: Term) -> Term:
    if kind == "divide" or "float" in (left.family, right.family):
        floats = [low.cast(side, pa.float64()) for side in (left, right)]
        return _arithmetic(low, kind, *floats)
    if kind not in ("add", "subtract", "multiply"):
        raise TypeError(f"{_SIGNS[kind]} of decimals is not taken; cast to float64 first")
    return low.call(kind, *(_exact(low, side) for side in (left, right)))


def _exact(low: Lowering, term: Term) -> Term:
    """A decimal or integer as a decimal; a constant with no more digits than it has."""
    if term.family == "decimal":
        return term
    if term.is_constant and not term.is_missing and not isinstance(term.value, pa.Scalar):
        return low.constant(Decimal(term.value))
    return low.cast(term, pa.decimal128(20, 0))


def _arithmetic(low: Lowering, kind: str, left: Term, right: Term) -> Term:
    """What pandas makes of two operands, by their families."""
    families = {left.family, right.family}
    if "null" in families:
        other = left if right.family == "null" else right
        if other.family == "null":
            return low.null(pa.null())
        if other.family in _NUMBERS:
            nothing = low.null(pa.float64() if other.family == "bool" or kind == "divide" else other.type)
            pair = (nothing, right) if left.family == "null" else (left, nothing)
            return _arithmetic(low, kind, *pair)
        return low.null(other.type)
    made: Term | None = None
    if families <= set(_NUMBERS):
        if kind == "divide":
            made = _divide(low, left, right)
        elif kind == "power":
            made = _power(low, left, right)
        elif kind in ("floor_divide", "modulo"):
            made = _floor_divide(low, kind, left, right)
        else:
            made = _plain_arithmetic(low, kind, left, right)
    elif any(term.is_constant and type(term.value) is int and term.family == "decimal" for term in (left, right)):
        raise ValueError("an integer constant beyond 64 bits is only compared")
    elif "decimal" in families and families <= {"decimal", "int", "float"}:
        made = _decimal(low, kind, left, right)
    elif families & {"moment", "date", "span"}:
        made = _with_time(low, kind, left, right)
    elif families & {"text", "binary"}:
        made = _text(low, kind, left, right)
    if made is None:
        raise _unfit(kind, left, right)
    return made


@rule("add", "subtract", "multiply", "divide", "floor_divide", "modulo", "power")
def _operator(low: Lowering, terms: tuple[Term, ...], kind: str) -> Term:
    left, right = terms
    if not low.typed:
        if kind in ("floor_divide", "modulo"):
            raise TypeError(f"{_SIGNS[kind]} depends on the columns' types: read first, then filter")
        if kind == "divide":
            left = low.call("multiply", left, low.constant(1.0))
        return low.call(kind, left, right)
    return _arithmetic(low, kind, left, right)


@rule("and", "or", "xor")
def _logic(low: Lowering, terms: tuple[Term, ...], kind: str) -> Term:
    left, right = terms
    families = {left.family, right.family}
    if families <= {"bool", "null"}:
        function = "xor" if kind == "xor" else f"{kind}_kleene"
        return low.call(function, low.cast(left, pa.bool_()), low.cast(right, pa.bool_()), type=pa.bool_())
    if families == {"int"}:
        one, other, type = _numbers(low, left, right)
        if family(type) != "int":
            raise _unfit(kind, left, right)
        return low.call(f"bit_wise_{kind}", one, other, type=type)
    raise _unfit(kind, left, right)


@rule("not")
def _not(low: Lowering, terms: tuple[Term, ...], _: Any) -> Term:
    (term,) = terms
    if low.typed and term.family == "int":
        return low.call("bit_wise_not", term, type=term.type)
    if low.typed and term.family not in ("bool", "null"):
        raise _unfit("~", term)
    return low.negated(low.cast(term, pa.bool_()) if low.typed else term)


@rule("negate", "abs")
def _sign(low: Lowering, terms: tuple[Term, ...], kind: str) -> Term:
    (term,) = terms
    if not low.typed or term.family in ("int", "decimal"):
        return low.call(kind, term)
    if term.family == "float":
        half = pa.types.is_float16(term.type)
        made = low.call(kind, low.cast(term, pa.float32()) if half else term)
        return low.cast(made, term.type)
    if term.family == "span":
        return low.cast(low.call(kind, _integers(low, term), type=pa.int64()), term.type)
    if term.family == "null" or (term.family == "bool" and kind == "abs"):
        return term
    raise _unfit("-" if kind == "negate" else "abs", term)


@rule("round")
def _round(low: Lowering, terms: tuple[Term, ...], digits: int) -> Term:
    import pyarrow.compute as pc

    (term,) = terms
    if term.family in ("bool", "null") or (term.family == "int" and digits >= 0):
        return term
    if term.family not in ("int", "float", "decimal"):
        raise _unfit("round", term)
    computed = pa.float32() if pa.types.is_float16(term.type) else term.type
    low.fallible = True
    options = pc.RoundOptions(ndigits=digits, round_mode="half_to_even")
    return low.cast(low.call("round", low.cast(term, computed), options=options, type=computed), term.type)


# -- comparison ------------------------------------------------------------------------------------------------------


@rule("compare")
def _compare(low: Lowering, terms: tuple[Term, ...], detail: tuple[str, bool]) -> Term:
    kind, as_filter = detail
    different = kind == "not_equal"
    if any(term.is_missing for term in terms):
        # A comparison with a missing constant has the same answer in every row.
        return low.constant(different)
    sides = _comparable(low, kind, *terms) if low.typed else terms
    if sides is None:
        return low.constant(different)
    compared = low.call(kind, *sides, type=pa.bool_())
    if as_filter and not different:
        return compared
    return low.call("coalesce", compared, low.constant(different), type=pa.bool_())


def _comparable(low: Lowering, kind: str, left: Term, right: Term) -> tuple[Term, ...] | None:
    """Both sides as a type in which they can be compared; None where they are of kinds that are never equal."""
    left, right = _parsed(low, left, right), _parsed(low, right, left)
    families = {left.family, right.family}
    if "null" in families:
        return None
    if families <= set(_NUMBERS):
        return _comparable_numbers(low, left, right)
    if families <= {"moment", "date"} and len(families) + (left.family == "moment") > 1:
        return _moments(low, kind, left, right)
    if families <= {*_NUMBERS, "decimal"}:
        if "float" not in families:
            return _exact(low, left), _exact(low, right)
        return low.cast(left, pa.float64()), low.cast(right, pa.float64())
    type = common_type(left.type, right.type)
    if type is not None and family(type) != "other":
        fallible = families == {"span"} and left.type != right.type
        return low.cast(left, type, fallible=fallible), low.cast(right, type, fallible=fallible)
    if "other" in families:
        raise _unfit(kind, left, right)
    if kind in ("equal", "not_equal"):
        return None
    raise _unfit(kind, left, right)


def _parsed(low: Lowering, term: Term, other: Term) -> Term:
    """A constant text beside moments is a moment, as pandas has it."""
    if not (term.is_constant and isinstance(term.value, str) and other.family == "moment"):
        return term
    try:
        value = dt.datetime.fromisoformat(term.value)
    except ValueError:
        raise ValueError(f"{term.value!r} is no ISO date or time to compare with {other.type}") from None
    if other.type.tz is None or value.tzinfo is not None:
        return low.constant(value)
    naive = low.constant(value)
    import pyarrow.compute as pc

    return low.call("assume_timezone", naive, options=pc.AssumeTimezoneOptions(other.type.tz))


def _comparable_numbers(low: Lowering, left: Term, right: Term) -> tuple[Term, Term]:
    types = [left.type, right.type]
    for number, term in enumerate((left, right)):
        other = (right, left)[number]
        if term.is_constant and type(term.value) is int and other.family == "int" and not _fits(term.value, other.type):
            # Beyond the column's type, but comparable with it.
            types = [pa.decimal256(76, 0)] * 2
            return low.cast(left, types[0]), low.cast(right, types[1])
    if left.family == right.family == "int" and numeric_type(*types) == pa.float64():
        wide = pa.decimal128(20, 0)
        return low.cast(left, wide), low.cast(right, wide)
    one, other, _ = _numbers(low, left, right)
    return one, other


def _fits(value: int, type: pa.DataType) -> bool:
    if family(type) != "int":
        return _converts(value, type)
    bits = int(type.bit_width)
    least, end = (0, 2**bits) if pa.types.is_unsigned_integer(type) else (-(2 ** (bits - 1)), 2 ** (bits - 1))
    return bool(least <= value < end)


def _converts(value: Any, type: pa.DataType) -> bool:
    try:
        to_array([value], type)
    except TypeError:
        return False
    return True


# -- choosing --------------------------------------------------------------------------------------------------------


def together(low: Lowering, operation: str, *terms: Term) -> list[Term]:
    """The terms as one type that holds them all: the columns' common type, which a constant changes only where it does
    not fit. TypeError where there is none."""
    columns = [term for term in terms if not term.is_constant] or list(terms)
    type = columns[0].type
    for term in columns[1:]:
        type = _common(operation, type, term.type)
    for term in terms:
        if term.is_constant and not term.is_missing and not _holds(type, term.value):
            type = _common(operation, type, _type_for(type, term))
    return [_held(low, term, type) for term in terms]


def _held(low: Lowering, term: Term, type: pa.DataType) -> Term:
    if term.is_missing:
        return low.null(type)
    if term.is_constant and not isinstance(term.value, pa.Scalar):
        value = int(term.value) if family(type) == "int" else term.value
        return low.constant(value, type)
    return low.cast(term, type, fallible=family(type) in ("moment", "span", "decimal"))


def _common(operation: str, one: pa.DataType, other: pa.DataType) -> pa.DataType:
    type = common_type(one, other)
    if type is None or (
        "bool" in (family(one), family(other)) and one != other and "null" not in (family(one), family(other))
    ):
        raise TypeError(f"{operation}: {one} and {other} have no type in common; cast one of them")
    return type


def _holds(type: pa.DataType, value: Any) -> bool:
    """Whether a constant fits a column of `type` as it is."""
    kind = family(type)
    if isinstance(value, bool):
        return kind == "bool"
    if isinstance(value, float):
        if kind == "int":
            return value.is_integer() and _fits(int(value), type)
        if kind == "float":
            import numpy

            return bool(numpy.dtype(type.to_pandas_dtype()).type(value) == value)
        return False
    if isinstance(value, int):
        if kind == "float":
            return bool(float(value) == value)
        return kind in ("int", "decimal") and _fits(value, type)
    if isinstance(value, str) != (kind == "text") or kind == "null":
        return False
    if isinstance(value, pa.Scalar) and (
        family(value.type) != kind or getattr(value.type, "tz", 0) != getattr(type, "tz", 0)
    ):
        return False
    if isinstance(value, dt.datetime) and (value.tzinfo is None) != (kind != "moment" or type.tz is None):
        return False
    return _converts(value, type)


def _type_for(type: pa.DataType, term: Term) -> pa.DataType:
    """The type that a constant brings along: the smallest of its kind, as NumPy has it."""
    value = term.value
    if family(type) in ("int", "float") and isinstance(value, int) and not isinstance(value, bool):
        import numpy

        return pa.from_numpy_dtype(numpy.min_scalar_type(value))
    return term.type


@rule("where", "mask")
def _where(low: Lowering, terms: tuple[Term, ...], kind: str) -> Term:
    """(x, condition, other): x where the condition is true, or with mask is not. A missing condition is not true."""
    value, condition, other = terms
    if condition.family not in ("bool", "null"):
        raise TypeError(f"{kind}: the condition is {condition.type}, not bool")
    value, other = together(low, kind, value, other)
    pair = (value, other) if kind == "where" else (other, value)
    return low.choose(low.true_where(low.cast(condition, pa.bool_())), *pair)


@rule("fill")
def _fill(low: Lowering, terms: tuple[Term, ...], operation: str) -> Term:
    """(x, y): y where x is missing."""
    one, other = together(low, operation, *terms)
    return low.choose(low.is_missing(terms[0]), other, one)


@rule("is_null", "not_null")
def _is_null(low: Lowering, terms: tuple[Term, ...], kind: str) -> Term:
    null = low.is_missing(terms[0])
    return null if kind == "is_null" else low.negated(null)


@rule("filled")
def _filled(low: Lowering, terms: tuple[Term, ...], detail: tuple[str, bool]) -> Term:
    """(x, y, filler): the operation `kind` of x and y, the filler in place of what one of them alone is missing."""
    left, right, filler = terms
    kind, swapped = detail
    absent = low.is_missing(left), low.is_missing(right)
    here, there = together(low, kind, left, filler), together(low, kind, right, filler)
    one = low.choose(low.call("and_not", absent[0], absent[1], type=pa.bool_()), here[1], here[0])
    other = low.choose(low.call("and_not", absent[1], absent[0], type=pa.bool_()), there[1], there[0])
    sides = (other, one) if swapped else (one, other)
    return RULES["compare"](low, sides, (kind, False)) if kind in COMPARISONS else _arithmetic(low, kind, *sides)


@rule("between")
def _between(low: Lowering, terms: tuple[Term, ...], detail: tuple[str, str]) -> Term:
    value, left, right = terms
    above, below = _compare(low, (value, left), (detail[0], False)), _compare(low, (value, right), (detail[1], False))
    return low.call("and", above, below, type=pa.bool_())


@rule("clip")
def _clip(low: Lowering, terms: tuple[Term, ...], _: Any) -> Term:
    value, lower, upper = terms
    bounds = (lower, upper)
    if all(bound.is_constant and not bound.is_missing for bound in bounds):
        ends = [bound.value.as_py() if isinstance(bound.value, pa.Scalar) else bound.value for bound in bounds]
        if ends[0] > ends[1]:
            lower, upper = upper, lower
    value, lower, upper = together(low, "clip", value, lower, upper)
    below, above = _compare(low, (value, lower), ("less", False)), _compare(low, (value, upper), ("greater", False))
    return low.choose(above, upper, low.choose(below, lower, value))


@rule("isin")
def _isin(low: Lowering, terms: tuple[Term, ...], values: Any) -> Term:
    from weft import _core

    (term,) = terms
    if low.typed and term.type == pa.float16():
        # Arrow looks no half floats up.
        term = low.cast(term, pa.float32())
    if isinstance(values, pa.Array) and values.type != term.type:
        values = values.to_pylist()
    if isinstance(values, pa.Array):
        there, missing = values.drop_null(), values.null_count > 0
        if family(values.type) == "float":
            import pyarrow.compute as pc

            missing = missing or bool(pc.any(pc.is_nan(there)).as_py())
    else:
        present = [value for value in values if not is_missing(value)]
        missing = len(present) < len(values)
        if low.typed:
            present = [value for value in (_member(value, term.type) for value in present) if value is not None]
        there = to_array(present, term.type if low.typed else None) if present else None
    if there is not None and low.typed and term.family == "float":
        there = _both_zeros(there)
    null = low.is_missing(term)
    if there is None or len(there) == 0:
        return null if missing else low.constant(False)
    found = Term(low, _core.Expression.is_in(term.core, there), pa.bool_())
    return low.call("or", found, null, type=pa.bool_()) if missing else found


def _both_zeros(values: Any) -> Any:
    """The other zero beside each, which equals it but is looked up by its bits."""
    import pyarrow.compute as pc

    zeros = values.filter(pc.equal(values.cast(pa.float64()), 0.0)).cast(pa.float64())
    if not len(zeros):
        return values
    return pa.concat_arrays([values, pc.negate(zeros).cast(values.type)])


def _member(value: Any, type: pa.DataType) -> Any:
    """The value as a member of a column of `type`, None where no value of that type equals it."""
    kind = family(type)
    plain = value.as_py() if isinstance(value, pa.Scalar) else value
    plain = plain.item() if hasattr(plain, "item") and kind in _NUMBERS else plain
    if kind in _NUMBERS and isinstance(plain, bool | int | float):
        if kind == "int":
            return int(plain) if plain == plain // 1 and _fits(int(plain), type) else None
        if kind == "bool":
            return bool(plain) if plain in (0, 1) else None
        return plain if _holds(type, plain) or isinstance(plain, bool) else None
    if isinstance(plain, str) != (kind == "text") or isinstance(plain, bool | int | float):
        return value if kind == "decimal" and isinstance(plain, int) and _fits(plain, type) else None
    return value if kind == "text" or _converts(value, type) else None


@rule("lookup")
def _lookup(low: Lowering, terms: tuple[Term, ...], detail: Any) -> Term:
    """The values of a mapping: (pairs, operation, keep). `keep`: what is no key stays, else it becomes missing."""
    from weft import _core

    (term,) = terms
    pairs, operation, keep = detail
    mapping: dict[Any, Any] = {}
    for key, value in pairs:
        # True is 1 for Python, but no integer for pandas.
        fits = not is_missing(key) and isinstance(key, bool) == (term.family == "bool")
        member = _member(key, term.type) if fits else None
        if member is not None:
            mapping[member] = value
    of_missing = [value for key, value in pairs if is_missing(key)]
    if keep:
        new = [*mapping.values(), *of_missing]
        type = together(low, operation, term, *(low.constant(value) for value in new))[0].type
        values = [_stored(value, type) for value in mapping.values()]
    else:
        values = [None if is_missing(value) else value for value in mapping.values()]
        made_of = to_array([*values, *(None if is_missing(value) else value for value in of_missing)])
        type = made_of.type
    members = list(mapping)
    if term.family == "float" and 0 in mapping:
        # The other zero equals this one, but is looked up by its bits.
        zero = members.index(0)
        members, values = [*members, -float(members[zero])], [*values, values[zero]]
    keys = to_array(members, term.type)
    subject = low.cast(term, type) if keep else term
    if keep:
        keys = keys.cast(type)
    found = Term(low, _core.Expression.lookup(subject.core, keys, to_array(values, type), keep), type)
    if of_missing:
        filler = low.constant(_stored(of_missing[-1], type), type)
        found = low.choose(low.is_missing(term), filler, found)
    return found


def _stored(value: Any, type: pa.DataType) -> Any:
    """A constant that fits `type` in the form in which Arrow takes it."""
    if is_missing(value):
        return None
    return int(value) if family(type) == "int" and not isinstance(value, pa.Scalar) else value
