"""`loc`, `iloc`, `at`, `iat`: rows by label and by position, of frames and Series alike.

Positions are those of the whole; labels are the values of the one index column. On a bound frame all of these are
collective, and every rank asks for the same.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from weft import _core
from weft.arguments import choose_env, find, place
from weft.expression import Expression, col

if TYPE_CHECKING:
    import pyarrow as pa

    from weft.frame import DataFrame
    from weft.series import Series

__all__ = [
    "At",
    "IAt",
    "ILoc",
    "Loc",
    "found_labels",
    "monotonic",
    "one_value",
    "reversed_rows",
    "row_of",
    "share",
    "take_rows",
]


def share(count: int, frame: DataFrame) -> range:
    """This rank's even share of 0 ... count - 1: where the rows of a result that is made anew lie."""
    env = frame.env
    if env is None:
        return range(count)
    each, more = divmod(count, env.world_size)
    begin = env.rank * each + min(env.rank, more)
    return range(begin, begin + each + (env.rank < more))


def first_and_total(frame: DataFrame, operation: str) -> tuple[int, int]:
    """The number of this rank's first row in the whole, and the rows of the whole. Collective on a bound frame."""
    env = choose_env(operation, None, frame)
    if env is None:
        return 0, len(frame)
    counts = _core.row_counts(frame.table, env.session)
    return sum(counts[: env.rank]), sum(counts)


def take_rows(frame: DataFrame, rows: Any, operation: str) -> DataFrame:
    """The rows of the whole with these numbers (of NumPy's int64), which differ by rank. Collective on a bound
    frame."""
    import numpy
    import pyarrow as pa

    env = choose_env(operation, None, frame)
    numbers = pa.array(numpy.ascontiguousarray(rows, dtype=numpy.int64))
    return frame._like(_core.take(frame.table, None if env is None else env.session, numbers))


def take_here(frame: DataFrame, rows: Any) -> DataFrame:
    """This rank's rows with these numbers. Local."""
    import numpy
    import pyarrow as pa

    numbers = pa.array(numpy.ascontiguousarray(rows, dtype=numpy.int64))
    return frame._like(_core.take(frame.table, None, numbers))


def reversed_rows(frame: DataFrame, operation: str) -> DataFrame:
    """All rows of the whole, the last one first. Collective on a bound frame."""
    return _by_slice(frame, slice(None, None, -1), operation)


def row_of(frame: DataFrame) -> dict[str, Any]:
    """The one row that the frame has, on all ranks. Collective on a bound frame."""
    found: dict[str, Any] = frame.allgather().reset_index(drop=True).to_arrow().to_pylist()[0]
    return found


def one_value(series: Series) -> Any:
    """The one value that the Series has, on all ranks. Collective where it is bound."""
    return next(iter(row_of(series.to_frame()).values()))


# -- by position -----------------------------------------------------------------------------------------------------


def _by_slice(frame: DataFrame, rows: builtins.slice, operation: str) -> DataFrame:
    import numpy

    for bound in (rows.start, rows.stop, rows.step):
        if bound is not None and (isinstance(bound, bool) or not hasattr(bound, "__index__")):
            raise TypeError(f"{place(frame.env)}{operation}: rows are sliced by position, not by {bound!r}")
    if rows.step is None or rows.step == 1:
        return frame._slice_rows(rows)
    if rows.step == 0:
        raise ValueError(f"{place(frame.env)}{operation}: a slice's step is not zero")
    first, total = first_and_total(frame, operation)
    chosen = range(*rows.indices(total))
    if rows.step < 0:
        mine = share(len(chosen), frame)
        return take_rows(frame, chosen.start + numpy.arange(mine.start, mine.stop) * chosen.step, operation)
    # Rows stay on their rank: the first of them here, then every step-th.
    begin = max(chosen.start, first)
    begin += (chosen.start - begin) % chosen.step
    return take_here(frame, numpy.arange(begin, max(begin, min(chosen.stop, first + len(frame))), chosen.step) - first)


