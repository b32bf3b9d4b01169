"""Columns to rows: `melt`, `explode`, `transpose`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from weft import _core
from weft.arguments import choose_env, find_all, place, refuse
from weft.arrow_input import UNNAMED_INDEX
from weft.rows import Rows

if TYPE_CHECKING:
    import pyarrow as pa

    from weft.frame import DataFrame

__all__ = ["explode", "melt", "transpose"]


def melt(
    frame: DataFrame,
    id_vars: Any = None,
    value_vars: Any = None,
    var_name: Any = None,
    value_name: Any = "value",
    col_level: Any = None,
    ignore_index: bool = True,
) -> DataFrame:
    """See `DataFrame.melt`."""
    import pyarrow as pa

    from weft.concat import concat

    where = place(frame.env)
    refuse("melt", col_level=(col_level, None, "names of columns have one level"))
    ids = [] if id_vars is None else find_all(frame, id_vars, "melt", index_too=False) if _listed(id_vars) else []
    hidden = len(frame.index_names)
    if value_vars is None:
        values = [i for i in range(hidden, frame.table.num_columns) if i not in ids]
    else:
        values = find_all(frame, value_vars, "melt", index_too=False) if _listed(value_vars) else []
    variable = "variable" if var_name is None else str(var_name)
    names = frame.table.column_names
    made_names = [names[i] for i in ids] + [variable, str(value_name)]
    if len(set(made_names)) != len(made_names):
        raise ValueError(
            f"{where}melt: the result would have a column twice: {made_names}; give var_name or value_name"
        )
    kept = [] if ignore_index else list(range(hidden))
    index = [] if ignore_index else list(frame.index_names)
    parts = []
    for position in values:
        label = pa.table({variable: pa.repeat(pa.scalar(names[position], pa.string()), len(frame))})
        table = _core.beside(
            [frame.table.select([*kept, *ids]), _core.Table.from_stream(label), frame.table.select([position])],
            [*index, *made_names],
        )
        parts.append(Rows._wrap(table, frame.env, index))
    if not parts:
        empty = pa.table({variable: pa.array([], pa.string()), str(value_name): pa.nulls(0)})
        table = _core.beside([frame.table.select([*kept, *ids]).slice(0, 0), _core.Table.from_stream(empty)])
        return Rows._wrap(table, frame.env, index)
    made = parts[0] if len(parts) == 1 else concat(parts)
    return made  # type: ignore[return-value]


def _listed(columns: Any) -> bool:
    """Whether columns are named at all: an empty list names none."""
    return not (isinstance(columns, list | tuple) and not columns)


def explode(frame: DataFrame, column: Any, ignore_index: bool = False) -> DataFrame:
    """See `DataFrame.explode`."""
    import numpy
    import pyarrow as pa

    env = choose_env("explode", None, frame)
    positions = find_all(frame, column, "explode", index_too=False)
    table = pa.table(frame.table)
    lists = {i: _flat(table.column(i)) for i in positions}
    counts = None
    problem = None
    for made in lists.values():
        if counts is not None and not numpy.array_equal(counts, made[1]):
            problem = "explode: the columns have lists of different lengths in a row"
            break
        counts = made[1]
    if env is not None:
        env.agree("explode", problem)
    elif problem is not None:
        raise ValueError(problem)
    assert counts is not None
    rows = numpy.repeat(numpy.arange(len(counts), dtype=numpy.int64), counts)
    whole = pa.table(_core.take(frame.table, None, pa.array(rows)))
    for i, (values, _) in lists.items():
        if values is not None:
            whole = whole.set_column(i, whole.column_names[i], values)
    made_table = _core.Table.from_stream(whole)
    if ignore_index:
        hidden = len(frame.index_names)
        return Rows._wrap(made_table.select(list(range(hidden, made_table.num_columns))), frame.env)
    return Rows._wrap(made_table, frame.env, frame.index_names)


def _flat(column: pa.ChunkedArray) -> tuple[pa.Array | None, Any]:
    """The elements of lists, a missing one for a list that is missing or empty, and how many each row comes to; of a
    column of no lists no elements, and one a row."""
    import numpy
    import pyarrow as pa
    import pyarrow.compute as pc

    type = column.type
    if not (pa.types.is_list(type) or pa.types.is_large_list(type) or pa.types.is_fixed_size_list(type)):
        return None, numpy.ones(len(column), dtype=numpy.int64)
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy().astype(numpy.int64)
    counts = numpy.maximum(lengths, 1)
    # The lists that are missing have no elements in what list_flatten gives.
    flat = pc.list_flatten(column)
    ends = numpy.cumsum(lengths)
    starts = ends - lengths
    place_in_row = numpy.arange(counts.sum(), dtype=numpy.int64) - numpy.repeat(numpy.cumsum(counts) - counts, counts)
    places = numpy.repeat(starts, counts) + place_in_row
    empty = numpy.repeat(lengths == 0, counts)
    return flat.take(pa.array(places, pa.int64(), mask=empty)), counts


def transpose(frame: DataFrame, args: Sequence[Any] = (), copy: Any = False) -> DataFrame:
    """See `DataFrame.transpose`."""
    import pyarrow as pa

    refuse("transpose", copy=(copy, False, "the values are copied as they must be"))
    if args:
        raise ValueError(f"{place(frame.env)}transpose: more arguments are not taken")
    env = choose_env("transpose", None, frame)
    whole = frame if env is None else frame.allgather()
    table = whole.to_arrow()
    hidden = len(frame.index_names)
    if hidden > 1:
        raise ValueError(
            f"{place(frame.env)}transpose: an index of {hidden} columns gives no names; reset_index() first"
        )
    labels = (
        [str(label) for label in table.column(0).to_pylist()] if hidden else [str(i) for i in range(table.num_rows)]
    )
    names = table.column_names[hidden:]
    if len(set(labels)) != len(labels):
        raise ValueError(f"{place(frame.env)}transpose: rows have one label, and columns of one name are not taken")
    type = _one_type(frame, table, hidden)
    columns = [column.cast(type) for column in table.columns[hidden:]]
    chunks = [chunk for column in columns for chunk in column.chunks]
    flat = pa.concat_arrays(chunks) if chunks else pa.array([], type)
    index = UNNAMED_INDEX
    mine = range(len(names))
    if env is not None:
        rank, world = env.rank, env.world_size
        mine = range(len(names) * rank // world, len(names) * (rank + 1) // world)
    rows = table.num_rows
    made = {index: pa.array([names[i] for i in mine], pa.string())}
    for at, label in enumerate(labels):
        if label in made:
            raise ValueError(f"{place(frame.env)}transpose: a row is called {label!r}, as the index is")
        made[label] = flat.take(pa.array([i * rows + at for i in mine], pa.int64()))
    return Rows._wrap(_core.Table.from_stream(pa.table(made)), env, [index])


def _one_type(frame: DataFrame, table: pa.Table, hidden: int) -> pa.DataType:
    """The type that holds all columns' values."""
    import pyarrow as pa

    schemas = [pa.schema([pa.field("x", column.type)]) for column in table.columns[hidden:]]
    if not schemas:
        return pa.null()
    try:
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except pa.ArrowTypeError as problem:
        raise TypeError(f"{place(frame.env)}transpose: the columns are of no one type: {problem}") from None
