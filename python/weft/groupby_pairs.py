"""Covariances and correlations of columns within groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from weft import _core
from weft.arguments import one_of, refuse
from weft.expression import Expression, col, lit
from weft.frame import DataFrame

if TYPE_CHECKING:
    from weft.groupby_keys import Keys

__all__ = ["group_pairs"]


def group_pairs(
    keys: Keys, columns: list[int], operation: str, method: Any, min_periods: int | None, ddof: int
) -> DataFrame:
    """A row a group and column, which is one more index column, and a column a column. Collective on a bound frame."""
    import numpy
    import pyarrow as pa

    from weft.reducing import check_whole, is_number

    where = keys.where
    if not keys.as_index:
        raise ValueError(f"{where}groupby.{operation}: as_index=False is not taken: rows are named by group and column")
    if method != "pearson":
        one_of(keys.env, f"groupby.{operation}", "method", method, ("pearson", "kendall", "spearman"))
        refuse(f"groupby.{operation}", method=(method, "pearson", "apply(lambda group: group.corr(method)) has others"))
    least = 1 if min_periods is None else min_periods
    check_whole(keys.frame, f"groupby.{operation}", min_periods=least, ddof=ddof)
    names = [keys.table.column_names[position] for position in columns]
    for position, name in zip(columns, names, strict=True):
        type = keys.frame.schema.types[position]
        if not is_number(type):
            raise TypeError(
                f"{where}groupby.{operation}: column {name!r} of type {type} is no number; "
                "numeric_only=True leaves it out"
            )
    count = len(keys.positions)
    moments = _Moments(keys, columns)
    table = moments.first_row(columns)
    values: dict[tuple[int, int], Any] = {}
    for i in range(len(columns)):
        found = DataFrame._wrap(moments.row(i), None)
        for j in range(i, len(columns)):
            enough = col(f"n{j}") >= max(1, least)
            if operation == "cov":
                value = (col(f"p{j}") / (col(f"n{j}") - ddof).cast("float64")).where(col(f"n{j}") > ddof)
            else:
                value = _within(col(f"p{j}") / (_root(col(f"s{j}")) * _root(col(f"t{j}"))))
            made = found.select(value=value.where(enough)).to_arrow().column(0)
            values[i, j] = values[j, i] = made
    groups = table.num_rows
    level = f"__index_level_{count}__"
    parts = []
    for j, name in enumerate(names):
        label = pa.array([name], pa.string()).take(pa.array(numpy.zeros(groups, numpy.int64)))
        arrays = [*table.columns[:count], label, *(values[j, i] for i in range(len(names)))]
        parts.append(pa.table(arrays, names=[*(f"k{k}" for k in range(count)), level, *names]))
    if not parts:
        return keys.finish(_core.Table.from_stream(table.select(list(range(count)))))
    # A group's rows lie together.
    order = numpy.arange(groups * len(names)).reshape(len(names), groups).T.ravel()
    whole = pa.concat_tables(parts).take(pa.array(order))
    return keys.finish(_core.Table.from_stream(whole), more_index=[level])


def _root(value: Expression) -> Expression:
    return value**0.5


def _within(value: Expression) -> Expression:
    """Within [-1, 1], where rounding has left it; without a spread there is none."""
    return value.where((value == value) & (value.abs() < float("inf"))).clip(-1.0, 1.0)


class _Moments:
    """Sums of products of deviations from the group's means, over the rows in which both of a pair are there."""

    def __init__(self, keys: Keys, columns: list[int]) -> None:
        self.keys = keys
        count = len(keys.positions)
        self.places = list(range(count))
        table = keys.table.select([*keys.positions, *columns])
        table = table.rename([*(f"k{i}" for i in self.places), *(f"x{i}" for i in range(len(columns)))])
        frame = DataFrame._wrap(table, keys.env)
        self.columns = len(columns)
        self.frame = frame.assign(**{f"x{i}": col(f"x{i}").cast("float64") for i in range(self.columns)})

    def first_row(self, columns: list[int]) -> Any:
        """The groups' keys."""
        import pyarrow as pa

        return pa.table(self._group(self.frame, []))

    def _group(self, frame: DataFrame, wanted: list[str]) -> _core.Table:
        keys = self.keys
        names = frame.table.column_names
        return _core.group_by(
            frame.table,
            keys.session,
            keys=self.places,
            aggregations=[
                {"function": "sum", "column": names.index(name), "name": name, "skipna": name.startswith("n")}
                for name in wanted
            ],
            sort=keys.sort,
            dropna=keys.dropna,
        )

    def row(self, i: int) -> _core.Table:
        """Of column i with each from i on, by group: n, the rows; p, the sum of products; s and t, of squares."""
        others = range(i, self.columns)
        both = {j: col(f"x{i}").notna() & col(f"x{j}").notna() for j in others}
        sides = {f"a{j}": col(f"x{i}").where(both[j]) for j in others}
        sides.update({f"b{j}": col(f"x{j}").where(both[j]) for j in others})
        frame = self.frame.assign(**sides)
        names = frame.table.column_names
        means = _core.group_broadcast(
            frame.table,
            self.keys.session,
            keys=self.places,
            aggregations=[{"function": "mean", "column": names.index(name), "name": f"mean {name}"} for name in sides],
            dropna=self.keys.dropna,
        )
        whole = DataFrame._wrap(_core.beside([frame.table, means]), self.keys.env)
        made: dict[str, Expression] = {f"k{k}": col(f"k{k}") for k in self.places}
        for j in others:
            # What is missing adds nothing; what comes of infinities is missing, and its sum too.
            one = col(f"a{j}") - col(f"mean a{j}")
            other = col(f"b{j}") - col(f"mean b{j}")
            made[f"n{j}"] = both[j].astype("int64")
            for name, value in (("p", one * other), ("s", one * one), ("t", other * other)):
                made[f"{name}{j}"] = lit(0.0).mask(both[j], value)
        products = whole.select(**made)
        return self._group(products, [f"{name}{j}" for j in others for name in "npst"])
