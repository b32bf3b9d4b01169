"""`weft.concat`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from weft import _core
from weft.arguments import choose_env, one_of, place, refuse
from weft.env import Env
from weft.frame import DataFrame

__all__ = ["concat"]


def concat(
    objs: Iterable[DataFrame],
    *,
    axis: int | str = 0,
    join: Literal["inner", "outer"] = "outer",
    ignore_index: bool = False,
    keys: Any = None,
    levels: Any = None,
    names: Any = None,
    verify_integrity: bool = False,
    sort: bool = False,
    copy: bool | None = None,
    env: Env | None = None,
) -> DataFrame:
    """Frames one below the other, as pandas' ``concat``. Collective on bound frames or with `env`.

    All rows of the first frame, over all ranks, come first, then those of the second and so on; the result of bound
    frames is evenly spread. Columns that a frame lacks are missing there (``join="outer"``), or only the columns that
    all have are kept (``"inner"``). Types that differ go to a common one.

    Raises
    ------
    TypeError
        A column's types have none in common.
    ValueError
        No frames; index columns that differ; a bound frame beside an unbound one without `env`.
    """
    frames = list(objs.values() if isinstance(objs, dict) else objs)
    refuse(
        "concat",
        axis=(0 if axis in (0, "index", "rows") else axis, 0, "columns are put side by side by merge"),
        keys=(keys, None, "assign a constant column to each frame"),
        levels=(levels, None, "there are no multi-level indexes"),
        names=(names, None, "there are no multi-level indexes"),
        verify_integrity=(verify_integrity, False, "count the index by groupby(...).size()"),
        sort=(sort, False, "choose the columns' order by df[[...]]"),
        copy=(copy, None, "frames do not change, so nothing needs a copy"),
    )
    if not frames:
        raise ValueError("concat: there are no frames")
    for frame in frames:
        if not isinstance(frame, DataFrame):
            raise TypeError(f"concat takes weft.DataFrame, not {type(frame).__name__}; weft.DataFrame(x) makes one")
    chosen = choose_env("concat", env, *frames)
    one_of(chosen, "concat", "join", join, ("inner", "outer"))
    if ignore_index:
        frames = [frame.reset_index(drop=True) for frame in frames]
    index = frames[0].index_names
    for frame in frames:
        if frame.index_names != index:
            raise ValueError(
                f"{place(chosen)}concat: the frames have different indexes, {list(index)} and "
                f"{list(frame.index_names)}; use ignore_index=True, or reset_index() first"
            )
    session = None if chosen is None else chosen.session
    table = _core.concat([frame.table for frame in frames], session, outer=join == "outer")
    return DataFrame._wrap(table, chosen, index)
