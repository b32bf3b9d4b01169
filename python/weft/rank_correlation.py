"""Correlations of ranks: Spearman's and Kendall's, over the rows in which both columns of a pair are there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from weft import _core
from weft.arguments import choose_env
from weft.expression import col

if TYPE_CHECKING:
    from weft.frame import DataFrame

__all__ = ["rank_matrix"]


def rank_matrix(
    frame: DataFrame, operation: str, columns: Sequence[int], min_periods: int, method: str
) -> list[list[float]]:
    """The correlations of all pairs of columns; NaN for pairs in fewer than `min_periods` rows. Collective on a bound
    frame."""
    env = choose_env(operation, None, frame)
    session = None if env is None else env.session
    # Also checks the types.
    pairs = _core.pair_moments(frame.table, session, columns=columns, ddof=1, operation=operation)
    counts = [[0] * len(columns) for _ in columns]
    numbers = iter(pairs)
    for i in range(len(columns)):
        for j in range(i, len(columns)):
            counts[i][j] = next(numbers)[0]
    matrix = [[math.nan] * len(columns) for _ in columns]
    total = frame.total_rows()
    whole = [i for i in range(len(columns)) if counts[i][i] == total] if method == "spearman" else []
    ranked = _of_whole(frame, session, [columns[i] for i in whole])
    for i in range(len(columns)):
        for j in range(i, len(columns)):
            if counts[i][j] < min_periods:
                continue
            if i in whole and j in whole:
                value = ranked[whole.index(i), whole.index(j)]
            elif i == j and method == "kendall":
                value = 1.0
            else:
                both = frame._wrap(frame.table.select([columns[i], columns[j]]).rename(["x", "y"]), env)
                if counts[i][j] < total:
                    both = both.dropna()
                value = _spearman(both, session) if method == "spearman" else _kendall(both, session, counts[i][j])
            matrix[i][j] = matrix[j][i] = value
    return matrix


def _of_whole(frame: DataFrame, session: _core.Session | None, columns: list[int]) -> dict[tuple[int, int], float]:
    """Spearman's of columns without missing values, which are ranked once."""
    if not columns:
        return {}
    table = frame.table.select(columns).rename([f"c{i}" for i in range(len(columns))])
    ranks = frame._wrap(table, frame.env).rank()
    places = list(range(len(columns)))
    pairs = _core.pair_moments(ranks.table, session, columns=places, ddof=1, operation="corr")
    return dict(zip(((i, j) for i in places for j in places[i:]), (pair[2] for pair in pairs), strict=True))


def _spearman(both: DataFrame, session: _core.Session | None) -> float:
    ranks = both.rank()
    pairs = _core.pair_moments(ranks.table, session, columns=[0, 1], ddof=1, operation="corr")
    return pairs[1][2]


def _kendall(both: DataFrame, session: _core.Session | None, rows: int) -> float:
    """Tau-b. Source: Knight, "A computer method for calculating Kendall's tau with ungrouped data", JASA 1966."""
    # Numbers of the distinct values: doubles that stand for values of any type.
    ranks = both.rank(method="dense")
    ordered = ranks.sort_values(["x", "y"])
    discordant = _core.inversions(ordered.table, session, column=1)
    tied_x, tied_y, tied_both = (_tied(ranks, session, keys) for keys in ([0], [1], [0, 1]))
    all_pairs = rows * (rows - 1) // 2
    if all_pairs in (tied_x, tied_y):
        return math.nan
    difference = all_pairs - tied_x - tied_y + tied_both - 2 * discordant
    found = difference / math.sqrt(all_pairs - tied_x) / math.sqrt(all_pairs - tied_y)
    return max(-1.0, min(1.0, found))


def _tied(ranks: DataFrame, session: _core.Session | None, keys: list[int]) -> int:
    """How many pairs of rows are equal in these columns."""
    sizes = _core.group_by(
        ranks.table,
        session,
        keys=keys,
        aggregations=[{"function": "size", "column": -1, "name": "size"}],
        sort=False,
        dropna=True,
    )
    counts = ranks._wrap(sizes, ranks.env).select(pairs=col("size") * (col("size") - 1) // 2)
    return int(counts.sum()["pairs"])
