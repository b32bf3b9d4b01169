"""`ToText`: this rank's rows as text. Nothing here is collective."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.arguments import place
from weft.output import Output

if TYPE_CHECKING:
    from weft.rows import Rows

__all__ = ["ToText", "frame_as_markdown"]


class ToText(Output):
    """This rank's rows as text, as pandas writes what ``to_pandas()`` gives; without an index they are numbered. The
    arguments are pandas'. The text is returned, or written to `buf`, a path or an open file. Local."""

    __slots__ = ()

    def to_string(
        self,
        buf: Any = None,
        *,
        columns: Sequence[str] | None = None,
        col_space: Any = None,
        header: Any = True,
        index: bool = True,
        na_rep: str = "NaN",
        formatters: Any = None,
        float_format: Any = None,
        sparsify: bool | None = None,
        index_names: bool = True,
        justify: str | None = None,
        max_rows: int | None = None,
        max_cols: int | None = None,
        show_dimensions: bool = False,
        decimal: str = ".",
        line_width: int | None = None,
        min_rows: int | None = None,
        max_colwidth: int | None = None,
        encoding: str | None = None,
    ) -> str | None:
        """All rows of this rank in lines of columns."""
        made: str | None = self.to_pandas().to_string(
            buf, columns=columns, col_space=col_space, header=header, index=index, na_rep=na_rep,
            formatters=formatters, float_format=float_format, sparsify=sparsify, index_names=index_names,
            justify=justify, max_rows=max_rows, max_cols=max_cols, show_dimensions=show_dimensions, decimal=decimal,
            line_width=line_width, min_rows=min_rows, max_colwidth=max_colwidth, encoding=encoding,
        )  # fmt: skip
        return made

    def to_html(
        self,
        buf: Any = None,
        *,
        columns: Sequence[str] | None = None,
        col_space: Any = None,
        header: bool = True,
        index: bool = True,
        na_rep: str = "NaN",
        formatters: Any = None,
        float_format: Any = None,
        sparsify: bool | None = None,
        index_names: bool = True,
        justify: str | None = None,
        max_rows: int | None = None,
        max_cols: int | None = None,
        show_dimensions: bool | str = False,
        decimal: str = ".",
        bold_rows: bool = True,
        classes: Any = None,
        escape: bool = True,
        notebook: bool = False,
        border: int | bool | None = None,
        table_id: str | None = None,
        render_links: bool = False,
        encoding: str | None = None,
    ) -> str | None:
        """All rows of this rank as a table of HTML."""
        made: str | None = self.to_pandas().to_html(
            buf, columns=columns, col_space=col_space, header=header, index=index, na_rep=na_rep,
            formatters=formatters, float_format=float_format, sparsify=sparsify, index_names=index_names,
            justify=justify, max_rows=max_rows, max_cols=max_cols, show_dimensions=show_dimensions, decimal=decimal,
            bold_rows=bold_rows, classes=classes, escape=escape, notebook=notebook, border=border, table_id=table_id,
            render_links=render_links, encoding=encoding,
        )  # fmt: skip
        return made

    def to_markdown(
        self, buf: Any = None, *, mode: str = "wt", index: bool = True, storage_options: None = None, **kwargs: Any
    ) -> str | None:
        """All rows of this rank as a table of Markdown, values as ``repr`` shows them."""
        return frame_as_markdown(self, buf, mode, index, storage_options, kwargs)


def frame_as_markdown(
    frame: Rows, buf: Any, mode: str, index: bool, storage_options: Any, more: dict[str, Any]
) -> str | None:
    """See `DataFrame.to_markdown`."""
    from weft.display import markdown_table
    from weft.exports import labels
    from weft.files import refuse_foreign

    where = f"{place(frame.env)}to_markdown"
    if more:
        raise TypeError(f"{where}: {', '.join(more)} are for pandas' tabulate, which is not used")
    refuse_foreign(where, storage_options=storage_options)
    table = frame.to_arrow()
    if not index:
        table = frame._same.reset_index(drop=True).to_arrow()
    numbers = labels(frame) if index and not frame.index_names else None
    text = markdown_table(table, numbers)
    if buf is None:
        return text
    if hasattr(buf, "write"):
        buf.write(text)
        return None
    if mode not in ("w", "wt", "a", "at"):
        raise ValueError(f"{where}: mode={mode!r} is not taken; it is 'wt' or 'at'")
    with Path(buf).open(mode, encoding="utf-8") as file:
        file.write(text)
    return None
