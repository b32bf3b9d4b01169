"""`DataFrame.merge`: from pandas' arguments to the join's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from weft import _core
from weft.arguments import choose_env, find_all, one_of, place
from weft.env import Env
from weft.frame import DataFrame

__all__ = ["merge"]


def _keys(
    left: DataFrame, right: DataFrame, on: Any, left_on: Any, right_on: Any, where: str
) -> tuple[list[int], list[int]]:
    """Positions of the key columns in the two tables."""
    if on is not None:
        if left_on is not None or right_on is not None:
            raise ValueError(f"{where}merge: give on, or left_on and right_on, not both")
        return find_all(left, on, "merge (left)"), find_all(right, on, "merge (right)")
    if left_on is None and right_on is None:
        shared = [name for name in left.columns if name in right.columns]
        if not shared:
            raise ValueError(f"{where}merge: the frames have no column in common; name the keys")
        return find_all(left, shared, "merge"), find_all(right, shared, "merge")
    if left_on is None or right_on is None:
        raise ValueError(f"{where}merge: left_on and right_on are given together")
    keys = find_all(left, left_on, "merge (left)"), find_all(right, right_on, "merge (right)")
    if len(keys[0]) != len(keys[1]):
        raise ValueError(f"{where}merge: left_on names {len(keys[0])} columns and right_on {len(keys[1])}")
    return keys


def _suffixes(suffixes: Any, where: str) -> tuple[str, str]:
    if not isinstance(suffixes, Sequence) or isinstance(suffixes, str) or len(suffixes) != 2:
        raise ValueError(f"{where}merge: suffixes={suffixes!r} is no pair of texts")
    for suffix in suffixes:
        if suffix is not None and not isinstance(suffix, str):
            raise ValueError(f"{where}merge: a suffix is a text or None, not {suffix!r}")
    return suffixes[0] or "", suffixes[1] or ""


def _without_index(frame: DataFrame, keys: list[int], kept: Sequence[str]) -> tuple[DataFrame, list[int]]:
    """The frame without the index columns that the join loses, and where its keys are then."""
    names = frame.table.column_names
    hidden = set(frame.index_names)
    used = [names[key] for key in keys]
    columns = [name for name in names if name not in hidden or name in used]
    made = frame.reset_index()
    if columns != names:
        made = made[columns]
    return made, [columns.index(name) for name in used]


def merge(
    left: DataFrame,
    right: DataFrame,
    how: str,
    on: Any,
    left_on: Any,
    right_on: Any,
    sort: bool,
    suffixes: Any,
    algorithm: str | None,
    env: Env | None,
) -> DataFrame:
    """See `DataFrame.merge`."""
    if not isinstance(right, DataFrame):
        raise TypeError(f"merge: right is a weft.DataFrame, not {type(right).__name__}; weft.DataFrame(x) makes one")
    chosen = choose_env("merge", env, left, right)
    where = place(chosen)
    one_of(chosen, "merge", "how", how, ("inner", "left", "right", "outer"))
    if algorithm is not None:
        one_of(chosen, "merge", "algorithm", algorithm, ("hash", "sort"))
    if sort and algorithm == "hash":
        raise ValueError(f"{where}merge: sort=True is what algorithm='sort' gives; leave algorithm out")
    left_keys, right_keys = _keys(left, right, on, left_on, right_on, where)
    left_suffix, right_suffix = _suffixes(suffixes, where)
    left_names, right_names = left.table.column_names, right.table.column_names
    # As in pandas, an index level that is a key of one name on both sides stays the index; any other index is lost.
    index = [
        left_names[i]
        for i, j in zip(left_keys, right_keys, strict=True)
        if left_names[i] == right_names[j] and left_names[i] in left.index_names and right_names[j] in right.index_names
    ]
    left, left_keys = _without_index(left, left_keys, index)
    right, right_keys = _without_index(right, right_keys, index)
    _check_overlap(left, right, left_keys, right_keys, left_suffix, right_suffix, where)
    table = _core.join(
        left.table,
        right.table,
        None if chosen is None else chosen.session,
        left_keys=left_keys,
        right_keys=right_keys,
        how=how,
        algorithm=algorithm or ("sort" if sort else "hash"),
        left_suffix=left_suffix,
        right_suffix=right_suffix,
    )
    made = DataFrame._wrap(table, chosen)
    return made.set_index(index) if index else made


def _check_overlap(
    left: DataFrame,
    right: DataFrame,
    left_keys: list[int],
    right_keys: list[int],
    left_suffix: str,
    right_suffix: str,
    where: str,
) -> None:
    if left_suffix or right_suffix:
        return
    left_names, right_names = left.table.column_names, right.table.column_names
    common = {left_names[i] for i, j in zip(left_keys, right_keys, strict=True) if left_names[i] == right_names[j]}
    overlap = [name for name in left_names if name in right_names and name not in common]
    if overlap:
        raise ValueError(f"{where}merge: columns overlap but no suffix is given: {overlap}")