def _as_list(key: Any) -> list[Any] | None:
    """A list of labels, positions or truth values; None for what is no list."""
    if isinstance(key, list | range):
        return list(key)
    if hasattr(key, "to_pylist"):
        return list(key.to_pylist())
    if hasattr(key, "tolist") and hasattr(key, "__len__"):
        return list(key.tolist())
    return None


def _is_mask(listed: Sequence[Any]) -> bool:
    return bool(listed) and all(isinstance(item, bool) for item in listed)


def _by_mask(frame: DataFrame, mask: Sequence[bool], operation: str) -> DataFrame:
    import numpy

    first, total = first_and_total(frame, operation)
    if len(mask) != total:
        raise IndexError(
            f"{place(frame.env)}{operation}: {len(mask)} truth values for {total} rows; "
            "a list is for all rows of the whole"
        )
    return take_here(frame, numpy.flatnonzero(numpy.asarray(mask[first : first + len(frame)], dtype=bool)))


def _by_positions(frame: DataFrame, rows: Sequence[Any], operation: str) -> DataFrame:
    import numpy

    where = place(frame.env)
    for row in rows:
        if isinstance(row, bool) or not hasattr(row, "__index__"):
            raise TypeError(f"{where}{operation}: a row's position is an integer, not {row!r}")
    numbers = numpy.asarray(rows, dtype=numpy.int64)
    total = first_and_total(frame, operation)[1]
    wrong = numbers[(numbers < -total) | (numbers >= total)]
    if len(wrong):
        raise IndexError(f"{where}{operation}: there is no row {wrong[0]}; the frame has {total}")
    numbers = numpy.where(numbers < 0, numbers + total, numbers)
    mine = share(len(numbers), frame)
    return take_rows(frame, numbers[mine.start : mine.stop], operation)


def positions_of(columns: int, key: Any, operation: str) -> int | list[int]:
    """Columns by position: one, or a list."""
    if isinstance(key, slice):
        return list(range(columns))[key]
    listed = _as_list(key)
    if listed is not None and _is_mask(listed):
        if len(listed) != columns:
            raise IndexError(f"{operation}: {len(listed)} truth values for {columns} columns")
        return [i for i, chosen in enumerate(listed) if chosen]
    found = []
    for item in [key] if listed is None else listed:
        if isinstance(item, bool) or not hasattr(item, "__index__"):
            raise TypeError(f"{operation}: a column's position is an integer, not {item!r}")
        position = int(item)
        if not -columns <= position < columns:
            raise IndexError(f"{operation}: there is no column {position}; the frame has {columns}")
        found.append(position % columns)
    return found[0] if listed is None else found


def _pair(key: Any, operation: str) -> tuple[Any, Any]:
    if not isinstance(key, tuple):
        return key, slice(None)
    if len(key) != 2:
        raise ValueError(f"{operation}: {len(key)} keys; there are rows and columns")
    return key[0], key[1]


class _Locator:
    """What all four share: a frame, or a Series as the frame of its column."""

    __slots__ = ("_frame", "_series")

    def __init__(self, frame: DataFrame, series: bool = False) -> None:
        self._frame = frame
        self._series = series

    def _give(self, frame: DataFrame, one_row: bool, one_column: bool) -> Any:
        """A frame, a Series, a dict of a row's values, or one value."""
        from weft.series import Series

        if one_row:
            row = row_of(frame)
            return next(iter(row.values())) if one_column else row
        return Series(frame) if one_column else frame


