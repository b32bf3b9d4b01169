"""Expressions over columns: ``weft.col("delay") > 15``.

They answer as pandas does: a comparison with a missing value (null or NaN) is False, ``!=`` is True, so that conditions
are True or False and ``~`` turns one into the other. Arithmetic with a missing value is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from weft import _core
from weft.computed import Computed

if TYPE_CHECKING:
    from weft.lowering import Lowering

__all__ = ["Expression", "col", "lit", "lowering"]


class Expression(Computed):
    """A tree of columns, constants and operations; made by `col`, `lit` and operators, evaluated by a frame.

    Comparison (``== != < <= > >=``), arithmetic (``+ - * / // % **`` and unary ``-``), logic (``& | ^ ~`` on
    conditions), and by name what a `Series` has: `isin`, `isna`, `where`, `fillna`, `astype`, ``.str``, ``.dt`` ... Not
    ``and``, ``or``, ``not``: Python cannot hand those over.
    """

    __slots__ = ("arguments", "detail", "kind")

    def __init__(self, kind: str, arguments: tuple[Expression, ...] = (), detail: Any = None) -> None:
        self.kind = kind
        self.arguments = arguments
        self.detail = detail

    def _apply(self, kind: str, *operands: Any, detail: Any = None) -> Self:
        return type(self)(kind, (self, *(expression_of(operand) for operand in operands)), detail)

    def _applied_to(self, kind: str, first: Any) -> Self:
        return type(self)(kind, (expression_of(first), self))

    def __bool__(self) -> bool:
        raise TypeError("an expression has no truth value before a frame evaluates it: use & | ~ for and, or, not")

    def __repr__(self) -> str:
        if self.kind == "column":
            return f"col({self.detail!r})"
        if self.kind == "literal":
            return repr(self.detail)
        inner = ", ".join(repr(argument) for argument in self.arguments)
        return f"{self.kind}({inner})" if self.detail is None else f"{self.kind}({inner}, {self.detail!r})"

    # -- what the frame needs ------------------------------------------------------------------------------------

    def columns(self) -> set[str]:
        """Names of the columns it reads."""
        if self.kind == "column":
            return {self.detail}
        return set().union(*(argument.columns() for argument in self.arguments))

    def lower(self, as_filter: bool = False) -> _core.Expression:
        """The C++ expression for a reader, which knows no types yet."""
        return lowering(None).whole(self, as_filter)


def lowering(table: _core.Table | None) -> Lowering:
    """Lowers expressions over the columns of `table`; it has every rule."""
    from weft import arithmetic, casting, datetime_rules, mathematics, string_rules  # noqa: F401
    from weft.lowering import Lowering

    return Lowering(table)


def expression_of(value: Any) -> Expression:
    """An operand of an expression: another one, or a constant."""
    return value if isinstance(value, Expression) else lit(value)


def _scalar_of(value: Any) -> Any:
    """A Timestamp or Timedelta of pandas in its own unit, which Arrow by itself would cut."""
    import numpy
    import pyarrow as pa

    scalar = pa.array(numpy.array([value.asm8]))[0]
    zone = getattr(value, "tz", None)
    return (
        scalar
        if zone is None
        else scalar.cast(pa.timestamp(scalar.type.unit, "UTC")).cast(
            pa.timestamp(scalar.type.unit, pa.lib.tzinfo_to_string(zone))
        )
    )


def col(col_name: str) -> Expression:
    """The column of this name."""
    if not isinstance(col_name, str):
        raise TypeError(f"weft.col takes the name of a column, not {type(col_name).__name__}")
    return Expression("column", detail=col_name)


def lit(value: Any) -> Expression:
    """A constant: bool, number, text, bytes, date, time, datetime, timedelta, Decimal, NumPy or Arrow scalar."""
    from weft.lowering import to_array

    if isinstance(value, list | tuple | dict | set | Computed) or (
        hasattr(value, "__len__") and not isinstance(value, str | bytes)
    ):
        raise TypeError(f"a {type(value).__name__} cannot be a constant of an expression; for a list use isin")
    if type(value).__name__ == "NAType":
        value = None
    if hasattr(value, "asm8"):
        value = _scalar_of(value)
    if not isinstance(value, bool | int | float | str | type(None)):
        to_array([value])
    return Expression("literal", detail=value)
