"""``value_counts``, of columns and within groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from weft import _core
from weft.frame import DataFrame
from weft.series import Series

if TYPE_CHECKING:
    from weft.groupby_keys import Keys

__all__ = ["count_values", "value_counts"]


def value_counts(
    frame: DataFrame, columns: list[int], normalize: bool, sort: bool, ascending: bool, dropna: bool
) -> Series:
    """Of whole columns: a Series "count" (or "proportion") whose index are the values, most frequent first, ties by
    first appearance; with ``sort=False`` by first appearance. Collective on a bound frame."""
    from weft.groupby_keys import Keys

    names = [frame.table.column_names[position] for position in columns]
    keys = Keys(frame, names, None, as_index=True, sort=False, dropna=dropna, group_keys=True)
    made = _counted(keys, keys.positions)
    count = len(names)
    session = keys.session
    order = [count, count + 1] if sort else [count + 1]
    directions = [bool(ascending), True] if sort else [True]
    made = _core.sort(made, session, keys=order, ascending=directions, nulls_first=False)
    made = made.select(list(range(count + 1)))
    if not normalize:
        return Series(keys.finish(made.rename([*names, "count"])))
    total = _total(keys, made, count)
    return Series(keys.finish(_share(keys, made, count, total)))


def count_values(
    keys: Keys, columns: list[int], normalize: bool, sort: bool, ascending: bool, dropna: bool
) -> Series | DataFrame:
    """Within groups: index columns of keys and values; groups by key, then by count."""
    by = [*keys.positions, *columns]
    names = [*keys.names, *(keys.table.column_names[position] for position in columns)]
    made = _counted(keys, by, dropna, columns)
    count, wide = len(keys.names), len(by)
    label = "count"
    if normalize:
        totals = _core.group_broadcast(
            made,
            keys.session,
            keys=list(range(count)),
            aggregations=[{"function": "sum", "column": wide, "name": "total"}],
            dropna=False,
        )
        shared = _core.beside([made.select([wide]), totals]).rename(["count", "total"])
        from weft.expression import col

        share = (
            DataFrame._wrap(shared, keys.env)
            .select(proportion=col("count").cast("float64") / col("total").cast("float64"))
            .table
        )
        rest = made.select([*range(wide)])
        made = _core.beside([_core.beside([rest, share]), made.select([wide + 1])])
        label = "proportion"
    order = [*range(count)] if keys.sort else []
    directions = [True] * len(order)
    if sort:
        order, directions = [*order, wide], [*directions, bool(ascending)]
    else:
        order, directions = [*order, *range(count, wide)], [*directions, *[True] * (wide - count)]
    order, directions = [*order, wide + 1], [*directions, True]
    made = _core.sort(made, keys.session, keys=order, ascending=directions, nulls_first=False)
    made = made.select(list(range(wide + 1))).rename([*names, label])
    if len(set(made.column_names)) != wide + 1:
        raise ValueError(f"{keys.where}groupby.value_counts: a name would be there twice: {made.column_names}")
    if not keys.as_index:
        return DataFrame._wrap(made, keys.env)
    return Series(DataFrame._wrap(made, keys.env, names))


def _counted(keys: Keys, by: list[int], dropna: bool | None = None, values: list[int] | None = None) -> _core.Table:
    """Keys, count, number of the first row."""
    import numpy
    import pyarrow as pa

    env = keys.env
    table = keys.table
    if values is not None and dropna and not keys.dropna:
        # A missing value is left out, a missing key is a group.
        frame = DataFrame._wrap(table.rename([f"c{i}" for i in range(table.num_columns)]), env)
        from weft.expression import col

        for position in values:
            frame = frame.filter(~col(f"c{position}").is_null())
        table = frame.table
    if values is not None and not dropna and keys.dropna:
        frame = DataFrame._wrap(table.rename([f"c{i}" for i in range(table.num_columns)]), env)
        from weft.expression import col

        for position in keys.positions:
            frame = frame.filter(~col(f"c{position}").is_null())
        table = frame.table
    before = 0 if env is None else sum(env.allgather(table.num_rows)[: env.rank])
    rows = pa.array(numpy.arange(before, before + table.num_rows, dtype=numpy.int64))
    numbered = _core.beside([table.select(by), _core.Table.from_stream(pa.table({"row": rows}))])
    return _core.group_by(
        numbered.rename([f"k{i}" for i in range(len(by))] + ["row"]),
        keys.session,
        keys=list(range(len(by))),
        aggregations=[
            {"function": "size", "column": -1, "name": "count"},
            {"function": "min", "column": len(by), "name": "first"},
        ],
        sort=False,
        dropna=keys.dropna if dropna is None else dropna and keys.dropna,
    )


def _total(keys: Keys, made: _core.Table, column: int) -> int:
    import pyarrow as pa
    import pyarrow.compute as pc

    local: Any = pc.sum(pa.table(made).column(column)).as_py() or 0
    return int(local if keys.env is None else keys.env.allreduce(int(local)))


def _share(keys: Keys, made: _core.Table, column: int, total: int) -> _core.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    counts = pc.cast(pa.table(made).column(column), pa.float64())
    share = pc.divide(counts, pa.scalar(float(total or 1)))
    values = _core.Table.from_stream(pa.table({"proportion": share}))
    return _core.beside([made.select(list(range(column))), values])
