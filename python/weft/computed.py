"""`Operators` and `Computed`: what expressions, Series and frames are computed with.

Each method says which kind of operation it is of which operands. An `Expression` makes a tree of that; a `Series`
makes the same tree over its own column and evaluates it; a frame does that for each of its columns.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Self

from weft.arguments import refuse
from weft.numpy_functions import check_extra
from weft.piping import Piped, piped

if TYPE_CHECKING:
    from weft.datetimes import Datetimes
    from weft.strings import Strings

__all__ = ["ABSENT", "Computed", "Operators", "replacements"]

#: Stands for an argument that was not given, where None means something.
ABSENT: Any = type("Absent", (), {"__repr__": lambda self: "<absent>"})()

_UNCHANGING = "values do not change in place: use the result"
_NO_LEVELS = "there are no multi-level indexes"


class Operators:
    """Arithmetic, comparison, logic and the choosing of values, a row at a time: what expressions, Series and frames
    have. Missing values are as in pandas: a comparison with one is False, ``!=`` is True, arithmetic with one is
    missing."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def _apply(self, kind: builtins.str, *operands: Any, detail: Any = None) -> Self:
        """The operation `kind` of this and the operands."""
        raise NotImplementedError

    def _applied_to(self, kind: builtins.str, first: Any) -> Self:
        """The operation `kind` of `first` and this."""
        raise NotImplementedError

    def __array_ufunc__(self, ufunc: Any, method: builtins.str, /, *inputs: Any, **options: Any) -> Any:
        """NumPy's functions, ``np.sqrt(self)``, and its operators, ``array * self``, are computed here."""
        from weft.numpy_functions import apply_ufunc

        return apply_ufunc(self, ufunc, method, inputs, options)

    # -- operators -----------------------------------------------------------------------------------------------

    def __eq__(self, other: object) -> Self:  # type: ignore[override]
        return self._apply("equal", other)

    def __ne__(self, other: object) -> Self:  # type: ignore[override]
        return self._apply("not_equal", other)

    def __lt__(self, other: Any) -> Self:
        return self._apply("less", other)

    def __le__(self, other: Any) -> Self:
        return self._apply("less_equal", other)

    def __gt__(self, other: Any) -> Self:
        return self._apply("greater", other)

    def __ge__(self, other: Any) -> Self:
        return self._apply("greater_equal", other)

    def __add__(self, other: Any) -> Self:
        return self._apply("add", other)

    def __radd__(self, other: Any) -> Self:
        return self._applied_to("add", other)

    def __sub__(self, other: Any) -> Self:
        return self._apply("subtract", other)

    def __rsub__(self, other: Any) -> Self:
        return self._applied_to("subtract", other)

    def __mul__(self, other: Any) -> Self:
        return self._apply("multiply", other)

    def __rmul__(self, other: Any) -> Self:
        return self._applied_to("multiply", other)

    def __truediv__(self, other: Any) -> Self:
        return self._apply("divide", other)

    def __rtruediv__(self, other: Any) -> Self:
        return self._applied_to("divide", other)

    def __floordiv__(self, other: Any) -> Self:
        return self._apply("floor_divide", other)

    def __rfloordiv__(self, other: Any) -> Self:
        return self._applied_to("floor_divide", other)

    def __mod__(self, other: Any) -> Self:
        return self._apply("modulo", other)

    def __rmod__(self, other: Any) -> Self:
        return self._applied_to("modulo", other)

    def __divmod__(self, other: Any) -> tuple[Self, Self]:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> tuple[Self, Self]:
        return other // self, other % self

    def __pow__(self, other: Any) -> Self:
        return self._apply("power", other)

    def __rpow__(self, other: Any) -> Self:
        return self._applied_to("power", other)

    def __and__(self, other: Any) -> Self:
        return self._apply("and", other)

    def __rand__(self, other: Any) -> Self:
        return self._applied_to("and", other)

    def __or__(self, other: Any) -> Self:
        return self._apply("or", other)

    def __ror__(self, other: Any) -> Self:
        return self._applied_to("or", other)

    def __xor__(self, other: Any) -> Self:
        return self._apply("xor", other)

    def __rxor__(self, other: Any) -> Self:
        return self._applied_to("xor", other)

    def __neg__(self) -> Self:
        return self._apply("negate")

    def __pos__(self) -> Self:
        return self

    def __invert__(self) -> Self:
        return self._apply("not")

    def __abs__(self) -> Self:
        return self.abs()

    def abs(self) -> Self:
        """Without the sign. The smallest integer of a type stays what it is, as in NumPy."""
        return self._apply("abs")

    # -- conditions ----------------------------------------------------------------------------------------------

    def isna(self) -> Self:
        """True where the value is missing: null or NaN."""
        return self._apply("is_null")

    def notna(self) -> Self:
        """True where the value is there."""
        return self._apply("not_null")

    #: The same by other names of pandas and Arrow.
    isnull = is_null = isna
    notnull = is_not_null = notna

    # -- other values --------------------------------------------------------------------------------------------

    def where(
        self, cond: Any, other: Any = None, *, inplace: bool = False, axis: Any = None, level: Any = None
    ) -> Self:
        """The values where `cond` is true, elsewhere `other` (default: missing). Where `cond` is missing it counts as
        False."""
        refuse(
            "where",
            inplace=(inplace, False, _UNCHANGING),
            axis=(axis, None, "rows go by position"),
            level=(level, None, _NO_LEVELS),
        )
        return self._apply("where", self._called(cond), self._called(other))

    def mask(self, cond: Any, other: Any = None, *, inplace: bool = False, axis: Any = None, level: Any = None) -> Self:
        """The values where `cond` is not true, elsewhere `other` (default: missing)."""
        refuse(
            "mask",
            inplace=(inplace, False, _UNCHANGING),
            axis=(axis, None, "rows go by position"),
            level=(level, None, _NO_LEVELS),
        )
        return self._apply("mask", self._called(cond), self._called(other))

    def pipe(self, func: Piped, *args: Any, **kwargs: Any) -> Any:
        """``func(self, *args, **kwargs)``; or of a pair of function and name, with this as the argument so named."""
        return piped(self, func, args, kwargs)

    def _called(self, value: Any) -> Any:
        return value(self) if callable(value) and not isinstance(value, Operators) else value

    def clip(
        self, lower: Any = None, upper: Any = None, *, axis: Any = None, inplace: bool = False, **extra: Any
    ) -> Self:
        """No less than `lower`, no more than `upper`; a bound that is missing does not bind."""
        check_extra("clip", extra)
        refuse("clip", inplace=(inplace, False, _UNCHANGING), axis=(axis, None, "rows go by position"))
        return self._apply("clip", lower, upper)


