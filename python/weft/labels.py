"""Rows by label: the values of the index columns."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from weft import _core
from weft.arguments import choose_env, place
from weft.arrow_input import UNNAMED_INDEX
from weft.expression import Expression, col
from weft.positions import first_and_total, rows_by_slice, share, take_rows

if TYPE_CHECKING:
    import pandas
    import pyarrow as pa

    from weft.frame import DataFrame

__all__ = [
    "found_labels",
    "index_column",
    "label_columns",
    "labelled",
    "monotonic",
    "no_label",
    "reindexed",
    "renamed_labels",
    "rows_by_label_slice",
    "rows_by_labels",
    "rows_by_levels",
    "rows_like",
    "rows_of_stretch",
    "rows_with_labels",
    "with_labels",
]

#: The name of a column that no frame has.
UNUSED = "__weft_there__"


def index_column(frame: DataFrame, operation: str) -> str:
    """The name of the first index column."""
    if not frame.index_names:
        raise ValueError(
            f"{place(frame.env)}{operation}: labels are of an index column; the frame has no index: rows go by "
            "position, which iloc takes"
        )
    return frame.index_names[0]


def no_label(frame: DataFrame, operation: str, label: Any) -> KeyError:
    names = ", ".join(map(repr, frame.index_names))
    return KeyError(f"{place(frame.env)}{operation}: there is no label {label!r} in the index {names}")


def _where(frame: DataFrame, condition: Expression, operation: str, label: Any) -> DataFrame:
    try:
        return frame.filter(condition)
    except TypeError:
        # A label of another type than the index's is not there.
        raise no_label(frame, operation, label) from None


def _is(name: str, label: Any) -> Expression:
    missing = label is None or (isinstance(label, float) and label != label)
    return col(name).is_null() if missing else col(name) == label


def labelled(frame: DataFrame, label: Any, operation: str) -> DataFrame:
    """The rows of one label: of the first index column, or, a tuple, of as many as it has. Index columns that it names
    are left out, unless it names all. Collective on a bound frame, for it counts; KeyError where there is none."""
    name = index_column(frame, operation)
    parts = label if isinstance(label, tuple) and len(frame.index_names) > 1 else (label,)
    if len(parts) > len(frame.index_names):
        raise no_label(frame, operation, label)
    condition = _is(name, parts[0])
    for level, part in zip(frame.index_names[1:], parts[1:], strict=False):
        condition = condition & _is(level, part)
    made = _where(frame, condition, operation, label)
    if made.total_rows() == 0:
        raise no_label(frame, operation, label)
    return made if len(parts) == len(frame.index_names) else made.reset_index(list(range(len(parts))), drop=True)


def rows_by_levels(frame: DataFrame, levels: Sequence[int], values: Sequence[Any], operation: str) -> DataFrame:
    """The rows that have these values in these index columns. Collective on a bound frame, for it counts; KeyError
    where there is none."""
    made = frame
    for level, value in zip(levels, values, strict=True):
        made = _where(made, _is(frame.index_names[level], value), operation, value)
    if made.total_rows() == 0:
        raise no_label(frame, operation, values[0] if len(values) == 1 else tuple(values))
    return made


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


def label_columns(frame: DataFrame, labels: Sequence[Any], operation: str) -> list[pa.Array]:
    """Labels as columns of the types of the index columns: one of the first, or, of tuples, of all. KeyError for a
    label that does not fit them."""
    import pyarrow as pa

    index_column(frame, operation)
    names = frame.index_names
    tuples = len(names) > 1 and any(isinstance(label, tuple) for label in labels)
    if tuples:
        for label in labels:
            if not isinstance(label, tuple) or len(label) != len(names):
                raise no_label(frame, operation, label)
    columns = []
    for level in range(len(names) if tuples else 1):
        type = frame.schema.types[level]
        if pa.types.is_dictionary(type):
            type = type.value_type
        values: list[Any] = []
        for label in labels:
            try:
                one = label[level] if tuples else label
                values.append(pa.scalar(one, from_pandas=True).cast(type).as_py())
            except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
                raise no_label(frame, operation, label) from None
        columns.append(pa.array(values, type))
    return columns


def found_labels(frame: DataFrame, labels: Sequence[Any], operation: str) -> tuple[_core.Table, list[bool]]:
    """The rows of the whole that have one of the labels, as pairs (number of the label "p", number of the row "r")
    ordered by label, then row, spread over the ranks; and for each label whether it was found. Labels are of the first
    index column, or tuples of all. Collective on a bound frame."""
    import numpy
    import pyarrow as pa

    columns = label_columns(frame, labels, operation)
    env = choose_env(operation, None, frame)
    session = None if env is None else env.session
    levels = list(range(len(columns)))
    first = first_and_total(frame, operation)[0]
    keys = {f"l{level}": columns[level] for level in levels}
    wanted = pa.table({**keys, "p": pa.array(numpy.arange(len(labels)))})
    rows = _core.Table.from_stream(pa.table({"r": numpy.arange(first, first + len(frame))}))
    here = _core.beside([frame.table.select(levels).rename(list(keys)), rows])
    pairs = _core.join(
        _core.Table.from_stream(wanted),
        here,
        None,
        left_keys=levels,
        right_keys=levels,
        how="inner",
        algorithm="hash",
        left_suffix="",
        right_suffix="",
        indicator="",
        maintain_order=False,
        columns=None,
    ).select([len(levels), len(levels) + 1])
    numbers = _core.unique(pairs.select([0]), None, columns=[0])
    if session is not None:
        numbers = _core.allgather(numbers, session)
    found = [False] * len(labels)
    for number in pa.table(numbers).column(0).to_pylist():
        found[number] = True
    ordered = _core.sort(pairs, session, keys=[0, 1], ascending=[True, True], nulls_first=False)
    return ordered, found


def rows_by_labels(frame: DataFrame, labels: Sequence[Any], operation: str) -> DataFrame:
    import pyarrow as pa

    if not labels:
        return frame.slice(0, 0)
    pairs, found = found_labels(frame, labels, operation)
    for label, there in zip(labels, found, strict=True):
        if not there:
            raise no_label(frame, operation, label)
    return take_rows(frame, pa.table(pairs).column(1).to_numpy(), operation)


def rows_with_labels(
    frame: DataFrame, items: Sequence[Any] | None, like: str | None, regex: str | None, operation: str
) -> DataFrame:
    """The rows whose label is one of `items`, in their order, holds a text, or in whose label a regular expression is
    found. Collective on a bound frame."""
    import pyarrow as pa

    from weft.dtypes import dense, family

    name = index_column(frame, operation)
    where = f"{place(frame.env)}{operation}"
    if len(frame.index_names) > 1:
        raise ValueError(f"{where}: the index has several columns; choose rows by a condition on one of them")
    if items is not None:
        fitting = [label for label in dict.fromkeys(items) if _fits(frame, label, operation)]
        there = found_labels(frame, fitting, operation)[1] if fitting else []
        return rows_by_labels(frame, [one for one, found in zip(fitting, there, strict=True) if found], operation)
    type = dense(frame.schema.types[0])
    if family(type) not in ("text", "int"):
        raise TypeError(f"{where}: labels are texts or integers, not of type {type}")
    text = col(name) if family(type) == "text" else col(name).cast(pa.string())
    return frame.filter(text.str.contains(regex) if like is None else text.str.contains(like, regex=False))


def _fits(frame: DataFrame, label: Any, operation: str) -> bool:
    """Whether a label is of the index' type."""
    try:
        label_columns(frame, [label], operation)
    except KeyError:
        return False
    return True


