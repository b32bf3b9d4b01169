"""What a frame has once a column: `ByColumn`, the values of reductions, and `ColumnNames`."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from weft.computed import Operators

__all__ = ["ByColumn", "ColumnNames"]

#: What column names have of pandas' index beside what a list has.
_OF_INDEX = {
    "difference", "drop", "duplicated", "get_loc", "intersection", "is_unique", "isin", "map", "size", "str",
    "symmetric_difference", "to_list", "to_numpy", "tolist", "union", "unique", "values",
}  # fmt: skip


class ColumnNames(list[str]):
    """A list of names that has, too, what is most used of pandas' index: ``tolist()``, ``str.lower()``,
    ``difference(...)`` and others, which give what pandas gives."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        import pandas

        if name not in _OF_INDEX:
            raise AttributeError(f"names of columns are a list, which has no {name!r}")
        return getattr(pandas.Index(list(self)), name)


class ByColumn(dict[str, Any]):
    """A dict of column to value, the same on every rank, that goes on as pandas' Series of these does: arithmetic and
    comparison with a constant, or by name with another, give one more (``==`` and ``!=`` are the dict's);
    ``values[["a", "b"]]`` and ``values[values > 0]`` are some of them; ``sort_values()``, ``round()``, ``index`` and
    what else a `Series` has are those of the local ``weft.Series(values)``. Nothing here is collective."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        from weft.series import Series

        if name.startswith("_") or not hasattr(Series, name):
            raise AttributeError(f"values by column have no {name!r}: they are a dict, and have what a Series has")
        try:
            series = Series(dict(self))
        except (TypeError, ValueError) as problem:
            raise AttributeError(f"values by column have no {name!r}, for they are no Series: {problem}") from None
        return getattr(series, name)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, ByColumn):
            return ByColumn({name: value for name, value in self.items() if key[name]})
        return ByColumn({name: self[name] for name in key}) if isinstance(key, list) else super().__getitem__(key)

    def _with(self, operation: Callable[[Any, Any], Any], other: Any, swapped: bool = False) -> Any:
        import pandas

        if isinstance(other, Operators):
            # A frame knows by itself what to do with a dict.
            return NotImplemented
        own = pandas.Series(dict(self))
        side = pandas.Series(dict(other)) if isinstance(other, dict) else other
        made = operation(side, own) if swapped else operation(own, side)
        return ByColumn({str(name): value for name, value in made.to_dict().items()})

    def __add__(self, other: Any) -> Any:
        return self._with(operator.add, other)

    def __radd__(self, other: Any) -> Any:
        return self._with(operator.add, other, swapped=True)

    def __sub__(self, other: Any) -> Any:
        return self._with(operator.sub, other)

    def __rsub__(self, other: Any) -> Any:
        return self._with(operator.sub, other, swapped=True)

    def __mul__(self, other: Any) -> Any:
        return self._with(operator.mul, other)

    def __rmul__(self, other: Any) -> Any:
        return self._with(operator.mul, other, swapped=True)

    def __truediv__(self, other: Any) -> Any:
        return self._with(operator.truediv, other)

    def __rtruediv__(self, other: Any) -> Any:
        return self._with(operator.truediv, other, swapped=True)

    def __pow__(self, other: Any) -> Any:
        return self._with(operator.pow, other)

    def __lt__(self, other: Any) -> Any:
        return self._with(operator.lt, other)

    def __le__(self, other: Any) -> Any:
        return self._with(operator.le, other)

    def __gt__(self, other: Any) -> Any:
        return self._with(operator.gt, other)

    def __ge__(self, other: Any) -> Any:
        return self._with(operator.ge, other)
