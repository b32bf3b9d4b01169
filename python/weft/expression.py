"""Expressions over columns: ``weft.col("delay") > 15``.

They answer as pandas does: a comparison with a missing value (null or NaN) is False, ``!=`` is True, so that conditions
are True or False and ``~`` turns one into the other. Arithmetic with a missing value is missing.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from weft import _core

__all__ = ["Expression", "col", "lit"]

_MIRRORED = {
    "equal": "equal",
    "not_equal": "not_equal",
    "less": "greater",
    "less_equal": "greater_equal",
    "greater": "less",
    "greater_equal": "less_equal",
}


class Expression:
    """A tree of columns, constants and operations; made by `col`, `lit` and operators, evaluated by a frame.

    Comparison (``== != < <= > >=``), arithmetic (``+ - * / **`` and unary ``-``), logic (``& | ~`` on conditions),
    `isin`, `is_null`, `is_not_null`, `cast`. Not ``and``, ``or``, ``not``: Python cannot hand those over.
    """

    __slots__ = ("_arguments", "_detail", "_kind")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, kind: str, arguments: tuple[Expression, ...] = (), detail: Any = None) -> None:
        self._kind = kind
        self._arguments = arguments
        self._detail = detail

    # -- building ------------------------------------------------------------------------------------------------

    def _binary(self, kind: str, other: Any, swapped: bool = False) -> Expression:
        right = other if isinstance(other, Expression) else lit(other)
        return Expression(kind, (right, self) if swapped else (self, right))

    def __eq__(self, other: object) -> Expression:  # type: ignore[override]
        return self._binary("equal", other)

    def __ne__(self, other: object) -> Expression:  # type: ignore[override]
        return self._binary("not_equal", other)

    def __lt__(self, other: Any) -> Expression:
        return self._binary("less", other)

    def __le__(self, other: Any) -> Expression:
        return self._binary("less_equal", other)

    def __gt__(self, other: Any) -> Expression:
        return self._binary("greater", other)

    def __ge__(self, other: Any) -> Expression:
        return self._binary("greater_equal", other)

    def __add__(self, other: Any) -> Expression:
        return self._binary("add", other)

    def __radd__(self, other: Any) -> Expression:
        return self._binary("add", other, swapped=True)

    def __sub__(self, other: Any) -> Expression:
        return self._binary("subtract", other)

    def __rsub__(self, other: Any) -> Expression:
        return self._binary("subtract", other, swapped=True)

    def __mul__(self, other: Any) -> Expression:
        return self._binary("multiply", other)

    def __rmul__(self, other: Any) -> Expression:
        return self._binary("multiply", other, swapped=True)

    def __truediv__(self, other: Any) -> Expression:
        return self._binary("divide", other)

    def __rtruediv__(self, other: Any) -> Expression:
        return self._binary("divide", other, swapped=True)

    def __pow__(self, other: Any) -> Expression:
        return self._binary("power", other)

    def __rpow__(self, other: Any) -> Expression:
        return self._binary("power", other, swapped=True)

    def __neg__(self) -> Expression:
        return Expression("negate", (self,))

    def __and__(self, other: Any) -> Expression:
        return self._binary("and", other)

    def __rand__(self, other: Any) -> Expression:
        return self._binary("and", other, swapped=True)

    def __or__(self, other: Any) -> Expression:
        return self._binary("or", other)

    def __ror__(self, other: Any) -> Expression:
        return self._binary("or", other, swapped=True)

    def __invert__(self) -> Expression:
        return Expression("not", (self,))

    def __bool__(self) -> bool:
        raise TypeError("an expression has no truth value before a frame evaluates it: use & | ~ for and, or, not")

    def isin(self, values: Collection[Any]) -> Expression:
        """True where the value is one of `values`; None or NaN among them stands for a missing value."""
        if isinstance(values, str | bytes) or not hasattr(values, "__iter__"):
            raise TypeError(f"isin takes a list of values, not {type(values).__name__}")
        return Expression("isin", (self,), list(values))

    def is_null(self) -> Expression:
        """True where the value is missing: null or NaN."""
        return Expression("is_null", (self,))

    def is_not_null(self) -> Expression:
        """True where the value is there."""
        return ~self.is_null()

    #: pandas' names for the same.
    isna = isnull = is_null
    notna = notnull = is_not_null

    def cast(self, type: Any) -> Expression:
        """The values as another Arrow type (a ``pyarrow.DataType``, or its name such as ``"float64"``)."""
        import pyarrow as pa

        return Expression("cast", (self,), pa.type_for_alias(type) if isinstance(type, str) else type)

    def __repr__(self) -> str:
        if self._kind == "column":
            return f"col({self._detail!r})"
        if self._kind == "literal":
            return repr(self._detail)
        inner = ", ".join(repr(argument) for argument in self._arguments)
        return f"{self._kind}({inner})" if self._detail is None else f"{self._kind}({inner}, {self._detail!r})"

    # -- what the frame needs ------------------------------------------------------------------------------------

    def columns(self) -> set[str]:
        """Names of the columns it reads."""
        if self._kind == "column":
            return {self._detail}
        return set().union(*(argument.columns() for argument in self._arguments))

    def lower(self, as_filter: bool = False) -> _core.Expression:
        """The C++ expression.

        `as_filter`: it chooses rows, where missing is as good as False; so nothing is added that would keep Parquet's
        statistics from being used.
        """
        if self._kind == "column":
            return _core.Expression.field(self._detail)
        if self._kind == "literal":
            return _core.Expression.literal(_array([self._detail]))
        if self._kind in _MIRRORED:
            return self._lower_comparison(as_filter)
        if self._kind in ("and", "or"):
            sides = [argument.lower(as_filter) for argument in self._arguments]
            return _core.Expression.call(f"{self._kind}_kleene", sides)
        if self._kind == "not":
            return _core.Expression.call("invert", [self._arguments[0].lower()])
        argument = self._arguments[0].lower()
        if self._kind == "isin":
            return self._lower_isin(argument)
        if self._kind == "is_null":
            return _core.Expression.is_null(argument, True)
        if self._kind == "cast":
            import pyarrow as pa

            return _core.Expression.cast(argument, pa.schema([pa.field("", self._detail)]))
        arguments = [argument, *(other.lower() for other in self._arguments[1:])]
        if self._kind == "divide":
            # pandas' division is true division, whatever the types.
            one = _core.Expression.literal(_array([1.0]))
            arguments[0] = _core.Expression.call("multiply", [arguments[0], one])
        return _core.Expression.call(self._kind, arguments)

    def _lower_comparison(self, as_filter: bool) -> _core.Expression:
        left, right = self._arguments
        missing = [side for side in (left, right) if side._kind == "literal" and _is_missing(side._detail)]
        if missing:
            # A comparison with a missing constant has the same answer in every row.
            return _core.Expression.literal(_array([self._kind == "not_equal"]))
        compared = _core.Expression.call(self._kind, [left.lower(), right.lower()])
        if self._kind != "not_equal" and as_filter:
            return compared
        return _core.Expression.call(
            "coalesce", [compared, _core.Expression.literal(_array([self._kind == "not_equal"]))]
        )

    def _lower_isin(self, argument: _core.Expression) -> _core.Expression:
        there = [value for value in self._detail if not _is_missing(value)]
        found = _core.Expression.is_in(argument, _array(there)) if there else None
        if len(there) == len(self._detail):
            return found if found is not None else _core.Expression.literal(_array([False]))
        null = _core.Expression.is_null(argument, True)
        return null if found is None else _core.Expression.call("or_kleene", [found, null])


def _is_missing(value: Any) -> bool:
    if value is None:
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):
        return type(value).__name__ == "NAType"


def _array(values: list[Any]) -> Any:
    """An Arrow array of constants."""
    import pyarrow as pa

    try:
        if len(values) == 1 and isinstance(values[0], pa.Scalar):
            return pa.repeat(values[0], 1)
        plain = [value.as_py() if isinstance(value, pa.Scalar) else value for value in values]
        if any(type(value).__name__ == "datetime64" for value in plain):
            import numpy

            # A date alone is a moment of that day: NumPy's days compare with timestamps as pandas' do.
            return pa.array(numpy.array(plain, dtype="datetime64[us]"))
        return pa.array(plain)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as problem:
        raise TypeError(f"{values!r} cannot be a constant of an expression: {problem}") from None


def col(name: str) -> Expression:
    """The column `name`."""
    if not isinstance(name, str):
        raise TypeError(f"weft.col takes the name of a column, not {type(name).__name__}")
    return Expression("column", detail=name)


def lit(value: Any) -> Expression:
    """A constant: bool, number, text, bytes, date, time, datetime, timedelta, Decimal, NumPy or Arrow scalar."""
    if isinstance(value, list | tuple | dict | set) or (
        hasattr(value, "__len__") and not isinstance(value, str | bytes)
    ):
        raise TypeError(f"a {type(value).__name__} cannot be a constant of an expression; for a list use isin")
    return Expression("literal", detail=value)
