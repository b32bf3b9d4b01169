"""`Scans`: running values, and values beside those of other rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from weft import _core
from weft.arguments import choose_env, place, refuse
from weft.ordering import Ordering
from weft.reducing import check_flag, check_whole, choose_columns, column_axis

if TYPE_CHECKING:
    import pyarrow as pa

    from weft.frame import DataFrame

__all__ = ["Scans"]

#: No fill value is given: rows without one to come from are missing.
NO_FILL: Any = object()

_ROWS = "values of a row do not follow each other"


class Scans(Ordering):
    """Running values down the columns, and differences to other rows: in rank order, across the borders of ranks.
    Collective on bound frames; rows stay where they are, and the index with them."""

    __slots__ = ()

    # -- running values ------------------------------------------------------------------------------------------

    def cumsum(self, axis: int | str = 0, skipna: bool = True, numeric_only: bool = False) -> DataFrame:
        """Running sums: of integers 64-bit integers, of floats double, of decimals and durations their kind. A sum
        beyond 64 bits is a ValueError. A missing value is passed over; with ``skipna=False`` all behind it is
        missing."""
        return self._scan("cumsum", axis, skipna, numeric_only)

    def cumprod(self, axis: int | str = 0, skipna: bool = True, numeric_only: bool = False) -> DataFrame:
        """Running products, as `cumsum`."""
        return self._scan("cumprod", axis, skipna, numeric_only)

    def cummin(self, axis: int | str = 0, skipna: bool = True, numeric_only: bool = False) -> DataFrame:
        """The least value so far, of the column's type: of all types that have an order."""
        return self._scan("cummin", axis, skipna, numeric_only)

    def cummax(self, axis: int | str = 0, skipna: bool = True, numeric_only: bool = False) -> DataFrame:
        """The greatest value so far, as `cummin`."""
        return self._scan("cummax", axis, skipna, numeric_only)

    def _scan(self, function: str, axis: Any, skipna: bool, numeric_only: bool) -> DataFrame:
        if not column_axis(self, function, axis):
            refuse(function, axis=(axis, 0, _ROWS))
        check_flag(self, function, skipna=skipna, numeric_only=numeric_only)
        columns = choose_columns(self, numeric_only)
        env = choose_env(function, None, self)
        session = None if env is None else env.session
        made = _core.scan(self._table, session, function=function, columns=columns, skipna=skipna)
        return self._beside_index(made)

    def _beside_index(self, made: _core.Table) -> DataFrame:
        """`made` has as many rows as the frame: with the frame's index."""
        return self._like(_core.beside([self._table.select(range(len(self._index))), made]))

    # -- other rows ----------------------------------------------------------------------------------------------

    def shift(
        self,
        periods: int = 1,
        freq: Any = None,
        axis: int | str = 0,
        fill_value: Any = NO_FILL,
        suffix: str | None = None,
    ) -> DataFrame:
        """Each row's values in the row `periods` further on, in front of it for negative `periods`; the index stays.
        Where no row is to come from, values are missing, or `fill_value`, which must fit every column's type: types
        do not change."""
        self._refuse_shift("shift", periods, freq, axis)
        refuse("shift", suffix=(suffix, None, "shift by one number of rows and rename"))
        return self._beside_index(self._shifted("shift", periods, fill_value))

    def diff(self, periods: int = 1, axis: int | str = 0) -> DataFrame:
        """Each value less the one `periods` rows before. Of integers 64-bit integers, exactly, a ValueError where that
        does not fit; of bool whether they differ; of points in time durations."""
        self._refuse_shift("diff", periods, None, axis)
        return self._against_shifted("diff", periods, _difference)

    def pct_change(self, periods: int = 1, fill_method: None = None, freq: Any = None) -> DataFrame:
        """Each value's change against the one `periods` rows before, as a share of that, as doubles."""
        self._refuse_shift("pct_change", periods, freq, 0)
        refuse("pct_change", fill_method=(fill_method, None, "fill missing values before"))
        return self._against_shifted("pct_change", periods, _change)

    def interpolate(
        self,
        method: str = "linear",
        *,
        axis: int | str = 0,
        limit: int | None = None,
        inplace: bool = False,
        limit_direction: Literal["forward", "backward", "both"] | None = None,
        limit_area: Literal["inside", "outside"] | None = None,
        **kwargs: Any,
    ) -> DataFrame:
        """Missing numbers from the line between the value before and the one after them, as doubles (float32 stays);
        behind the last value that one. Columns of bool stay as they are.

        Parameters
        ----------
        method
            ``"linear"``: by the rows' places; ``"index"`` or ``"values"``: by the index, one column of numbers or times
            that rises; ``"time"``: the same of timestamps.
        limit
            At most so many missing values in a row.
        limit_direction
            From where they are filled: ``"forward"`` (default), from the value before; ``"backward"``, from the one
            after, and those in front of the first value by it; ``"both"``.
        limit_area
            ``"inside"``: only between two values; ``"outside"``: only in front of the first and behind the last.

        Raises TypeError for a column of another type, ValueError for an index that does not rise.
        """
        from weft.interpolating import interpolate

        return interpolate(self._same, method, axis, limit, inplace, limit_direction, limit_area, kwargs)

    def _refuse_shift(self, operation: str, periods: Any, freq: Any, axis: Any) -> None:
        if isinstance(periods, list | tuple):
            raise ValueError(f"{place(self._env)}{operation}: periods={periods!r} is not taken; give one number")
        check_whole(self, operation, periods=periods)
        refuse(operation, freq=(freq, None, "rows are moved, not the index"))
        if not column_axis(self, operation, axis):
            refuse(operation, axis=(axis, 0, _ROWS))

    def _shifted(self, operation: str, periods: int, fill_value: Any = NO_FILL) -> _core.Table:
        """The columns that are no index, moved."""
        import pyarrow as pa

        columns = range(len(self._index), self._table.num_columns)
        values = self._table.select(list(columns))
        types = self.schema.types[len(self._index) :]
        arrays = []
        for name, type in zip(self.columns, types, strict=True):
            try:
                arrays.append(pa.nulls(1, type) if fill_value is NO_FILL else _one_row(fill_value, type))
            except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError) as problem:
                raise TypeError(
                    f"{place(self._env)}{operation}: fill_value={fill_value!r} does not fit column {name!r} of type "
                    f"{type}: {problem}"
                ) from None
        fill = pa.Table.from_arrays(arrays, names=self.columns)
        env = choose_env(operation, None, self)
        session = None if env is None else env.session
        periods = max(-(2**62), min(2**62, int(periods)))
        return _core.shift(values, session, periods=periods, fill=_core.Table.from_stream(fill))

    def _against_shifted(self, operation: str, periods: int, combine: Any) -> DataFrame:
        types = self.schema.types[len(self._index) :]
        expressions = []
        for i, (name, type) in enumerate(zip(self.columns, types, strict=True)):
            made = combine(_core.Expression.field(f"x{i}"), _core.Expression.field(f"y{i}"), type)
            if made is None:
                raise TypeError(f"{place(self._env)}{operation}: column {name!r} of type {type} has no {operation}")
            expressions.append(made)
        moved = self._shifted(operation, periods)
        values = self._table.select(list(range(len(self._index), self._table.num_columns)))
        both = _core.beside(
            [
                values.rename([f"x{i}" for i in range(len(types))]),
                moved.rename([f"y{i}" for i in range(len(types))]),
            ]
        )
        return self._beside_index(self._project_agreed(operation, both, expressions))

    def _project_agreed(
        self, operation: str, table: _core.Table, expressions: Sequence[_core.Expression]
    ) -> _core.Table:
        """Evaluates expressions that may fail on one rank's values alone: then all ranks fail."""
        env = choose_env(operation, None, self)
        session = None if env is None else env.session
        made: _core.Table | None = None
        problem: str | None = None
        try:
            made = _core.project(table, session, self.columns, expressions)
        except ValueError as error:
            problem = f"{operation}: {error}"
        if session is not None:
            session.agree(operation, problem)
        if made is None:
            raise ValueError(problem)
        return made


