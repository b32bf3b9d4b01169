"""`weft.merge_asof`: each row with the nearest row of another frame."""

from __future__ import annotations

import builtins
import datetime
from typing import TYPE_CHECKING, Any, Literal

from weft import _core
from weft.arguments import choose_env, find, find_all, one_of, place
from weft.frequencies import NANOSECONDS
from weft.merge import as_frame, suffix_pair

if TYPE_CHECKING:
    from weft.env import Env
    from weft.frame import DataFrame
    from weft.rows import Column, Columns
    from weft.series import Series

__all__ = ["merge_asof"]


def merge_asof(
    left: DataFrame | Series,
    right: DataFrame | Series,
    on: Column | None = None,
    left_on: Column | None = None,
    right_on: Column | None = None,
    left_index: bool = False,
    right_index: bool = False,
    by: Columns | None = None,
    left_by: Columns | None = None,
    right_by: Columns | None = None,
    suffixes: tuple[str | None, str | None] = ("_x", "_y"),
    tolerance: float | datetime.timedelta | None = None,
    allow_exact_matches: bool = True,
    direction: Literal["backward", "forward", "nearest"] = "backward",
    *,
    env: Env | None = None,
) -> DataFrame:
    """Each row of the left with the nearest row of the right by an ordered key, as pandas' ``merge_asof``. Collective
    on bound frames or with `env`; the result's rows lie where the left's lie.

    Parameters
    ----------
    on, left_on, right_on
        The key: a column of numbers or times of one type, without missing values, by which both frames are sorted (over
        all ranks).
    left_index, right_index
        The index, of one level, is the key. With `left_index` the result keeps it.
    by, left_by, right_by
        Only rows that agree in these columns belong together.
    tolerance
        How far apart keys may be: an integer for integers, a number for floats, a timedelta for times.
    allow_exact_matches
        Whether a row with the same key will do.
    direction
        ``"backward"``: the last right row whose key is not greater; ``"forward"``: the first whose key is not less;
        ``"nearest"``: the closer of the two, the former where both are as close.

    Raises
    ------
    KeyError
        A column is not there.
    TypeError
        The keys are no numbers or times, or of two types.
    ValueError
        A side is not sorted or has missing keys; an argument is unknown or does not go with another.
    """
    left, right = as_frame("merge_asof", left), as_frame("merge_asof", right)
    chosen = choose_env("merge_asof", env, left, right)
    where = place(chosen)
    one_of(chosen, "merge_asof", "direction", direction, ("backward", "forward", "nearest"))
    if not isinstance(allow_exact_matches, bool):
        raise ValueError(f"{where}merge_asof: allow_exact_matches={allow_exact_matches!r} is no truth value")
    if on is not None:
        if left_on is not None or right_on is not None or left_index or right_index:
            raise ValueError(f"{where}merge_asof: give on, or left_on and right_on or an index, not both")
        left_on = right_on = on
    if by is not None:
        if left_by is not None or right_by is not None:
            raise ValueError(f"{where}merge_asof: give by, or left_by and right_by, not both")
        left_by = right_by = by
    if (left_by is None) != (right_by is None):
        raise ValueError(f"{where}merge_asof: left_by and right_by are given together")
    pair = suffix_pair("merge_asof", suffixes, where)
    keeps_index = left_index and len(left.index_names) == 1
    left_key = _key(left, left_on, left_index, "left", where)
    right_key = _key(right, right_on, right_index, "right", where)
    groups = [
        [] if columns is None else [frame.table.column_names[i] for i in find_all(frame, columns, "merge_asof")]
        for frame, columns in ((left, left_by), (right, right_by))
    ]
    if len(groups[0]) != len(groups[1]):
        raise ValueError(f"{where}merge_asof: left_by names {len(groups[0])} columns and right_by {len(groups[1])}")
    first, second = _tables(left, left_key, groups[0], right, right_key, groups[1], right_index)
    if right_index:
        right_key = left_key
    key_type = left.schema.field(left_key).type
    whole, floating = _tolerance(tolerance, key_type, where)
    table = _core.asof_join(
        first,
        second,
        None if chosen is None else chosen.session,
        left_on=first.column_names.index(left_key),
        right_on=second.column_names.index(right_key),
        left_by=[first.column_names.index(name) for name in groups[0]],
        right_by=[second.column_names.index(name) for name in groups[1]],
        direction=direction,
        allow_exact_matches=allow_exact_matches,
        tolerance=whole,
        float_tolerance=floating,
        left_suffix=pair[0],
        right_suffix=pair[1],
    )
    made = left._wrap(table, chosen)
    return made.set_index(left_key) if keeps_index else made


