"""Rows by position: those of the whole, wherever they lie. What `iloc`, `take`, samples and labels are made of."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from weft import _core
from weft.arguments import choose_env, place

if TYPE_CHECKING:
    from weft.frame import DataFrame
    from weft.series import Series

__all__ = [
    "as_list",
    "first_and_total",
    "is_mask",
    "one_value",
    "positions_of",
    "reversed_rows",
    "row_of",
    "rows_by_mask",
    "rows_by_positions",
    "rows_by_slice",
    "share",
    "take_here",
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
    return rows_by_slice(frame, slice(None, None, -1), operation)


def row_of(frame: DataFrame) -> dict[str, Any]:
    """The one row that the frame has, on all ranks. Collective on a bound frame."""
    found: dict[str, Any] = frame.allgather().reset_index(drop=True).to_arrow().to_pylist()[0]
    return found


def one_value(series: Series) -> Any:
    """The one value that the Series has, on all ranks. Collective where it is bound."""
    return next(iter(row_of(series.to_frame()).values()))


def rows_by_slice(frame: DataFrame, rows: builtins.slice, operation: str) -> DataFrame:
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


def as_list(key: Any) -> list[Any] | None:
    """A list of labels, positions or truth values; None for what is no list."""
    if isinstance(key, list | range):
        return list(key)
    if hasattr(key, "to_pylist"):
        return list(key.to_pylist())
    if hasattr(key, "tolist") and hasattr(key, "__len__"):
        return list(key.tolist())
    return None


def is_mask(listed: Sequence[Any]) -> bool:
    return bool(listed) and all(isinstance(item, bool) for item in listed)


def rows_by_mask(frame: DataFrame, mask: Sequence[bool], operation: str) -> DataFrame:
    import numpy

    first, total = first_and_total(frame, operation)
    if len(mask) != total:
        raise IndexError(
            f"{place(frame.env)}{operation}: {len(mask)} truth values for {total} rows; "
            "a list is for all rows of the whole"
        )
    return take_here(frame, numpy.flatnonzero(numpy.asarray(mask[first : first + len(frame)], dtype=bool)))


def rows_by_positions(frame: DataFrame, rows: Sequence[Any], operation: str) -> DataFrame:
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
    listed = as_list(key)
    if listed is not None and is_mask(listed):
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
