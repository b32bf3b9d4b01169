"""From the tree of an expression to `_core.Expression`: what a pandas operation means in Arrow's functions.

What an operation means depends on the types of its operands, so lowering goes from the leaves up and knows the type of
every term. A rule a kind of operation; the rules lie with their topic (`arithmetic.py`, `strings.py`, `datetimes.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from weft import _core
from weft.dtypes import dense, family

if TYPE_CHECKING:
    from weft.expression import Expression

__all__ = ["RULES", "Lowering", "Term", "is_missing", "rule", "to_array"]

#: A rule: (lowering, the lowered arguments, the expression's detail or else its kind) -> the term.
Rule = Callable[["Lowering", tuple["Term", ...], Any], "Term"]
RULES: dict[str, Rule] = {}

_ABSENT = object()


def rule(*kinds: str) -> Callable[[Rule], Rule]:
    """Registers how expressions of these kinds are lowered."""

    def register(function: Rule) -> Rule:
        for kind in kinds:
            RULES[kind] = function
        return function

    return register


class Term:
    """A lowered expression and its type; a constant's value too."""

    __slots__ = ("_type", "core", "lowering", "value")

    def __init__(
        self, lowering: Lowering, core: _core.Expression, type: pa.DataType | None = None, value: Any = _ABSENT
    ) -> None:
        self.lowering = lowering
        self._type = type
        self.core = core
        self.value = value

    @property
    def is_constant(self) -> bool:
        return self.value is not _ABSENT

    @property
    def is_missing(self) -> bool:
        """Whether it is a constant that is missing."""
        return self.is_constant and is_missing(self.value)

    @property
    def type(self) -> pa.DataType:
        if self._type is None:
            self._type = self.lowering.type_of(self.core)
        return self._type

    @property
    def family(self) -> str:
        return family(self.type)


def _check_pattern(function: str, options: Any) -> None:
    """A pattern that is none is a ValueError here, on every rank, not only where there are rows."""
    import pyarrow.compute as pc

    try:
        pc.call_function(function, [pa.array([""])], options=options)
    except pa.ArrowInvalid as problem:
        raise ValueError(str(problem)) from None