class Computed(Operators):
    """What is computed with one column: an expression or a Series."""

    __slots__ = ()

    def __round__(self, decimals: int | None = None) -> Self:
        return self.round(0 if decimals is None else decimals)

    def round(self, decimals: int = 0, **extra: Any) -> Self:
        """To so many digits behind the point, halves to the even one; before it where `decimals` is negative."""
        check_extra("round", extra)
        if isinstance(decimals, bool) or not hasattr(decimals, "__index__"):
            raise TypeError(f"round: decimals={decimals!r} is no integer")
        return self._apply("round", detail=int(decimals))

    def isin(self, values: Any) -> Self:
        """True where the value is one of `values`, a list or the like; a missing one among them stands for all
        missing values."""
        if isinstance(values, str | bytes | Mapping) or not hasattr(values, "__iter__"):
            raise TypeError(f"isin takes a list of values, not {type(values).__name__}")
        return self._apply("isin", detail=list(values))

    def between(self, left: Any, right: Any, inclusive: Literal["both", "neither", "left", "right"] = "both") -> Self:
        """True where ``left <= self <= right``, the ends included as told."""
        if inclusive not in ("both", "neither", "left", "right"):
            raise ValueError(f"between: inclusive={inclusive!r} is unknown; it is both, neither, left or right")
        low = "greater_equal" if inclusive in ("both", "left") else "greater"
        high = "less_equal" if inclusive in ("both", "right") else "less"
        return self._apply("between", left, right, detail=(low, high))

    def fillna(self, value: Any, *, axis: Any = None, inplace: bool = False, limit: int | None = None) -> Self:
        """`value` where there is none: null or NaN."""
        refuse(
            "fillna",
            inplace=(inplace, False, _UNCHANGING),
            axis=(axis, None, "there is but one axis"),
            limit=(limit, None, "it would count over rows"),
        )
        if value is None:
            raise ValueError("fillna: value is None; name what to fill with")
        if isinstance(value, Mapping):
            raise ValueError("fillna: a dict's keys are labels of rows, which there are not; name one value")
        return self._apply("fill", value, detail="fillna")

    # -- the operators by name -----------------------------------------------------------------------------------

    def _named(
        self, kind: builtins.str, other: Any, level: Any, fill_value: Any, axis: Any, swapped: bool = False
    ) -> Self:
        refuse(
            kind,
            level=(level, None, _NO_LEVELS),
            axis=(0 if axis in (0, "index") else axis, 0, "there is but one axis"),
        )
        if fill_value is not None:
            # Only where one side is there.
            return self._apply("filled", other, fill_value, detail=(kind, swapped))
        return self._applied_to(kind, other) if swapped else self._apply(kind, other)

    def add(self, other: Any, level: Any = None, fill_value: Any = None, axis: Any = 0) -> Self:
        """``self + other``; with `fill_value` in place of what one side alone is missing."""
        return self._named("add", other, level, fill_value, axis)

    def radd(self, other: Any, level: Any = None, fill_value: Any = None, axis: Any = 0) -> Self:
        """``other + self``, as `add`."""
        return self._named("add", other, level, fill_value, axis, swapped=True)

    def sub(self, other: Any, level: Any = None, fill_value: Any = None, axis: Any = 0) -> Self:
        """``self - other``, as `add`."""
        return self._named("subtract", other, level, fill_value, axis)

    def rsub(self, other: Any, level: Any = None, fill_value: Any = None, axis: Any = 0) -> Self:
        """``other - self``, as `add`."""
        return self._named("subtract", other, level, fill_value, axis, swapped=True)

    def mul(self, other: Any, level: Any = None, fill_value: Any = None, axis: Any = 0) -> Self:
        """``self * other``, as `add`."""
        return self._named("multiply", other, level, fill_value, axis)

    def rmul(self, other: Any, level: Any = None, fill_value: Any = None, axis: Any = 0) -> Self:
        """``other * self``, as `add`."""
        return self._named("multiply", other, level, fill_value, axis, swapped=True)

    def truediv(self, other: Any, level: Any = None, fill_value: Any = None, axis: Any = 0) -> Self:
        """``self / other``, as `add`."""
        return self._named("divide", other, level, fill_value, axis)

    def rtruediv(self, other: Any, level: Any = None, fill_value: Any = None, axis: Any = 0) -> Self:
        """``other / self``, as `add`."""
        return self._named("divide", other, level, fill_value, axis, swapped=True)

    def floordiv(self, other: Any, level: Any = None, fill_value: Any = None, axis: Any = 0) -> Self:
        """``self // other``, as `add`."""
        return self._named("floor_divide", other, level, fill_value, axis)

    def rfloordiv(self, other: Any, level: Any = None, fill_value: Any = None, axis: Any = 0) -> Self:
        """``other // self``, as `add`."""
        return self._named("floor_divide", other, level, fill_value, axis, swapped=True)

    def mod(self, other: Any, level: Any = None, fill_value: Any = None, axis: Any = 0) -> Self:
        """``self % other``, as `add`."""
        return self._named("modulo", other, level, fill_value, axis)

    def rmod(self, other: Any, level: Any = None, fill_value: Any = None, axis: Any = 0) -> Self:
        """``other % self``, as `add`."""
        return self._named("modulo", other, level, fill_value, axis, swapped=True)

    def pow(self, other: Any, level: Any = None, fill_value: Any = None, axis: Any = 0) -> Self:
        """``self ** other``, as `add`."""
        return self._named("power", other, level, fill_value, axis)

    def rpow(self, other: Any, level: Any = None, fill_value: Any = None, axis: Any = 0) -> Self:
        """``other ** self``, as `add`."""
        return self._named("power", other, level, fill_value, axis, swapped=True)

    def divmod(self, other: Any, level: Any = None, fill_value: Any = None, axis: Any = 0) -> tuple[Self, Self]:
        """``self // other`` and ``self % other``, as `add`."""
        return self.floordiv(other, level, fill_value, axis), self.mod(other, level, fill_value, axis)

    def rdivmod(self, other: Any, level: Any = None, fill_value: Any = None, axis: Any = 0) -> tuple[Self, Self]:
        """``other // self`` and ``other % self``, as `add`."""
        return self.rfloordiv(other, level, fill_value, axis), self.rmod(other, level, fill_value, axis)

    #: pandas' other names for the same.
    subtract, multiply, divide, div, rdiv = sub, mul, truediv, truediv, rtruediv

    def eq(self, other: Any, level: Any = None, fill_value: Any = None, axis: Any = 0) -> Self:
        """``self == other``, as `add`."""
        return self._named("equal", other, level, fill_value, axis)

    def ne(self, other: Any, level: Any = None, fill_value: Any = None, axis: Any = 0) -> Self:
        """``self != other``, as `add`."""
        return self._named("not_equal", other, level, fill_value, axis)

    def lt(self, other: Any, level: Any = None, fill_value: Any = None, axis: Any = 0) -> Self:
        """``self < other``, as `add`."""
        return self._named("less", other, level, fill_value, axis)

    def le(self, other: Any, level: Any = None, fill_value: Any = None, axis: Any = 0) -> Self:
        """``self <= other``, as `add`."""
        return self._named("less_equal", other, level, fill_value, axis)

    def gt(self, other: Any, level: Any = None, fill_value: Any = None, axis: Any = 0) -> Self:
        """``self > other``, as `add`."""
        return self._named("greater", other, level, fill_value, axis)

    def ge(self, other: Any, level: Any = None, fill_value: Any = None, axis: Any = 0) -> Self:
        """``self >= other``, as `add`."""
        return self._named("greater_equal", other, level, fill_value, axis)

    def replace(
        self, to_replace: Any = None, value: Any = ABSENT, *, inplace: bool = False, regex: Any = False
    ) -> Self:
        """Other values in place of some: ``replace(1, 2)``, ``replace([1, 2], 0)``, ``replace([1, 2], [3, 4])``,
        ``replace({1: 2, 2: 1})``. All at once: what was put in is not replaced again."""
        refuse(
            "replace",
            inplace=(inplace, False, _UNCHANGING),
            regex=(regex, False, "replace in texts by .str.replace(..., regex=True)"),
        )
        return self._apply("lookup", detail=(replacements(to_replace, value), "replace", True))

    def astype(self, dtype: Any, copy: Any = ABSENT, errors: Literal["raise"] = "raise") -> Self:
        """The values as another type, by the name that pandas, NumPy, Python or Arrow have for it.

        Floats to integers lose what is behind the point. Missing stays missing, whatever the type. What the type cannot
        hold is a ValueError.
        """
        from weft.dtypes import of_name

        refuse(
            "astype",
            copy=(copy, ABSENT, "frames do not change, so nothing needs a copy"),
            errors=(errors, "raise", "a value that does not fit is an error"),
        )
        return self._apply("astype", detail=of_name(dtype, "astype"))

    #: Arrow's name for the same.
    def cast(self, type: Any) -> Self:
        """The same as `astype`."""
        return self.astype(type)

    def map(self, func: Any = None, na_action: Literal["ignore"] | None = None, engine: Any = None) -> Self:
        """The values of a dict, by key; what is no key becomes missing."""
        refuse("map", engine=(engine, None, "there is but one"))
        if na_action not in (None, "ignore"):
            raise ValueError(f"map: na_action={na_action!r} is unknown; it is None or 'ignore'")
        if isinstance(func, Mapping):
            pairs = list(func.items())
            if na_action == "ignore":
                from weft.lowering import is_missing

                pairs = [(key, value) for key, value in pairs if not is_missing(key)]
            return self._apply("lookup", detail=(pairs, "map", False))
        return self._map_function(func, na_action)

    def _map_function(self, func: Callable[[Any], Any], na_action: builtins.str | None) -> Self:
        raise TypeError(f"map takes a dict here, not {type(func).__name__}; df[...] has map for functions")

    # -- by type -------------------------------------------------------------------------------------------------

    @property
    def str(self) -> Strings[Self]:
        """Operations on texts, as pandas' ``.str``."""
        from weft.strings import Strings

        return Strings(self)

    @property
    def dt(self) -> Datetimes[Self]:
        """Operations on moments, dates and durations, as pandas' ``.dt``."""
        from weft.datetimes import Datetimes

        return Datetimes(self)


def replacements(to_replace: Any, value: Any) -> list[tuple[Any, Any]]:
    """The pairs (old, new) of pandas' ``replace(to_replace, value)``."""
    listed = isinstance(to_replace, list | tuple)
    if isinstance(to_replace, Mapping):
        if value is not ABSENT:
            raise ValueError("replace: with a dict there is no value; it names the new values itself")
        return list(to_replace.items())
    if value is ABSENT:
        raise ValueError("replace: name the value to put in, or give a dict of old to new")
    if isinstance(value, list | tuple):
        if not listed or len(value) != len(to_replace):
            raise ValueError("replace: value is a list, and to_replace is none of the same length")
        return list(zip(to_replace, value, strict=True))
    return [(old, value) for old in to_replace] if listed else [(to_replace, value)]