def _key(frame: DataFrame, on: Any, index: bool, side: str, where: str) -> str:
    """The name of a side's key."""
    if index:
        if on is not None:
            raise ValueError(f"{where}merge_asof: give {side}_on or {side}_index, not both")
        if len(frame.index_names) != 1:
            raise ValueError(
                f"{where}merge_asof: {side}_index=True, but the index of the {side} has {len(frame.index_names)} levels"
            )
        return frame.index_names[0]
    if on is None:
        raise ValueError(f"{where}merge_asof: name the key: on, or left_on and right_on")
    if isinstance(on, list | tuple):
        if len(on) != 1:
            raise ValueError(f"{where}merge_asof: there is one key, not {len(on)}; other columns go into by")
        on = on[0]
    return frame.table.column_names[find(frame, on, f"merge_asof ({side})")]


def _tables(
    left: DataFrame,
    left_key: str,
    left_by: list[str],
    right: DataFrame,
    right_key: str,
    right_by: list[str],
    right_index: bool,
) -> tuple[_core.Table, _core.Table]:
    """The tables without index columns that are no keys; the right's index is called as the left's key."""
    tables = []
    for frame, kept in ((left, {left_key, *left_by}), (right, {right_key, *right_by})):
        names = frame.table.column_names
        hidden = len(frame.index_names)
        tables.append(frame.table.select([i for i, name in enumerate(names) if i >= hidden or name in kept]))
    first, second = tables
    if right_index and left_key != right_key:
        if left_key in second.column_names:
            raise ValueError(f"merge_asof: the key {left_key!r} is also a column of the right; rename one of them")
        second = second.rename([left_key if name == right_key else name for name in second.column_names])
    return first, second


def _tolerance(tolerance: Any, type: Any, where: str) -> tuple[int | None, float | None]:
    """The tolerance in the key's units, as an integer or a float."""
    import pyarrow as pa

    if tolerance is None:
        return None, None
    wrong = ValueError(f"{where}merge_asof: tolerance={tolerance!r} does not go with a key of type {type}")
    if pa.types.is_temporal(type):
        if builtins.type(tolerance).__name__ == "timedelta64":
            nanos = int(tolerance.astype("timedelta64[ns]").astype("int64"))
        elif isinstance(tolerance, datetime.timedelta):
            micros = (tolerance.days * 86400 + tolerance.seconds) * 10**6 + tolerance.microseconds
            nanos = micros * 1000 + int(getattr(tolerance, "nanoseconds", 0))  # pandas' Timedelta has them
        else:
            raise wrong
        if pa.types.is_date32(type):
            unit = 86400 * 10**9
        elif pa.types.is_date64(type):
            unit = 10**6
        else:
            unit = NANOSECONDS[type.unit]
        whole: int | None = nanos // unit
        floating: float | None = None
    elif pa.types.is_floating(type):
        if isinstance(tolerance, bool | str) or not hasattr(tolerance, "__float__"):
            raise wrong
        whole, floating = None, float(tolerance)
    else:
        if isinstance(tolerance, bool) or not hasattr(tolerance, "__index__"):
            raise wrong
        whole, floating = int(tolerance), None
    if not (whole if floating is None else floating) >= 0:  # type: ignore[operator]
        raise ValueError(f"{where}merge_asof: tolerance={tolerance!r} is negative")
    return whole if whole is None else min(whole, 2**64 - 1), floating
