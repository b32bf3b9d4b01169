"""Rows of one process in the forms that pandas gives them: dicts, records, `info`. Nothing here is collective."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from weft.arguments import one_of, place

if TYPE_CHECKING:
    from weft.frame import DataFrame
    from weft.rows import Rows

__all__ = ["iterate_rows", "iterate_tuples", "labels", "print_info", "to_dict"]

#: Rows that are made Python values at a time.
BLOCK = 4096


def labels(frame: Rows) -> list[Any]:
    """What names each row: the index value, a tuple of an index of several columns, without an index the position among
    this rank's rows."""
    hidden = len(frame.index_names)
    if hidden == 0:
        return list(range(len(frame)))
    import pyarrow as pa

    lists = [column.to_pylist() for column in pa.table(frame.table.select(list(range(hidden)))).columns]
    return lists[0] if hidden == 1 else list(zip(*lists, strict=True))


def _shown_names(frame: Rows) -> list[str | None]:
    from weft.arrow_input import index_label

    return [index_label(name) for name in frame.index_names] or [None]


def to_dict(frame: DataFrame, orient: str, into: Any, index: bool) -> Any:
    """See `DataFrame.to_dict`."""
    orient = one_of(
        frame.env,
        "to_dict",
        "orient",
        orient.lower() if isinstance(orient, str) else orient,
        ("dict", "list", "series", "split", "tight", "records", "index"),
    )
    if not index and orient not in ("split", "tight"):
        raise ValueError(f"{place(frame.env)}to_dict: index=False goes with orient='split' and 'tight' alone")
    make = (lambda pairs: type(into)(into.default_factory, pairs)) if hasattr(into, "default_factory") else into
    if orient == "series":
        return make((name, frame[name]) for name in frame.columns)
    table = frame.reset_index(drop=True).to_arrow()
    if orient == "records":
        return [make(row.items()) for row in table.to_pylist()]
    if orient == "index":
        named = labels(frame)
        if len(set(named)) != len(named):
            raise ValueError(f"{place(frame.env)}to_dict: orient='index' needs labels that are all different")
        return make((label, make(row.items())) for label, row in zip(named, table.to_pylist(), strict=True))
    columns = table.to_pydict()
    if orient == "list":
        return make(columns.items())
    if orient == "dict":
        named = labels(frame)
        return make((name, make(zip(named, values, strict=True))) for name, values in columns.items())
    rows: list[list[Any]] = [list(row) for row in zip(*columns.values(), strict=True)]
    made: dict[str, Any] = {"index": labels(frame)} if index else {}
    made |= {"columns": list(columns), "data": rows}
    if orient == "tight":
        made |= {"index_names": _shown_names(frame)} if index else {}
        made |= {"column_names": [None]}
    return make(made.items())


def iterate_rows(frame: DataFrame) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Each row's label and its values by column."""
    for begin in range(0, len(frame), BLOCK):
        part = frame.local()._wrap(frame.table.slice(begin, min(BLOCK, len(frame) - begin)), None, frame.index_names)
        named = labels(part) if frame.index_names else range(begin, begin + len(part))
        yield from zip(named, part.reset_index(drop=True).to_arrow().to_pylist(), strict=True)


def iterate_tuples(frame: DataFrame, index: bool, name: str | None) -> Iterator[tuple[Any, ...]]:
    """Each row as a tuple, named where `name` is."""
    import collections

    fields = [*(["Index"] if index else []), *frame.columns]
    named: Any = None if name is None else collections.namedtuple(name, fields, rename=True)
    kind = tuple if named is None else named._make
    for label, row in iterate_rows(frame):
        yield kind([*([label] if index else []), *row.values()])


def memory_of_columns(frame: Rows) -> tuple[int, dict[str, int]]:
    """Bytes of the index columns, and by column."""
    hidden = len(frame.index_names)
    sizes = [frame.table.select([i]).nbytes for i in range(frame.table.num_columns)]
    return sum(sizes[:hidden]), dict(zip(frame.columns, sizes[hidden:], strict=True))


def _bytes_text(size: float) -> str:
    for unit in ("bytes", "KB", "MB", "GB"):
        if size < 1024:
            return f"{size:.1f} {unit}" if unit != "bytes" else f"{size:.0f} bytes"
        size /= 1024
    return f"{size:.1f} TB"


def print_info(
    frame: DataFrame,
    rows: list[int],
    present: list[int],
    size: int,
    *,
    verbose: bool,
    memory_usage: bool,
    counts: bool,
    buf: Any,
) -> None:
    """Writes what `DataFrame.info` says. `rows`: of each rank that is told of; `present`: values that are there, by
    column; `size`: bytes."""
    out = sys.stdout if buf is None else buf
    types = [str(type) for type in frame.dtypes.values()]
    lines = [str(type(frame))]
    index = "no index: rows by position" if not frame.index_names else f"index: {', '.join(frame.index_names)}"
    over = "" if frame.env is None else f", part of rank {frame.env.rank} of {frame.env.world_size}"
    if len(rows) > 1:
        over = f" on {len(rows)} ranks: {', '.join(map(str, rows))}"
    lines.append(f"{sum(rows)} rows{over}; {index}")
    if verbose and frame.columns:
        lines.append(f"Data columns (total {len(frame.columns)} columns):")
        head = ["#", "Column", *(["Non-Null Count"] if counts else []), "Dtype"]
        body = [
            [str(i), name, *([f"{count} non-null"] if counts else []), kind]
            for i, (name, count, kind) in enumerate(zip(frame.columns, present, types, strict=True))
        ]
        widths = [max(len(row[i]) for row in [head, *body]) for i in range(len(head))]
        for row in [head, ["-" * width for width in widths], *body]:
            lines.append(" " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
    else:
        lines.append(f"Columns: {len(frame.columns)} entries")
    lines.append("dtypes: " + ", ".join(f"{kind}({count})" for kind, count in sorted(Counter(types).items())))
    if memory_usage:
        lines.append(f"memory usage: {_bytes_text(size)}")
    out.write("\n".join(lines) + "\n")