class ILoc(_Locator):
    """Rows (and columns) by position: an int (a row as a dict, of a Series the value), a slice, a list of ints or of
    truth values, and a pair of these. Positions are those of the whole."""

    __slots__ = ()

    def __getitem__(self, key: Any) -> Any:
        rows, columns = (key, slice(None)) if self._series else _pair(key, "iloc")
        frame = self._frame
        if callable(rows):
            rows = rows(frame)
        one_column = self._series
        if not (isinstance(columns, slice) and columns == slice(None)):
            chosen = positions_of(len(frame.columns), columns, f"{place(frame.env)}iloc")
            one_column = isinstance(chosen, int)
            hidden = len(frame.index_names)
            frame = frame._keep([hidden + i for i in ([chosen] if isinstance(chosen, int) else chosen)])
        if isinstance(rows, slice):
            return self._give(_by_slice(frame, rows, "iloc"), False, one_column)
        listed = _as_list(rows)
        if listed is not None:
            choose = _by_mask if _is_mask(listed) else _by_positions
            return self._give(choose(frame, listed, "iloc"), False, one_column)
        if isinstance(rows, bool) or not hasattr(rows, "__index__"):
            raise TypeError(f"{place(frame.env)}iloc: {rows!r} is no position, slice, or list of these")
        row = int(rows)
        total = frame.total_rows()
        if not -total <= row < total:
            raise IndexError(f"{place(frame.env)}iloc: there is no row {row}; the frame has {total}")
        return self._give(frame.slice(row % total, 1), True, one_column)


# -- by label --------------------------------------------------------------------------------------------------------


def _index_column(frame: DataFrame, operation: str) -> str:
    """The name of the one index column."""
    if len(frame.index_names) != 1:
        has = (
            "no index: rows go by position, which iloc takes"
            if not frame.index_names
            else "an index of several columns"
        )
        raise ValueError(f"{place(frame.env)}{operation}: labels are of one index column; the frame has {has}")
    return frame.index_names[0]


def _no_label(frame: DataFrame, operation: str, label: Any) -> KeyError:
    name = frame.index_names[0]
    return KeyError(f"{place(frame.env)}{operation}: there is no label {label!r} in the index {name!r}")


def _where(frame: DataFrame, condition: Expression, operation: str, label: Any) -> DataFrame:
    try:
        return frame.filter(condition)
    except TypeError:
        # A label of another type than the index's is not there.
        raise _no_label(frame, operation, label) from None


def _is(name: str, label: Any) -> Expression:
    missing = label is None or (isinstance(label, float) and label != label)
    return col(name).is_null() if missing else col(name) == label


def monotonic(frame: DataFrame, position: int, decreasing: bool = False) -> bool:
    """Whether column `position` of the table never falls (never rises), over all ranks; False where a value is
    missing. Collective on a bound frame."""
    import pyarrow as pa

    env = choose_env("is_monotonic", None, frame)
    table = frame.table.select([position])
    steady = _steady(pa.table(table).column(0), decreasing)
    if env is None:
        return steady
    if not all(flag == b"1" for flag in env.session.allgather_bytes(b"1" if steady else b"0")):
        return False
    rows = table.num_rows
    ends = _core.concat([table.slice(0, min(rows, 1)), table.slice(max(rows - 1, 0), min(rows, 1))], None, outer=False)
    return _steady(pa.table(_core.allgather(ends, env.session)).column(0), decreasing)


def _steady(column: pa.ChunkedArray, decreasing: bool) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_float16(column.type):
        column = column.cast(pa.float32())
    if len(column) == 0:
        return True
    if pc.any(pc.is_null(column, nan_is_null=True)).as_py():
        return False
    before, after = column.slice(0, len(column) - 1), column.slice(1)
    compared = pc.greater_equal(before, after) if decreasing else pc.less_equal(before, after)
    return bool(pc.all(compared, min_count=0).as_py())


