"""A frame and another of the same meaning: `combine_first`, `update`, `compare`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from weft import _core
from weft.arguments import choose_env, place, refuse
from weft.expression import Expression, col, lit
from weft.merge import as_frame
from weft.operands import Operands, aligned, is_listed
from weft.rows import Rows

if TYPE_CHECKING:
    from weft.frame import DataFrame
    from weft.series import Series

__all__ = ["combine", "combine_first", "combine_values", "compare", "update"]


class Pair:
    """Two frames' rows side by side, by index or, where there is none, by position: columns a0, a1 ... and b0, b1 ...
    behind the index."""

    def __init__(self, operation: str, left: DataFrame, right: DataFrame, how: str) -> None:
        self.left = left
        self.right = right
        self.where = place(left.env)
        env = choose_env(operation, None, left, right)
        if left.index_names != right.index_names and len(left.index_names) != len(right.index_names):
            raise ValueError(
                f"{self.where}{operation}: one side's index is {list(left.index_names)}, the other's "
                f"{list(right.index_names)}"
            )
        hidden = len(left.index_names)
        keys = [f"i{i}" for i in range(hidden)]
        first = [*keys, *(f"a{i}" for i in range(len(left.columns)))]
        second = [*keys, *(f"b{i}" for i in range(len(right.columns)))]
        if not hidden:
            beside = aligned(left, right, operation)
            whole = _core.beside([left.table, beside], [*first, *second])
            self.rows = Rows._wrap(whole, env)
            return
        if how == "outer" and left.index.to_frame().equals(right.index.to_frame()):
            # Labels in their order, and each as often as it is there.
            beside = aligned(left, Rows._wrap(right.table, right.env, left.index_names), operation)
            values = beside.select(list(range(hidden, beside.num_columns)))
            self.rows = Rows._wrap(_core.beside([left.table, values], [*first, *second[hidden:]]), env)
            return
        for frame, side in ((left, "frame"), (right, "other frame")):
            if (how == "outer" or frame is right) and not frame.index.is_unique:
                raise ValueError(f"{self.where}{operation}: rows of the {side} have the same label")
        one = Rows._wrap(left.table.rename(first), env)
        other = Rows._wrap(right.table.rename(second), env)
        if how == "outer":
            self.rows = one.merge(other, how="outer", on=keys, sort=True)
        else:
            self.rows = one.merge(other, how="left", on=keys, maintain_order=True)

    def result(self, names: list[str], expressions: list[Expression]) -> DataFrame:
        """The index, and columns of these expressions."""
        hidden = len(self.left.index_names)
        made = self.rows.select(
            *(f"i{i}" for i in range(hidden)), **{f"c{i}": one for i, one in enumerate(expressions)}
        )
        table = made.table.rename([*self.left.index_names, *names])
        return Rows._wrap(table, self.rows.env, self.left.index_names)


def _filled(values: Expression, others: Expression) -> Expression:
    """The values, and where they are missing the others."""
    return values.where(values.notna(), others)


def combine_first(frame: DataFrame, other: Any) -> DataFrame:
    """See `DataFrame.combine_first`."""
    right = as_frame("combine_first", other)
    pair = Pair("combine_first", frame, right, "outer")
    names = [*frame.columns, *(name for name in right.columns if name not in frame.columns)]
    made = []
    for name in names:
        of_left = col(f"a{frame.columns.index(name)}") if name in frame.columns else None
        of_right = col(f"b{right.columns.index(name)}") if name in right.columns else None
        if of_left is not None and of_right is not None:
            made.append(_filled(of_left, of_right))
        else:
            one = of_left if of_left is not None else of_right
            assert one is not None
            made.append(one)
    return pair.result(names, made)


def combine_values(series: Series, other: Any, func: Any, fill_value: Any) -> Series:
    """See `Series.combine`."""
    from weft.agreement import columns_of
    from weft.elementwise_series import python_values
    from weft.functions import with_columns
    from weft.series import Series as SeriesClass

    where = place(series.env)
    if not callable(func):
        raise TypeError(f"{where}combine: func is a function, not {type(func).__name__}")
    if not isinstance(other, SeriesClass):
        if is_listed(other) or isinstance(other, Rows):
            raise TypeError(f"{where}combine: it takes a Series or a constant, not {type(other).__name__}")
        return series.map(lambda value: func(value, other))
    left, right = series.to_frame(), other.to_frame()
    env = choose_env("combine", None, left, right)
    if left.index_names and not left.index.to_frame().equals(right.index.to_frame()):
        marked = [Rows._wrap(one.table, env, one.index_names)._same.assign(there=True) for one in (left, right)]
        pair = Pair(
            "combine", marked[0].set_axis(["v", "there"], axis=1), marked[1].set_axis(["v", "there"], axis=1), "outer"
        )
        sides = [col("a0"), col("b0")]
        if fill_value is not None:
            sides = [col(f"{one}0").where(col(f"{one}1").notna(), fill_value) for one in "ab"]
        both = pair.result(["a", "b"], sides)
    else:
        operands = Operands(left, "combine")
        both = operands.project(["a", "b"], [col(series.name), operands.expression(other)])
    table = both.reset_index(drop=True).to_arrow()
    one, two = (python_values(column) for column in table.columns)
    made = columns_of(lambda: [[func(a, b) for a, b in zip(one, two, strict=True)]], env, "combine")[0]
    return SeriesClass(with_columns(both, {series.name: made}, "combine"))


def combine(
    frame: DataFrame, other: Any, func: Callable[[Series, Series], Any], fill_value: Any, overwrite: bool
) -> DataFrame:
    """See `DataFrame.combine`."""
    if not callable(func):
        raise TypeError(f"{place(frame.env)}combine takes a function, not {type(func).__name__}")
    right = as_frame("combine", other)
    pair = Pair("combine", frame, right, "outer")
    operands = Operands(pair.rows, "combine")
    names = [*frame.columns, *(name for name in right.columns if name not in frame.columns)]
    made = []
    for name in names:
        sides = [
            col(f"{letter}{side.columns.index(name)}") if name in side.columns else None
            for letter, side in (("a", frame), ("b", right))
        ]
        there = next(one for one in sides if one is not None)
        one, two = (there.where(lit(False)) if side is None else side for side in sides)
        if not overwrite and not pair.rows.select(x=two.notna())["x"].any():
            made.append(one)
            continue
        if fill_value is not None:
            one, two = one.fillna(fill_value), two.fillna(fill_value)
        columns = pair.rows.select(one=one, two=two)
        made.append(operands.expression(func(columns["one"].rename(name), columns["two"].rename(name))))
    keys = pair.rows.columns[: len(frame.index_names)]
    table = operands.project([*keys, *(f"c{i}" for i in range(len(made)))], [*(col(key) for key in keys), *made]).table
    return Rows._wrap(table.rename([*frame.index_names, *names]), pair.rows.env, frame.index_names)


def update(frame: DataFrame, other: Any, join: str, overwrite: bool, filter_func: Any, errors: str) -> None:
    """See `DataFrame.update`."""
    where = place(frame.env)
    refuse("update", join=(join, "left", "merge the frames"), filter_func=(filter_func, None, "assign with where()"))
    if errors not in ("ignore", "raise"):
        raise ValueError(f"{where}update: errors={errors!r} is unknown; it is ignore or raise")
    right = as_frame("update", other)
    pair = Pair("update", frame, right, "left")
    shared = [name for name in frame.columns if name in right.columns]
    columns = {name: (col(f"a{frame.columns.index(name)}"), col(f"b{right.columns.index(name)}")) for name in shared}
    if errors == "raise" and shared:
        both = pair.rows.select(**{f"x{i}": a.notna() & b.notna() for i, (a, b) in enumerate(columns.values())})
        if any(both.any().values()):
            raise ValueError(f"{where}update: both frames have a value in one place")
    types = frame.dtypes
    made = []
    for position, name in enumerate(frame.columns):
        own = col(f"a{position}")
        if name not in columns:
            made.append(own)
            continue
        _, new = columns[name]
        value = _filled(new, own) if overwrite else _filled(own, new)
        made.append(value if right.dtypes[name] == types[name] else value.cast(types[name]))
    frame._become(pair.result(list(frame.columns), made))


def compare(
    frame: DataFrame, other: Any, align_axis: Any, keep_shape: bool, keep_equal: bool, result_names: tuple[Any, Any]
) -> DataFrame:
    """See `DataFrame.compare`."""
    where = place(frame.env)
    refuse("compare", align_axis=(1 if align_axis in (1, "columns") else align_axis, 1, "both values lie side by side"))
    if not isinstance(result_names, tuple) or len(result_names) != 2:
        raise TypeError(f"{where}compare: result_names is a pair of names, not {result_names!r}")
    right = as_frame("compare", other)
    if list(right.columns) != list(frame.columns):
        raise ValueError(f"{where}compare: the frames have the columns {frame.columns} and {right.columns}")
    env = choose_env("compare", None, frame, right)
    beside = aligned(frame, right, "compare")
    hidden = len(frame.index_names)
    count = len(frame.columns)
    others = beside.select(list(range(hidden, hidden + count)))
    names = [*(f"i{i}" for i in range(hidden)), *(f"a{i}" for i in range(count)), *(f"b{i}" for i in range(count))]
    rows = Rows._wrap(_core.beside([frame.table, others], names), env)
    differs = {}
    for i in range(count):
        one, two = col(f"a{i}"), col(f"b{i}")
        differs[f"d{i}"] = (one != two) & ~(one.isna() & two.isna())
    marked = rows.assign(**differs)
    shown = list(range(count))
    if not keep_shape and count:
        found = marked[list(differs)].any()
        shown = [i for i in shown if found[f"d{i}"]]
        condition: Expression | None = None
        for i in shown:
            condition = col(f"d{i}") if condition is None else condition | col(f"d{i}")
        marked = marked.filter(condition) if condition is not None else marked.slice(0, 0)
    made: dict[str, Expression] = {}
    labels: list[str] = []
    for i in shown:
        for letter, label in zip("ab", result_names, strict=True):
            value = col(f"{letter}{i}")
            made[f"v{len(labels)}"] = value if keep_equal else value.where(col(f"d{i}"))
            labels.append(f"{frame.columns[i]}_{label}")
    result = marked.select(*(f"i{i}" for i in range(hidden)), **made)
    return Rows._wrap(result.table.rename([*frame.index_names, *labels]), env, frame.index_names)
