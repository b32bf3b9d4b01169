"""NumPy's functions by Weft's names: which reduction ``np.mean`` is, which operation ``np.sqrt`` is.

``np.mean(series)`` calls ``series.mean(axis=None, dtype=None, out=None)``; NumPy's element-wise functions come by
``__array_ufunc__``. Both run here, over all ranks where the operand is bound.
"""

from __future__ import annotations

from typing import Any

__all__ = ["FUNCTIONS", "apply_ufunc", "check_extra", "reduction_of"]

#: Reductions: the name, and what makes it NumPy's. As in pandas 3, np.std and np.var divide by the number of values.
_REDUCTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in ("sum", "prod", "mean", "min", "max", "any", "all", "size")},
    **{f"nan{name}": (name, {}) for name in ("sum", "prod", "mean", "median", "min", "max")},
    **{f"{nan}{name}": (name, {"ddof": 0}) for nan in ("", "nan") for name in ("std", "var")},
    "amin": ("min", {}),
    "amax": ("max", {}),
    "median": ("median", {"skipna": False}),
}

#: Element-wise functions of two operands that are operators here.
_OPERATORS = {
    **{name: name for name in ("add", "subtract", "multiply", "divide", "floor_divide", "power", "maximum", "minimum")},
    **{name: name for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")},
    **{name: name for name in ("fmax", "fmin", "arctan2", "logical_and", "logical_or", "logical_xor")},
    "true_divide": "divide",
    "remainder": "modulo",
    "mod": "modulo",
    "bitwise_and": "and",
    "bitwise_or": "or",
    "bitwise_xor": "xor",
}
#: Of one operand.
FUNCTIONS = {
    **{name: name for name in ("sqrt", "exp", "expm1", "log", "log10", "log2", "log1p", "sin", "cos", "tan")},
    **{name: name for name in ("arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh")},
    **{name: name for name in ("floor", "ceil", "trunc", "rint", "sign", "square", "reciprocal", "fabs")},
    **{name: name for name in ("degrees", "radians", "isnan", "isinf", "isfinite", "logical_not")},
    "rad2deg": "degrees",
    "deg2rad": "radians",
    "absolute": "abs",
    "negative": "negate",
    "invert": "not",
    "bitwise_not": "not",
}
#: What NumPy's functions hand on besides pandas' arguments.
_EXTRA = ("dtype", "out", "keepdims", "initial", "where")


def reduction_of(function: Any) -> tuple[str, dict[str, Any]] | None:
    """The reduction's name and arguments that a function of NumPy means, None for other functions."""
    if not callable(function) or not str(getattr(function, "__module__", "")).startswith("numpy"):
        return None
    import numpy

    name = getattr(function, "__name__", "")
    return _REDUCTIONS.get(name) if getattr(numpy, name, None) is function else None


def check_extra(operation: str, given: dict[str, Any]) -> None:
    """What NumPy's functions hand on to a method has to be at its default."""
    for name, value in given.items():
        if name not in _EXTRA:
            raise TypeError(f"{operation}() got an unexpected keyword argument {name!r}")
        if value is not None and value is not False:
            raise ValueError(f"{operation}: {name}={value!r} is not taken; leave it out and work with the result")


def apply_ufunc(operand: Any, ufunc: Any, method: str, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """What ``ufunc(*inputs)``, of which `operand` is one, is here."""
    name = ufunc.__name__
    # A scalar of NumPy's comes as an array without dimensions.
    inputs = tuple(one[()] if getattr(one, "ndim", None) == 0 and hasattr(one, "__array__") else one for one in inputs)
    if method != "__call__":
        raise TypeError(f"np.{name}.{method} takes NumPy's arrays alone: use .to_numpy(), or a method of its own")
    given = {key: value for key, value in options.items() if value is not None}
    if given:
        raise TypeError(f"np.{name}: {', '.join(given)}= is not taken; use the result, or .to_numpy()")
    if len(inputs) == 1 and name == "positive":
        return operand
    if len(inputs) == 1 and name in FUNCTIONS:
        return operand._apply(FUNCTIONS[name])
    if len(inputs) == 2 and name in _OPERATORS:
        first, second = inputs
        kind = _OPERATORS[name]
        return operand._apply(kind, second) if first is operand else operand._applied_to(kind, first)
    raise TypeError(
        f"np.{name} has no counterpart here: use .map(np.{name}), which calls it value by value, or .to_numpy(), which "
        "is this rank's rows"
    )
