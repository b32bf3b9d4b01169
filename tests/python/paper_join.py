"""The paper's join, by pandas: what `examples/scaling_join.py` must find."""

from __future__ import annotations

import numpy as np
import pandas as pd


def joined_rows(world: int, rows: int, scaling: str = "weak") -> int:
    """Rows of the joined table over all ranks."""
    most = rows * world if scaling == "weak" else rows
    sides: list[list[np.ndarray]] = [[], []]
    for rank in range(world):
        rng = np.random.default_rng(seed=rank)
        for side in sides:
            side.append(rng.integers(0, int(most * 0.9), size=(rows if scaling == "weak" else int(rows / world), 2)))
    left, right = (pd.DataFrame(np.concatenate(side)) for side in sides)
    return len(left.merge(right, on=[0]))
