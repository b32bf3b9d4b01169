"""Rules of NumPy's functions of numbers: ``np.sqrt(series)`` and the like.

Results are of NumPy's types: floats stay what they are, and integers become the float that NumPy takes for them. What
is outside a function's domain is NaN or infinite.
"""

from __future__ import annotations

import math

import pyarrow as pa

from weft.arithmetic import together
from weft.dtypes import family
from weft.lowering import RULES, Lowering, Term, rule

_ARROW = {
    "log": "ln",
    **{f"arc{name}": f"a{name}" for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
}
_FLOATS = (
    *("sqrt", "exp", "expm1", "log", "log10", "log2", "log1p", "sin", "cos", "tan", "arcsin", "arccos", "arctan"),
    *("sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh"),
)


def _check_number(term: Term, *also: str) -> None:
    if term.family not in ("int", "float", "decimal", "null", *also):
        raise TypeError(f"it is computed of numbers, not of {term.type}")


def _float_of(type: pa.DataType) -> pa.DataType:
    """The float that NumPy computes with where it is given this type."""
    if family(type) == "float":
        return type
    bits = type.bit_width if family(type) in ("int", "bool") else 64
    return pa.float16() if bits <= 8 else pa.float32() if bits == 16 else pa.float64()


def _as_floats(low: Lowering, term: Term) -> tuple[Term, pa.DataType]:
    """The term as the float in which it is computed, and the type of the result."""
    type = _float_of(term.type)
    computed = pa.float32() if pa.types.is_float16(type) else type
    if term.family == "bool":
        term = low.cast(term, pa.int8())
    return low.cast(term, computed), type


@rule(*_FLOATS)
def _function(low: Lowering, terms: tuple[Term, ...], kind: str) -> Term:
    (term,) = terms
    _check_number(term, "bool")
    number, type = _as_floats(low, term)
    return low.cast(low.call(_ARROW.get(kind, kind), number, type=number.type), type)


@rule("degrees", "radians", "reciprocal", "fabs", "square")
def _simple(low: Lowering, terms: tuple[Term, ...], kind: str) -> Term:
    (term,) = terms
    _check_number(term, "bool")
    if kind == "square":
        return RULES["multiply"](low, (term, term), "multiply")
    if kind == "reciprocal" and term.family != "float":
        raise TypeError(f"of {term.type} it would be 0 almost everywhere; divide 1 by it")
    number, type = _as_floats(low, term)
    if kind == "fabs":
        return low.cast(low.call("abs", number, type=number.type), type)
    one = low.constant(1.0, number.type)
    if kind == "reciprocal":
        return low.cast(low.call("divide", one, number, type=number.type), type)
    factor = low.constant(180 / math.pi if kind == "degrees" else math.pi / 180, number.type)
    return low.cast(low.call("multiply", number, factor, type=number.type), type)


@rule("floor", "ceil", "trunc", "rint", "sign")
def _whole(low: Lowering, terms: tuple[Term, ...], kind: str) -> Term:
    import pyarrow.compute as pc

    (term,) = terms
    _check_number(term)
    if kind == "sign":
        half = pa.types.is_float16(term.type)
        return low.cast(low.call("sign", low.cast(term, pa.float32()) if half else term), term.type)
    if kind == "rint" and term.family == "int":
        term = low.cast(term, _float_of(term.type))
    if term.family != "float":
        return term
    number, type = _as_floats(low, term)
    if kind == "rint":
        options = pc.RoundOptions(ndigits=0, round_mode="half_to_even")
        return low.cast(low.call("round", number, options=options, type=number.type), type)
    return low.cast(low.call(kind, number, type=number.type), type)


@rule("isnan", "isinf", "isfinite")
def _kind_of(low: Lowering, terms: tuple[Term, ...], kind: str) -> Term:
    """Missing is NaN, as in pandas."""
    (term,) = terms
    _check_number(term, "bool")
    if kind == "isnan":
        return low.is_missing(term)
    if term.family != "float":
        return low.negated(low.is_missing(term)) if kind == "isfinite" else low.constant(False)
    number, _ = _as_floats(low, term)
    return low.true_where(low.call("is_inf" if kind == "isinf" else "is_finite", number, type=pa.bool_()))


@rule("maximum", "minimum", "fmax", "fmin")
def _extreme(low: Lowering, terms: tuple[Term, ...], kind: str) -> Term:
    """Of two the greater or less; what is missing on one side is missing, or with fmax and fmin passed over."""
    one, other = together(low, kind, *terms)
    absent = low.is_missing(one), low.is_missing(other)
    above = RULES["compare"](low, (one, other), ("greater" if kind in ("maximum", "fmax") else "less", False))
    if kind in ("fmax", "fmin"):
        above = low.call("or", above, absent[1], type=pa.bool_())
        return low.choose(above, one, other)
    missing = low.call("or", *absent, type=pa.bool_())
    return low.choose(missing, low.null(one.type), low.choose(above, one, other))


@rule("arctan2")
def _arctan2(low: Lowering, terms: tuple[Term, ...], kind: str) -> Term:
    for term in terms:
        _check_number(term, "bool")
    sides = [low.cast(term, pa.float64()) for term in terms]
    return low.call("atan2", *sides, type=pa.float64())


@rule("logical_and", "logical_or", "logical_xor", "logical_not")
def _logical(low: Lowering, terms: tuple[Term, ...], kind: str) -> Term:
    if any(term.family not in ("bool", "null") for term in terms):
        raise TypeError("it takes truth values here: compare numbers with 0 first")
    operator = kind.removeprefix("logical_")
    return RULES[operator](low, terms, operator)