def with_labels(frame: DataFrame, labels: Any, operation: str) -> DataFrame:
    """The rows under other labels, one a row: a list, an array or an index for the rows of this rank, or a Series of as
    many rows, by position. The index has their name. Collective on a bound frame."""
    import pyarrow as pa

    from weft.operands import Operands, is_listed
    from weft.row_index import RowIndex
    from weft.series import Series

    where = f"{place(frame.env)}{operation}"
    name = getattr(labels, "name", None)
    if isinstance(labels, RowIndex):
        labels = labels.to_list()
    elif isinstance(labels, Series):
        labels = labels.reset_index(drop=True)
    elif not is_listed(labels):
        if isinstance(labels, str | bytes) or not hasattr(labels, "__iter__"):
            raise TypeError(f"{where}: labels are a list or a Series, not {labels!r}")
        labels = list(labels)
    plain = frame.reset_index(drop=True)
    operands = Operands(plain, operation)
    index = UNNAMED_INDEX if name is None else str(name)
    if index in frame.columns:
        raise ValueError(f"{where}: a column is named {index!r} as the labels are; rename one of them")
    made = operands.project([index, *plain.columns], [operands.expression(labels), *map(col, plain.columns)])
    if pa.types.is_nested(made.schema.types[0]):
        raise TypeError(f"{where}: labels of several columns are set by set_index([...])")
    return frame._wrap(made.table, frame.env, [index])


