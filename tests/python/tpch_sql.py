"""The queries of tpch.sql by number."""

from __future__ import annotations

import re
from pathlib import Path


def statements(scale: float) -> dict[int, str]:
    """Number -> SQL, for tables of this scale factor."""
    text = (Path(__file__).parent / "tpch.sql").read_text()
    parts = re.split(r"^-- (\d+)\n", text, flags=re.MULTILINE)
    fraction = f"{0.0001 / scale:.10f}"
    return {
        int(number): body.strip().replace("{fraction}", fraction)
        for number, body in zip(parts[1::2], parts[2::2], strict=True)
    }