def found_labels(frame: DataFrame, labels: Sequence[Any], operation: str) -> tuple[_core.Table, list[bool]]:
    """The rows of the whole that have one of the labels, as pairs (number of the label "p", number of the row "r")
    ordered by label, then row, spread over the ranks; and for each label whether it was found. Collective on a bound
    frame."""
    import numpy
    import pyarrow as pa

    name = _index_column(frame, operation)
    env = choose_env(operation, None, frame)
    session = None if env is None else env.session
    index_type = frame.schema.field(name).type
    if pa.types.is_dictionary(index_type):
        index_type = index_type.value_type
    values: list[Any] = []
    for label in labels:
        try:
            values.append(pa.scalar(label, from_pandas=True).cast(index_type).as_py())
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
            raise _no_label(frame, operation, label) from None
    first = first_and_total(frame, operation)[0]
    wanted = pa.table({"l": pa.array(values, index_type), "p": pa.array(numpy.arange(len(values)))})
    rows = pa.array(numpy.arange(first, first + len(frame)))
    here = pa.table({"l": pa.table(frame.table.select([0])).column(0), "r": rows})
    pairs = _core.join(
        _core.Table.from_stream(wanted),
        _core.Table.from_stream(here),
        None,
        left_keys=[0],
        right_keys=[0],
        how="inner",
        algorithm="hash",
        left_suffix="",
        right_suffix="",
        indicator="",
        maintain_order=False,
        columns=None,
    ).select([1, 2])
    numbers = _core.unique(pairs.select([0]), None, columns=[0])
    if session is not None:
        numbers = _core.allgather(numbers, session)
    found = [False] * len(values)
    for number in pa.table(numbers).column(0).to_pylist():
        found[number] = True
    ordered = _core.sort(pairs, session, keys=[0, 1], ascending=[True, True], nulls_first=False)
    return ordered, found


def _by_labels(frame: DataFrame, labels: Sequence[Any], operation: str) -> DataFrame:
    import pyarrow as pa

    if not labels:
        return frame.slice(0, 0)
    pairs, found = found_labels(frame, labels, operation)
    for label, there in zip(labels, found, strict=True):
        if not there:
            raise _no_label(frame, operation, label)
    return take_rows(frame, pa.table(pairs).column(1).to_numpy(), operation)


def _by_label_slice(frame: DataFrame, key: builtins.slice, operation: str) -> DataFrame:
    if key.start is None and key.stop is None:
        return frame if key.step in (None, 1) else _by_slice(frame, key, operation)
    name = _index_column(frame, operation)
    for falling in (False, True):
        if not monotonic(frame, 0, falling):
            continue
        made = frame
        if key.start is not None:
            made = _bounded(made, col(name) <= key.start if falling else col(name) >= key.start, operation, key.start)
        if key.stop is not None:
            made = _bounded(made, col(name) >= key.stop if falling else col(name) <= key.stop, operation, key.stop)
        break
    else:
        begin = 0 if key.start is None else _run_of(frame, name, key.start, operation)[0]
        end = None if key.stop is None else _run_of(frame, name, key.stop, operation)[1]
        made = frame.slice(begin, None if end is None else max(0, end - begin))
    return made if key.step in (None, 1) else _by_slice(made, slice(None, None, key.step), operation)


def _bounded(frame: DataFrame, condition: Expression, operation: str, label: Any) -> DataFrame:
    try:
        return frame.filter(condition)
    except TypeError as problem:
        raise TypeError(
            f"{place(frame.env)}{operation}: {label!r} does not compare with the index: {problem}"
        ) from None


def _run_of(frame: DataFrame, name: str, label: Any, operation: str) -> tuple[int, int]:
    """The rows of the whole, from and to, that have a label and lie together."""
    import numpy
    import pyarrow as pa

    first, _ = first_and_total(frame, operation)
    rows = pa.table({name: pa.table(frame.table.select([0])).column(0), "r" + name: numpy.arange(len(frame)) + first})
    numbered = frame._wrap(_core.Table.from_stream(rows), frame.env, [name])
    numbers = _where(numbered, _is(name, label), operation, label).allgather().to_arrow().column(1).to_pylist()
    if not numbers:
        raise _no_label(frame, operation, label)
    if numbers[-1] - numbers[0] + 1 != len(numbers):
        raise KeyError(
            f"{place(frame.env)}{operation}: label {label!r} is there several times, apart from each other, "
            "in an index that is not sorted: where a slice begins or ends is not known; sort_index() first"
        )
    return numbers[0], numbers[-1] + 1


