"""Tables as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["format_table"]


def _cell(value: Any, width: int) -> str:
    if value is None:
        return "<NA>"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    text = text.replace("\n", "\\n").replace("\t", "\\t")
    return text if len(text) <= width else text[: width - 1] + "…"


def format_table(head: pa.Table, tail: pa.Table | None, rows: int, footer: str, width: int = 32) -> str:
    """The rows of `head`, dots and those of `tail` where rows are left out, and a footer."""
    columns: list[list[str]] = []
    left: list[bool] = []
    for position, name in enumerate(head.column_names):
        cells = [_cell(value, width) for value in head.column(position).to_pylist()]
        if tail is not None:
            cells.append("...")
            cells.extend(_cell(value, width) for value in tail.column(position).to_pylist())
        columns.append([_cell(name, width), *cells])
        kind = head.schema.field(position).type
        left.append("string" in str(kind) or "binary" in str(kind) or "dictionary" in str(kind))
    lines: list[str] = []
    if columns:
        widths = [max(map(len, column)) for column in columns]
        for row in zip(*columns, strict=True):
            cells = [
                text.ljust(size) if to_left else text.rjust(size)
                for text, size, to_left in zip(row, widths, left, strict=True)
            ]
            lines.append("  ".join(cells).rstrip())
    else:
        lines.append(f"{rows} rows of no columns")
    lines.append(footer)
    return "\n".join(lines)