def reindexed(frame: DataFrame, labels: Sequence[Any], fill_value: Any) -> DataFrame:
    """A row a label, in their order, spread over the ranks; where there is none, its values are missing, or
    `fill_value`. ValueError where two rows have one label. Collective on a bound frame."""
    import pyarrow as pa

    where = place(frame.env)
    try:
        columns = label_columns(frame, labels, "reindex")
    except KeyError as problem:
        raise TypeError(f"{where}reindex: a label is not of the index' type: {problem.args[0]}") from None
    if len(columns) < len(frame.index_names):
        raise ValueError(f"{where}reindex: labels of an index of several columns are tuples of all")
    mine = share(len(labels), frame)
    wanted = pa.table({f"l{i}": column.slice(mine.start, len(mine)) for i, column in enumerate(columns)})
    return _rows_of(frame, _core.Table.from_stream(wanted), fill_value, "reindex")


def rows_like(frame: DataFrame, other: DataFrame, operation: str) -> DataFrame:
    """As `reindexed`, by the labels of the rows of `other`, where these lie."""
    where = place(frame.env)
    choose_env(operation, None, frame, other)
    if not frame.index_names or len(frame.index_names) != len(other.index_names):
        raise ValueError(
            f"{where}{operation}: rows go by labels: one side's index is {list(frame.index_names)}, the other's "
            f"{list(other.index_names)}"
        )
    keys = list(range(len(other.index_names)))
    types = [(one.schema.types[i]) for one in (frame, other) for i in keys]
    if types[: len(keys)] != types[len(keys) :]:
        raise TypeError(f"{where}{operation}: the types of the index columns differ: {', '.join(map(str, types))}")
    labels = other.table.select(keys).rename([f"l{i}" for i in keys])
    return _rows_of(frame, labels, None, operation)


def _rows_of(frame: DataFrame, wanted: _core.Table, fill_value: Any, operation: str) -> DataFrame:
    """A row for each of this rank's wanted labels, in their order."""
    import pyarrow as pa

    if not frame.index.is_unique:
        raise ValueError(
            f"{place(frame.env)}{operation}: rows have the same label in the index {list(frame.index_names)}"
        )
    keys = list(range(wanted.num_columns))
    names = frame.table.column_names
    marked = _core.project(
        frame.table,
        None,
        [*(f"l{i}" for i in range(len(names))), "there"],
        [*(_core.Expression.field(name) for name in names), _core.Expression.literal(pa.array([True]))],
    )
    env = choose_env(operation, None, frame)
    made = _core.join(
        wanted,
        marked,
        None if env is None else env.session,
        left_keys=keys,
        right_keys=keys,
        how="left",
        algorithm="auto",
        left_suffix="",
        right_suffix="",
        indicator="",
        maintain_order=True,
        columns=None,
    )
    rows = frame._wrap(made.rename([*names, UNUSED]), env, frame.index_names)
    there = col(UNUSED).notna()
    missing = fill_value is None or (isinstance(fill_value, float) and fill_value != fill_value)
    if not missing:
        rows = rows.assign(**{name: col(name).where(there, fill_value) for name in frame.columns})
    return rows.drop(columns=UNUSED)