def names_of(frame: DataFrame, key: Any, operation: str) -> int | list[int]:
    """Columns by name as `loc` takes them: positions in the table, of one or of several."""
    columns = frame.columns
    hidden = len(frame.index_names)
    if isinstance(key, slice):
        if key.step is not None:
            raise ValueError(f"{place(frame.env)}{operation}: a slice of column names has no step")
        begin = 0 if key.start is None else find(frame, key.start, operation, index_too=False) - hidden
        end = len(columns) if key.stop is None else find(frame, key.stop, operation, index_too=False) - hidden + 1
        return [hidden + i for i in range(begin, end)]
    listed = _as_list(key)
    if listed is None:
        return find(frame, key, operation, index_too=False)
    if _is_mask(listed):
        chosen = positions_of(len(columns), listed, f"{place(frame.env)}{operation}")
        assert isinstance(chosen, list)
        return [hidden + i for i in chosen]
    return [find(frame, item, operation, index_too=False) for item in listed]


class Loc(_Locator):
    """Rows (and columns) by label: one (a row as a dict, several as a frame), a list, a slice with both ends, a
    condition (an expression, a Series of bool, a list of truth values for all rows), and a pair of these and of column
    names."""

    __slots__ = ()

    def __getitem__(self, key: Any) -> Any:
        rows, columns = (key, slice(None)) if self._series else _pair(key, "loc")
        frame = self._frame
        if callable(rows) and not isinstance(rows, Expression):
            from weft.series import Series

            rows = rows(Series(frame) if self._series else frame)
        one_column = self._series
        chosen: int | list[int] | None = None
        if not (isinstance(columns, slice) and columns == slice(None)):
            chosen = names_of(frame, columns, "loc")
            one_column = isinstance(chosen, int)
        if self._is_condition(rows):
            # The condition may be about columns that are not chosen.
            made = frame[rows]
            return self._give(made if chosen is None else made._keep(_listed(chosen)), False, one_column)
        if chosen is not None:
            frame = frame._keep(_listed(chosen))
        if isinstance(rows, slice):
            return self._give(_by_label_slice(frame, rows, "loc"), False, one_column)
        listed = _as_list(rows)
        if listed is not None:
            choose = _by_mask if _is_mask(listed) else _by_labels
            return self._give(choose(frame, listed, "loc"), False, one_column)
        made = _where(frame, _is(_index_column(frame, "loc"), rows), "loc", rows)
        count = made.total_rows()
        if count == 0:
            raise _no_label(frame, "loc", rows)
        return self._give(made, count == 1, one_column)

    def _is_condition(self, rows: Any) -> bool:
        from weft.series import Series

        return isinstance(rows, Expression | Series)


def _listed(positions: int | list[int]) -> list[int]:
    return [positions] if isinstance(positions, int) else positions


class At(_Locator):
    """One value by label and column name (of a Series by label alone)."""

    __slots__ = ()

    def __getitem__(self, key: Any) -> Any:
        if self._series:
            return Loc(self._frame, True)[key]
        if not isinstance(key, tuple) or len(key) != 2:
            raise ValueError("at: a value is named by a pair, its label and its column")
        return Loc(self._frame)[key]


class IAt(_Locator):
    """One value by its positions: row and column (of a Series the row alone)."""

    __slots__ = ()

    def __getitem__(self, key: Any) -> Any:
        keys = key if isinstance(key, tuple) else (key,)
        if len(keys) != (1 if self._series else 2):
            raise ValueError("iat: a value of a frame is named by a row and a column, of a Series by a row")
        if any(isinstance(item, bool) or not hasattr(item, "__index__") for item in keys):
            raise ValueError("iat: a position is an integer")
        return ILoc(self._frame, self._series)[keys[0] if self._series else key]
