"""A table, and its forms: Markdown, CSV, LaTeX, HTML."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["DAGGER", "Table"]

#: Marks ranks that share cores.
DAGGER = "\N{DAGGER}"

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", DAGGER: r"$^\dagger$", "±": r"$\pm$",
}  # fmt: skip


@dataclass
class Table:
    """Cells are texts; the first `labels` columns are words, the others numbers."""

    name: str
    title: str
    head: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    labels: int = 1

    def add(self, *cells: str) -> None:
        if len(cells) != len(self.head):
            raise ValueError(f"table {self.name}: {len(cells)} cells for {len(self.head)} columns")
        self.rows.append(cells)

    def markdown(self) -> str:
        rule = ["---" if i < self.labels else "---:" for i in range(len(self.head))]
        lines = [
            f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
            for row in (self.head, rule, *self.rows)
        ]
        return "\n".join([f"### {self.title}", "", *lines, *(f"\n{note}" for note in self.notes), ""])

    def csv(self) -> str:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.head)
        writer.writerows(self.rows)
        return out.getvalue()

    def latex(self) -> str:
        def line(cells: Sequence[str]) -> str:
            return " & ".join("".join(_LATEX.get(letter, letter) for letter in cell) for cell in cells) + r" \\"

        columns = "l" * self.labels + "r" * (len(self.head) - self.labels)
        notes = [line([note]).removesuffix(r" \\") for note in self.notes]
        caption = line([self.title]).removesuffix(r" \\")
        return "\n".join(
            [
                r"\begin{table}", rf"\caption{{{caption}}}", rf"\begin{{tabular}}{{{columns}}}", r"\hline",
                line(self.head), r"\hline", *map(line, self.rows), r"\hline", r"\end{tabular}",
                *(rf"\par {note}" for note in notes), r"\end{table}", "",
            ]
        )  # fmt: skip

    def html(self) -> str:
        def cells(row: Sequence[str], tag: str) -> str:
            kinds = ["" if i < self.labels else ' class="n"' for i in range(len(row))]
            return "".join(f"<{tag}{kind}>{html.escape(cell)}</{tag}>" for cell, kind in zip(row, kinds, strict=True))

        body = "\n".join(f"<tr>{cells(row, 'td')}</tr>" for row in self.rows)
        notes = "".join(f"<p class=note>{html.escape(note)}</p>" for note in self.notes)
        head = f"<thead><tr>{cells(self.head, 'th')}</tr></thead>"
        return f"<h3>{html.escape(self.title)}</h3>\n<table>{head}\n<tbody>{body}</tbody></table>\n{notes}"
