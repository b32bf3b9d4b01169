"""The report as one page of HTML that needs nothing else: plots are in it, and nothing is fetched."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from pathlib import Path

from weft.scaling.tables import Table

__all__ = ["page"]

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1a1a1a; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccc; } h3 { margin-bottom: .4rem; }
table { border-collapse: collapse; font-size: 13px; display: block; overflow-x: auto; }
th, td { border-bottom: 1px solid #e2e2e2; padding: .2rem .6rem; text-align: left; white-space: nowrap; }
.n { text-align: right; font-variant-numeric: tabular-nums; }
.note { color: #555; font-size: 13px; max-width: 60rem; }
.plots { display: flex; flex-wrap: wrap; gap: 1rem; } .plots img { max-width: 100%; width: 33rem; }
"""


def _image(folder: Path, name: str) -> str:
    data = base64.b64encode((folder / f"{name}.svg").read_bytes()).decode()
    return f'<img alt="{html.escape(name)}" src="data:image/svg+xml;base64,{data}">'


def page(title: str, intro: Sequence[str], tables: Sequence[Table], plots: dict[str, list[str]], folder: Path) -> str:
    """The page. `plots` are names of files in `folder`, by heading."""
    parts = [f"<h1>{html.escape(title)}</h1>", *(f"<p>{html.escape(line)}</p>" for line in intro)]
    for what, names in plots.items():
        images = "\n".join(_image(folder, name) for name in names)
        parts += [f"<h2>{html.escape(what)}</h2>", f'<div class="plots">{images}</div>']
    parts += ["<h2>Tables</h2>", *(table.html() for table in tables)]
    body = "\n".join(parts)
    # An icon of nothing, so that no browser asks for one.
    icon = '<link rel="icon" href="data:,">'
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title>{icon}<style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'