def renamed_labels(frame: DataFrame, change: Any, level: Any, must_be_there: bool) -> DataFrame:
    """The index columns (those of `level`) with other values: of a dict of old to new, or what a function gives.
    Collective on a bound frame."""
    from weft.row_index import levels_of

    levels = levels_of(frame, level, "rename")
    if not frame.index_names:
        raise ValueError(f"{place(frame.env)}rename: the frame has no index, so rows have no labels")
    if must_be_there and not callable(change):
        for old in change:
            there = frame.reset_index()[[frame.index_names[i] for i in levels]].isin([old]).any()
            if not any(there.values()):
                raise no_label(frame, "rename", old)
    labels = frame.index.to_frame()
    made = {}
    for i in levels:
        column = labels[frame.index_names[i]]
        made[frame.index_names[i]] = column.map(change) if callable(change) else column.replace(dict(change))
    whole = labels.assign(**made)
    hidden = len(frame.index_names)
    values = frame.table.select(list(range(hidden, frame.table.num_columns)))
    return frame._wrap(_core.beside([whole.table, values]), frame.env, frame.index_names)


def rows_by_label_slice(frame: DataFrame, key: builtins.slice, operation: str) -> DataFrame:
    if key.start is None and key.stop is None:
        return frame if key.step in (None, 1) else rows_by_slice(frame, key, operation)
    name = index_column(frame, operation)
    for bound in (key.start, key.stop):
        if isinstance(bound, tuple):
            raise ValueError(
                f"{place(frame.env)}{operation}: a slice is of labels of the first index column, not of {bound!r}"
            )
    for falling in (False, True):
        if not monotonic(frame, 0, falling):
            continue
        made = frame
        if key.start is not None:
            start = _moment_of(frame, key.start, falling)
            made = _bounded(made, col(name) <= start if falling else col(name) >= start, operation, key.start)
        if key.stop is not None:
            stop = _moment_of(frame, key.stop, not falling)
            made = _bounded(made, col(name) >= stop if falling else col(name) <= stop, operation, key.stop)
        break
    else:
        begin = 0 if key.start is None else _run_of(frame, name, key.start, operation)[0]
        end = None if key.stop is None else _run_of(frame, name, key.stop, operation)[1]
        made = frame.slice(begin, None if end is None else max(0, end - begin))
    return made if key.step in (None, 1) else rows_by_slice(made, slice(None, None, key.step), operation)


def rows_of_stretch(frame: DataFrame, label: Any, operation: str) -> DataFrame | None:
    """The rows of the year, month, day or other stretch that a text names, where the index are moments and some of them
    lie within such stretches; None where the text is a label as others are. Collective on a bound frame."""
    stretch = _stretch_of(frame, label)
    if stretch is None:
        return None
    name = index_column(frame, operation)
    unit = stretch.freqstr
    if unit in ("D", "h", "min", "s"):
        within = frame.filter(col(name).dt.floor(unit) != col(name))
        if not within.total_rows():
            return None
    made = frame.filter((col(name) >= _moment_of(frame, label, False)) & (col(name) <= _moment_of(frame, label, True)))
    if not made.total_rows():
        raise no_label(frame, operation, label)
    return made


def _stretch_of(frame: DataFrame, label: Any) -> pandas.Period | None:
    """The day, month or other stretch that a text names, where the index are moments."""
    import pandas
    import pyarrow as pa

    if not isinstance(label, str) or not frame.index_names or not pa.types.is_timestamp(frame.schema.types[0]):
        return None
    try:
        return pandas.Period(label)
    except ValueError:
        return None


def _moment_of(frame: DataFrame, label: Any, last: bool) -> Any:
    """The first or the last moment of the stretch that a text names, where the index are moments; else the label
    itself."""
    stretch = _stretch_of(frame, label)
    if stretch is None:
        return label
    type = frame.schema.types[0]
    moment = (stretch.end_time if last else stretch.start_time).as_unit(type.unit)
    return moment if type.tz is None else moment.tz_localize(type.tz)


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
        raise no_label(frame, operation, label)
    if numbers[-1] - numbers[0] + 1 != len(numbers):
        raise KeyError(
            f"{place(frame.env)}{operation}: label {label!r} is there several times, apart from each other, "
            "in an index that is not sorted: where a slice begins or ends is not known; sort_index() first"
        )
    return numbers[0], numbers[-1] + 1
