"""pandas' other ways to make a frame, ``from_dict``, ``from_records``, ``from_arrow``; and what `pickle` keeps of
one."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from weft.arguments import one_of

if TYPE_CHECKING:
    from weft.env import Env
    from weft.frame import DataFrame
    from weft.rows import Rows

__all__ = ["from_arrow", "from_dict", "from_records", "of_bytes", "to_bytes"]


def from_dict(data: Any, orient: str, dtype: Any, columns: Any, env: Env | None) -> DataFrame:
    """See `DataFrame.from_dict`."""
    from weft.frame import DataFrame

    one_of(env, "from_dict", "orient", orient, ("columns", "index", "tight"))
    if not isinstance(data, Mapping):
        raise TypeError(f"from_dict: the data is a dict, not {type(data).__name__}")
    if orient == "columns":
        if columns is not None:
            raise ValueError("from_dict: columns= goes with orient='index'")
        return DataFrame(data, dtype=dtype, env=env)
    if orient == "tight":
        return _from_tight(data, dtype, env)
    rows = list(data.values())
    if rows and not isinstance(rows[0], Mapping | list | tuple):
        rows = [[row] for row in rows]
    return DataFrame(rows, _labels(list(data.keys())), columns, dtype, env=env)


def _labels(labels: Sequence[Any]) -> Any:
    if any(isinstance(label, tuple) for label in labels):
        raise ValueError("from_dict: labels are of one index column; make columns of them, and set_index(...)")
    return list(labels)


def _from_tight(data: Mapping[str, Any], dtype: Any, env: Env | None) -> DataFrame:
    from weft.frame import DataFrame

    made = DataFrame([list(row) for row in data["data"]], None, data["columns"], dtype, env=env)
    if "index" not in data:
        return made
    names = list(data.get("index_names", [None]))
    labels = [label if isinstance(label, tuple | list) else (label,) for label in data["index"]]
    named = [f"__index_level_{i}__" if name is None else str(name) for i, name in enumerate(names)]
    if names == [None] and [label[0] for label in labels] == list(range(len(labels))):
        # Positions are no labels.
        return made
    index = DataFrame({name: [label[i] for label in labels] for i, name in enumerate(named)})
    columns = {**{name: index[name] for name in named}, **{name: made[name] for name in made.columns}}
    return DataFrame(columns, env=env).set_index(named)


def from_records(
    data: Any,
    index: Any,
    exclude: Sequence[str] | None,
    columns: Sequence[str] | None,
    nrows: int | None,
    env: Env | None,
) -> DataFrame:
    """See `DataFrame.from_records`."""
    from weft.frame import DataFrame

    if hasattr(data, "__next__"):
        data = list(data if nrows is None else itertools.islice(data, nrows))
    elif nrows is not None:
        data = data[:nrows]
    by_name = isinstance(index, str) or (
        isinstance(index, list | tuple) and bool(index) and all(isinstance(name, str) for name in index)
    )
    made = DataFrame(data, None if by_name else index, columns, env=env)
    named = [index] if isinstance(index, str) else list(index or []) if by_name else []
    if by_name and not set(named) <= set(made.columns):
        # Texts that name no columns are labels.
        made, named = DataFrame(data, index, columns, env=env), []
    if exclude:
        made = made.drop(columns=list(exclude))
    return made.set_index(named) if named else made


def from_arrow(data: Any, env: Env | None) -> DataFrame:
    """See `DataFrame.from_arrow`."""
    from weft.frame import DataFrame

    if not (hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__")):
        raise TypeError(f"from_arrow: {type(data).__name__} has neither __arrow_c_stream__ nor __arrow_c_array__")
    return DataFrame(data, env=env)


def to_bytes(frame: Rows) -> bytes:
    """This rank's rows and the names of the index, as Arrow's IPC stream."""
    import pyarrow as pa

    table = frame.to_arrow()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def of_bytes(data: bytes) -> DataFrame:
    """The frame, not bound, that `to_bytes` was given."""
    import pyarrow as pa

    return from_arrow(pa.ipc.open_stream(data).read_all(), None)
