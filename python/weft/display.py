"""Tables as text and as HTML."""

from __future__ import annotations

import html
import math
import shutil
import sys
import unicodedata
from typing import TYPE_CHECKING, Any

from weft.arrow_input import index_label

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["format_table", "html_table", "markdown_table"]

#: Characters of a cell, and columns of an HTML table, that are shown.
CELL = 32
HTML_COLUMNS = 20


def _floats(values: list[Any]) -> list[Any]:
    """The floats of a column as texts, as pandas shows them: six digits behind the point less the zeros that all end
    in, or with an exponent where some are very small, or large and long."""
    finite = [value for value in values if isinstance(value, float) and math.isfinite(value)]
    fixed = [f"{value:.6f}" for value in finite]
    while fixed and all(text.endswith("0") and text[-2] != "." for text in fixed):
        fixed = [text[:-1] for text in fixed]
    sizes = [abs(value) for value in finite]
    long = max(map(len, fixed), default=0) > 12 and max(sizes) > 1e6
    if long or any(0 < size < 1e-6 for size in sizes):
        fixed = [f"{value:.6e}" for value in finite]
    texts = iter(fixed)
    return [
        (next(texts) if math.isfinite(value) else str(value)) if isinstance(value, float) else value for value in values
    ]


def _cell(value: Any, width: int = CELL) -> str:
    if value is None:
        return "<NA>"
    text = str(value)
    text = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
    return text if len(text) <= width else text[: width - 1] + "…"


def _header(name: str) -> str:
    """A column's name; empty for an index without one."""
    label = index_label(name)
    return "" if label is None else _cell(label)


def _columns_on_screen(text: str) -> int:
    """How many columns of a terminal a text takes: wide characters two, those that join others none."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) > 0 for char in text)


def _pad(text: str, width: int, left: bool) -> str:
    room = " " * (width - _columns_on_screen(text))
    return text + room if left else room + text


def _cells(head: pa.Table, tail: pa.Table | None, position: int) -> list[str]:
    of_head = head.column(position).to_pylist()
    values = of_head if tail is None else [*of_head, *tail.column(position).to_pylist()]
    cells = [_cell(value) for value in _floats(values)]
    return cells if tail is None else [*cells[: len(of_head)], "...", *cells[len(of_head) :]]


def _middle_left_out(widths: list[int], room: int) -> tuple[int, int]:
    """How many columns from the left and from the right fit in `room`; all where they do, else at least one each."""
    if sum(widths) + 2 * (len(widths) - 1) <= room or len(widths) <= 2:
        return len(widths), 0
    left, right = 1, 1
    used = widths[0] + widths[-1] + 3 + 4
    while left + right < len(widths):
        of_left = left <= right
        width = widths[left] if of_left else widths[-right - 1]
        if used + width + 2 > room:
            break
        used += width + 2
        left, right = (left + 1, right) if of_left else (left, right + 1)
    return left, right


def _to_the_left(type: pa.DataType) -> bool:
    kind = str(type)
    return "string" in kind or "binary" in kind or "dictionary" in kind


def format_table(head: pa.Table, tail: pa.Table | None, rows: int, footer: str, screen: int | None = None) -> str:
    """The rows of `head`, dots and those of `tail` where rows are left out, and a footer; columns in the middle are
    left out where the lines would be longer than the terminal (`screen` characters)."""
    room = shutil.get_terminal_size((100, 24)).columns if screen is None else screen
    columns: list[list[str]] = []
    left: list[bool] = []
    for position, name in enumerate(head.column_names):
        columns.append([_header(name), *_cells(head, tail, position)])
        left.append(_to_the_left(head.schema.field(position).type))
    if not columns:
        return f"{rows} rows of no columns\n{footer}"
    widths = [max(map(_columns_on_screen, column)) for column in columns]
    from_left, from_right = _middle_left_out(widths, room)
    if from_right:
        keep = slice(from_left, len(columns) - from_right)
        columns[keep], left[keep], widths[keep] = [["..."] * len(columns[0])], [False], [3]
    lines = [
        "  ".join(_pad(text, width, to_left) for text, width, to_left in zip(row, widths, left, strict=True)).rstrip()
        for row in zip(*columns, strict=True)
    ]
    return "\n".join([*lines, footer])


def html_table(head: pa.Table, tail: pa.Table | None, rows: int, index: int, footer: str) -> str:
    """The same as an HTML table, all texts escaped; the first `index` columns are headers of their rows."""
    names = list(head.column_names)
    columns = [_cells(head, tail, position) for position in range(len(names))]
    if len(names) > HTML_COLUMNS:
        keep = slice(HTML_COLUMNS // 2, len(names) - HTML_COLUMNS // 2)
        names[keep], columns[keep] = ["..."], [["..."] * len(columns[0])]
    lines = ['<div><table border="1" class="dataframe">', "<thead><tr>"]
    lines += [f"<th>{html.escape(_header(name))}</th>" for name in names]
    lines.append("</tr></thead><tbody>")
    for row in zip(*columns, strict=True):
        tags = ["th" if i < index else "td" for i in range(len(row))]
        lines.append(
            "<tr>"
            + "".join(f"<{tag}>{html.escape(text)}</{tag}>" for tag, text in zip(tags, row, strict=True))
            + "</tr>"
        )
    lines.append(f"</tbody></table><p>{html.escape(footer)}</p></div>")
    return "\n".join(lines)


def markdown_table(table: pa.Table, numbers: list[int] | None) -> str:
    """All rows as a table of Markdown, `numbers` before them; texts to the left, all else to the right."""
    columns: list[list[str]] = [] if numbers is None else [["", *map(str, numbers)]]
    left = [False] * len(columns)
    for position, name in enumerate(table.column_names):
        values = _floats(table.column(position).to_pylist())
        cells = [_cell(value, sys.maxsize) for value in values]
        columns.append([_header(name), *cells])
        left.append(_to_the_left(table.schema.field(position).type))
    columns = [[text.replace("|", "\\|") for text in column] for column in columns]
    widths = [max(3, *map(_columns_on_screen, column)) for column in columns]
    rules = [
        ":" + "-" * (width - 1) if to_left else "-" * (width - 1) + ":"
        for width, to_left in zip(widths, left, strict=True)
    ]
    rows = [
        [_pad(text, width, to_left) for text, width, to_left in zip(row, widths, left, strict=True)]
        for row in zip(*columns, strict=True)
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in [*rows[:1], rules, *rows[1:]])