class Lowering:
    """Lowers expressions over the columns of one table.

    Without a table, as for the filters of a reader, types are not known: comparison, logic and plain arithmetic are
    Arrow's own then, and what depends on types is a TypeError.
    """

    def __init__(self, table: _core.Table | None = None) -> None:
        self.table = None if table is None else table.slice(0, 0)
        self._schema: pa.Schema | None = None if table is None else pa.schema(table)
        #: Whether evaluating can fail on some row, so that ranks must agree on the outcome.
        self.fallible = False

    @property
    def typed(self) -> bool:
        return self.table is not None

    def type_of(self, core: _core.Expression) -> pa.DataType:
        """The type of what it evaluates to."""
        if self.table is None:
            raise TypeError(
                "this operation depends on the columns' types, which a reader's filters do not know yet: read first, "
                "then filter"
            )
        return pa.schema(_core.project(self.table, None, ["0"], [core])).field(0).type

    # -- making terms --------------------------------------------------------------------------------------------

    def call(self, function: str, *arguments: Term, options: Any = None, type: pa.DataType | None = None) -> Term:
        """A function of Arrow's or of kernels/functions.h; `options` is one of pyarrow.compute's."""
        if "_regex" in function:
            _check_pattern(function, options)
        core = _core.Expression.call(function, [argument.core for argument in arguments], options)
        return Term(self, core, type)

    def constant(self, value: Any, type: pa.DataType | None = None) -> Term:
        """`value`, of `type` where it is given: TypeError where it does not fit."""
        array = to_array([value], type)
        return Term(self, _core.Expression.literal(array), array.type, value)

    def null(self, type: pa.DataType) -> Term:
        """Missing, of `type`."""
        return Term(self, _core.Expression.literal(pa.nulls(1, type)), type, None)

    def cast(self, term: Term, type: pa.DataType, *, truncate: bool = False, fallible: bool = False) -> Term:
        """The term as `type`; what does not fit is an error when it is evaluated (say so by `fallible`), except, with
        `truncate`, what lies behind the decimal point."""
        import pyarrow.compute as pc

        if term.type == type:
            return term
        if term.is_constant and is_missing(term.value) and family(type) != "float":
            return self.null(type)
        self.fallible = self.fallible or fallible
        # An integer becomes the nearest float, as in NumPy.
        nearest = truncate or family(type) == "float"
        options = pc.CastOptions(
            type, allow_float_truncate=nearest, allow_decimal_truncate=truncate, allow_time_truncate=truncate
        )
        return self.call("cast", term, options=options, type=type)

    def is_missing(self, term: Term) -> Term:
        """Where it is null or NaN."""
        import pyarrow.compute as pc

        return self.call("is_null", term, options=pc.NullOptions(nan_is_null=True), type=pa.bool_())

    def choose(self, condition: Term, yes: Term, no: Term) -> Term:
        """`yes` where the condition is true, `no` where it is false, null where it is null. Both of one type."""
        return self.call("if_else", condition, yes, no, type=yes.type)

    def true_where(self, condition: Term) -> Term:
        """The condition, missing being False."""
        return self.call("coalesce", condition, self.constant(False), type=pa.bool_())

    def negated(self, condition: Term) -> Term:
        return self.call("invert", condition, type=pa.bool_())

    # -- lowering ------------------------------------------------------------------------------------------------

    def whole(self, expression: Expression, as_filter: bool = False) -> _core.Expression:
        """The expression as a column or condition: a column by itself stays as it is, dictionary and all."""
        if expression.kind == "column":
            return _core.Expression.field(expression.detail)
        return self.term(expression, as_filter).core

    def term(self, expression: Expression, as_filter: bool = False) -> Term:
        """The expression's term, its values without dictionary encoding.

        `as_filter`: it chooses rows, where missing is as good as False; so nothing is added that would keep Parquet's
        statistics from being used.
        """
        if expression.kind == "column":
            return self._column(expression.detail)
        if expression.kind == "literal":
            return self.constant(expression.detail)
        if expression.kind in ("and", "or") and not self.typed:
            sides = [self.term(argument, as_filter) for argument in expression.arguments]
            return self.call(f"{expression.kind}_kleene", *sides, type=pa.bool_())
        arguments = tuple(
            self.term(argument, as_filter and expression.kind in ("and", "or")) for argument in expression.arguments
        )
        if expression.kind in COMPARISONS:
            return RULES["compare"](self, arguments, (expression.kind, as_filter))
        # A rule for several kinds of operation is told which.
        detail = expression.kind if expression.detail is None else expression.detail
        return RULES[expression.kind](self, arguments, detail)

    def _column(self, name: str) -> Term:
        core = _core.Expression.field(name)
        if self._schema is None:
            return Term(self, core)
        found = Term(self, core, self._schema.field(name).type)
        return self.cast(found, dense(found.type))


COMPARISONS = ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")


def is_missing(value: Any) -> bool:
    """Whether a Python value stands for a missing one: None, NaN, NaT, NA."""
    if value is None:
        return True
    if isinstance(value, pa.Scalar):
        return not value.is_valid or is_missing(value.as_py())
    try:
        return bool(value != value)
    except (TypeError, ValueError):
        return type(value).__name__ == "NAType"


def to_array(values: list[Any], type: pa.DataType | None = None) -> Any:
    """An Arrow array of constants; TypeError for what is none, or not of `type`."""
    try:
        if len(values) == 1 and isinstance(values[0], pa.Scalar):
            return pa.repeat(values[0] if type is None else values[0].cast(type), 1)
        plain = [value.as_py() if isinstance(value, pa.Scalar) else value for value in values]
        # pandas' own missing values.
        plain = [None if value.__class__.__name__ in ("NAType", "NaTType") else value for value in plain]
        if type is None and any(value.__class__.__name__ == "datetime64" for value in plain):
            import numpy

            # A date alone is a moment of that day: NumPy's days compare with timestamps as pandas' do.
            return pa.array(numpy.array(plain, dtype="datetime64[us]"))
        if type is None and any(isinstance(value, int) and not -(2**63) <= value < 2**63 for value in plain):
            # What no integer type holds can still be compared.
            unsigned = all(value is None or (isinstance(value, int) and 0 <= value < 2**64) for value in plain)
            type = pa.uint64() if unsigned else pa.decimal256(76, 0)
        return pa.array(plain, type)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError) as problem:
        what = "cannot be a constant of an expression" if type is None else f"is no {type}"
        shown = values[0] if len(values) == 1 else values
        raise TypeError(f"{shown!r} {what}: {problem}") from None
