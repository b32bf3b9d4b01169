"""The 22 queries of TPC-H as pieces of work: Weft as in examples/tpch/, Polars by expressions, the others by SQL.

Every engine has the same tables, amounts being doubles. The answers are compared on the way.
"""

from __future__ import annotations

import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from engines import Tables, Work

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "examples" / "tpch"), str(ROOT / "tests" / "python")]


def folder(scale: float) -> Path:
    """Where the tables' files are, which are kept under the directory for temporary files."""
    import generate

    path = Path(tempfile.gettempdir()) / f"weft-tpch-{scale:g}"
    generate.generate(path, scale)
    return path


@cache
def _tables(scale: float) -> Tables:
    """All tables with the columns that the queries read."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    import tables

    made = {}
    for name, columns in tables.COLUMNS.items():
        table = pq.read_table(folder(scale) / f"{name}.parquet", columns=list(columns))
        # Amounts as doubles; texts as every engine takes them.
        plain = [
            pa.field(field.name, pa.float64() if pa.types.is_decimal(field.type) else _text(field.type))
            for field in table.schema
        ]
        made[name] = table.cast(pa.schema(plain))
    return made


def _text(kind: Any) -> Any:
    import pyarrow as pa

    return pa.string() if pa.types.is_string_view(kind) or pa.types.is_large_string(kind) else kind


def tpch_works(scale: float) -> list[Work]:
    import run
    import tpch_polars
    import tpch_sql

    def work(number: int, sql: str) -> Work:
        names = run.tables_of(number)

        def ask_weft(tables: dict[str, Any]) -> Any:
            import weft

            found = run.answer(number, tables, scale)
            return found if isinstance(found, weft.DataFrame) else weft.DataFrame({"value": [found]})

        return Work(
            f"tpch {number}",
            lambda: {name: _tables(scale)[name] for name in names},
            sql=sql,
            polars=tpch_polars.question(number, scale),
            weft=ask_weft,
        )

    return [work(number, sql) for number, sql in tpch_sql.statements(scale).items()]
