"""`FrameOperators`: the operators by name, in the form that pandas' frames have."""

from __future__ import annotations

from typing import Any, Self

from weft.computed import Operators
from weft.naming import Naming

__all__ = ["FrameOperators"]


class FrameOperators(Naming, Operators):
    """``df + other`` and the like by name. `other` is a constant, a list of one constant a column, a dict of column to
    constant (so ``df - df.mean()``), a frame of the same columns and rows, or, with ``axis=0``, a Series of the same
    rows."""

    __slots__ = ()

    def _named(
        self, kind: str, other: Any, axis: Any, level: Any, fill_value: Any = None, swapped: bool = False
    ) -> Self:
        raise NotImplementedError

    def add(self, other: Any, axis: Any = "columns", level: Any = None, fill_value: Any = None) -> Self:
        """``df + other``; with `fill_value` in place of what one side alone is missing."""
        return self._named("add", other, axis, level, fill_value)

    def radd(self, other: Any, axis: Any = "columns", level: Any = None, fill_value: Any = None) -> Self:
        """``other + df``, as `add`."""
        return self._named("add", other, axis, level, fill_value, swapped=True)

    def sub(self, other: Any, axis: Any = "columns", level: Any = None, fill_value: Any = None) -> Self:
        """``df - other``, as `add`."""
        return self._named("subtract", other, axis, level, fill_value)

    def rsub(self, other: Any, axis: Any = "columns", level: Any = None, fill_value: Any = None) -> Self:
        """``other - df``, as `add`."""
        return self._named("subtract", other, axis, level, fill_value, swapped=True)

    def mul(self, other: Any, axis: Any = "columns", level: Any = None, fill_value: Any = None) -> Self:
        """``df * other``, as `add`."""
        return self._named("multiply", other, axis, level, fill_value)

    def rmul(self, other: Any, axis: Any = "columns", level: Any = None, fill_value: Any = None) -> Self:
        """``other * df``, as `add`."""
        return self._named("multiply", other, axis, level, fill_value, swapped=True)

    def truediv(self, other: Any, axis: Any = "columns", level: Any = None, fill_value: Any = None) -> Self:
        """``df / other``, as `add`."""
        return self._named("divide", other, axis, level, fill_value)

    def rtruediv(self, other: Any, axis: Any = "columns", level: Any = None, fill_value: Any = None) -> Self:
        """``other / df``, as `add`."""
        return self._named("divide", other, axis, level, fill_value, swapped=True)

    def floordiv(self, other: Any, axis: Any = "columns", level: Any = None, fill_value: Any = None) -> Self:
        """``df // other``, as `add`."""
        return self._named("floor_divide", other, axis, level, fill_value)

    def rfloordiv(self, other: Any, axis: Any = "columns", level: Any = None, fill_value: Any = None) -> Self:
        """``other // df``, as `add`."""
        return self._named("floor_divide", other, axis, level, fill_value, swapped=True)

    def mod(self, other: Any, axis: Any = "columns", level: Any = None, fill_value: Any = None) -> Self:
        """``df % other``, as `add`."""
        return self._named("modulo", other, axis, level, fill_value)

    def rmod(self, other: Any, axis: Any = "columns", level: Any = None, fill_value: Any = None) -> Self:
        """``other % df``, as `add`."""
        return self._named("modulo", other, axis, level, fill_value, swapped=True)

    def pow(self, other: Any, axis: Any = "columns", level: Any = None, fill_value: Any = None) -> Self:
        """``df ** other``, as `add`."""
        return self._named("power", other, axis, level, fill_value)

    def rpow(self, other: Any, axis: Any = "columns", level: Any = None, fill_value: Any = None) -> Self:
        """``other ** df``, as `add`."""
        return self._named("power", other, axis, level, fill_value, swapped=True)

    #: pandas' other names for the same.
    subtract, multiply, divide, div, rdiv = sub, mul, truediv, truediv, rtruediv

    def eq(self, other: Any, axis: Any = "columns", level: Any = None) -> Self:
        """``df == other``."""
        return self._named("equal", other, axis, level)

    def ne(self, other: Any, axis: Any = "columns", level: Any = None) -> Self:
        """``df != other``."""
        return self._named("not_equal", other, axis, level)

    def lt(self, other: Any, axis: Any = "columns", level: Any = None) -> Self:
        """``df < other``."""
        return self._named("less", other, axis, level)

    def le(self, other: Any, axis: Any = "columns", level: Any = None) -> Self:
        """``df <= other``."""
        return self._named("less_equal", other, axis, level)

    def gt(self, other: Any, axis: Any = "columns", level: Any = None) -> Self:
        """``df > other``."""
        return self._named("greater", other, axis, level)

    def ge(self, other: Any, axis: Any = "columns", level: Any = None) -> Self:
        """``df >= other``."""
        return self._named("greater_equal", other, axis, level)
