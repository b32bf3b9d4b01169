"""`Operands`: the columns of a frame and, beside them, what else of the same rows an operation is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from weft import _core
from weft.agreement import column_of
from weft.arguments import choose_env, find, place
from weft.arrow_input import index_label
from weft.expression import Expression, col, expression_of, lowering
from weft.rows import Rows

if TYPE_CHECKING:
    from weft.frame import DataFrame

__all__ = ["Operands", "aligned", "is_listed"]


def aligned(left: Rows, right: Rows, operation: str) -> _core.Table:
    """The rows of `right` beside those of `left`.

    Frames made from one another by columns alone have the same rows. Others go by position, and their indexes must
    have the same names and values; on bound frames the right one's rows are moved to where the left one's lie, which is
    collective. ValueError where lengths or indexes differ, on every rank.
    """
    env = choose_env(operation, None, left, right)
    if list(map(index_label, left.index_names)) != list(map(index_label, right.index_names)):
        raise ValueError(
            f"{place(env)}{operation}: one side's index is {list(left.index_names)}, the other's "
            f"{list(right.index_names)}; use join, or reset_index(drop=True) to go by position"
        )
    if right.has_rows_of(left):
        return right.table
    session = None if env is None else env.session
    return _core.align(left.table, right.table, session, len(left.index_names), operation)


def is_listed(value: Any) -> bool:
    """Whether it is a list, an array or the like: one value a row."""
    return isinstance(value, list | tuple | range) or (
        not isinstance(value, str | bytes | dict)
        and (
            hasattr(value, "__arrow_c_array__")
            or hasattr(value, "__arrow_c_stream__")
            or bool(getattr(value, "ndim", 0))
        )
    )


class Operands:
    """Columns side by side over which expressions are evaluated; the first ones are the frame's own.

    Parameters
    ----------
    frame
        Whose rows, index and env the results have.
    operation
        How errors call it.
    """

    def __init__(self, frame: Rows, operation: str) -> None:
        self.frame = frame
        self.operation = operation
        self._tables = [frame.table]
        self._names = list(frame.table.column_names)

    def beside(self, table: _core.Table) -> list[str]:
        """Columns of the same rows, under names of their own; the names."""
        names = []
        for _ in range(table.num_columns):
            number = len(self._names)
            while f"weft.{number}" in self._names:
                number += 1
            names.append(f"weft.{number}")
            self._names.append(names[-1])
        self._tables.append(table)
        return names

    def expression(self, value: Any) -> Expression:
        """An operand: an expression over the frame's columns, a Series, a list or array of one value a row, a
        constant."""
        from weft.series import Series

        if isinstance(value, Expression):
            for name in sorted(value.columns()):
                find(self.frame, name, self.operation)
            return value
        if isinstance(value, Series):
            return self.columns_of(value.to_frame())[0]
        if isinstance(value, Rows):
            where = f"{place(self.frame.env)}{self.operation}"
            raise TypeError(f"{where}: a frame is no operand here; take one of its columns")
        if is_listed(value):
            env = choose_env(self.operation, None, self.frame)
            column = column_of(value, env, self.operation, len(self.frame))
            import pyarrow as pa

            from weft import arrow_input

            table, _ = arrow_input.read(pa.table([column], names=["0"]))
            return col(self.beside(table)[0])
        return expression_of(value)

    def columns_of(self, frame: Rows) -> list[Expression]:
        """The columns of another frame of the same rows, but for its index."""
        table = aligned(self.frame, frame, self.operation)
        hidden = len(frame.index_names)
        names = self.beside(table.select(list(range(hidden, table.num_columns))))
        return [col(name) for name in names]

    def _table(self) -> _core.Table:
        return self._tables[0] if len(self._tables) == 1 else _core.beside(self._tables, self._names)

    def _session(self) -> Any:
        env = choose_env(self.operation, None, self.frame)
        return None if env is None else env.session

    def project(self, names: Sequence[str], expressions: Sequence[Expression]) -> DataFrame:
        """The frame's index, and columns so named of these expressions."""
        index = self.frame.index_names
        all_names = [*index, *names]
        if len(set(all_names)) != len(all_names):
            raise ValueError(f"{place(self.frame.env)}{self.operation}: a column name is there twice: {all_names}")
        table = self._table()
        lower = lowering(table)
        cores = [_core.Expression.field(name) for name in index] + [self._lowered(lower, one) for one in expressions]
        made = _core.project(table, self._session(), all_names, cores, lower.fallible)
        return self.frame.of_same_rows(made)

    def filter(self, condition: Expression) -> DataFrame:
        """The frame's rows for which the condition is true."""
        table = self._table()
        lower = lowering(table)
        core = self._lowered(lower, condition, as_filter=True)
        kept = _core.filter(table, self._session(), core, lower.fallible)
        own = kept.select(list(range(self.frame.table.num_columns)))
        return Rows._wrap(own, self.frame.env, self.frame.index_names)

    def _lowered(self, lower: Any, expression: Expression, as_filter: bool = False) -> _core.Expression:
        try:
            core: _core.Expression = lower.whole(expression, as_filter)
        except (TypeError, ValueError) as problem:
            told = str(problem).removeprefix(f"{self.operation}: ")
            raise type(problem)(f"{place(self.frame.env)}{self.operation}: {told}") from None
        return core