def _cast(value: _core.Expression, type: pa.DataType) -> _core.Expression:
    import pyarrow as pa
    import pyarrow.compute as pc

    return _core.Expression.call(
        "cast", [value], pc.CastOptions.unsafe(type) if pa.types.is_floating(type) else pc.CastOptions(type)
    )


def _difference(value: _core.Expression, before: _core.Expression, type: pa.DataType) -> _core.Expression | None:
    """``value - before`` in a type that holds it; None where the type has no difference."""
    import pyarrow as pa
    from pyarrow import types

    if types.is_boolean(type):
        return _core.Expression.call("xor", [value, before])
    if types.is_null(type):
        return _cast(value, pa.float64())
    both = [value, before]
    if types.is_uint64(type):
        wide = [_cast(_cast(side, pa.decimal128(20, 0)), pa.decimal128(30, 0)) for side in both]
        return _cast(_core.Expression.call("subtract", wide), pa.int64())
    if types.is_integer(type):
        both = [_cast(side, pa.int64()) for side in both]
    elif types.is_float16(type):
        both = [_cast(side, pa.float32()) for side in both]
    elif types.is_temporal(type) and not types.is_interval(type):
        # As whole numbers: Arrow's checked difference of times also looks at what lies under nulls.
        unit = "s" if types.is_date32(type) else "ms" if types.is_date64(type) else type.unit
        if types.is_date32(type):
            both = [_cast(side, pa.timestamp("s")) for side in both]
        if types.is_time32(type):
            both = [_cast(side, pa.int32()) for side in both]
        numbers = [_cast(side, pa.int64()) for side in both]
        return _cast(_core.Expression.call("subtract_checked", numbers), pa.duration(unit))
    elif not (types.is_floating(type) or types.is_decimal(type)):
        return None
    return _core.Expression.call("subtract_checked", both)


def _one_row(value: Any, type: pa.DataType) -> pa.Array:
    """The value as a column of the type; Arrow makes dictionaries of few types of Python's values."""
    import pyarrow as pa

    if not pa.types.is_dictionary(type):
        return pa.array([value], type, from_pandas=True)
    values = pa.array([value], type.value_type, from_pandas=True)
    indices = pa.array([None if values.null_count else 0], type.index_type)
    return pa.DictionaryArray.from_arrays(indices, values.drop_null(), ordered=type.ordered)


def _change(value: _core.Expression, before: _core.Expression, type: pa.DataType) -> _core.Expression | None:
    """``value / before - 1`` as double; None where the type is no number."""
    import pyarrow as pa
    from pyarrow import types

    sides = [value, before]
    if types.is_duration(type):
        sides = [_cast(side, pa.int64()) for side in sides]
    elif not (types.is_integer(type) or types.is_floating(type) or types.is_decimal(type) or types.is_null(type)):
        return None
    ratio = _core.Expression.call("divide", [_cast(side, pa.float64()) for side in sides])
    one = _core.Expression.literal(pa.array([1.0]))
    return _core.Expression.call("subtract", [ratio, one])
