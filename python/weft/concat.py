"""`weft.concat`, and `DataFrame.join`: frames put together by their index or by position."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from weft import _core
from weft.arguments import choose_env, one_of, place, refuse
from weft.env import Env
from weft.expression import lit
from weft.frame import DataFrame
from weft.merge import as_frame
from weft.series import Series

if TYPE_CHECKING:
    from weft.rows import Columns

__all__ = ["concat", "join"]

_ROWS = (0, "index", "rows")
_COLUMNS = (1, "columns")


def concat(
    objs: Iterable[DataFrame | Series | None] | Mapping[Any, DataFrame | Series | None],
    *,
    axis: int | str = 0,
    join: Literal["inner", "outer"] = "outer",
    ignore_index: bool = False,
    keys: Iterable[Any] | None = None,
    levels: Any = None,
    names: Sequence[str] | None = None,
    verify_integrity: bool = False,
    sort: bool = False,
    copy: bool | None = None,
    union_categories: bool = False,
    env: Env | None = None,
) -> DataFrame | Series:
    """Frames one below the other, or side by side, as pandas' ``concat``. Collective on bound frames or with `env`.

    Parameters
    ----------
    objs
        Frames or Series, or a dict whose keys are taken as `keys`. None is passed over.
    axis
        0 (``"index"``): all rows of the first frame, over all ranks, come first, then those of the second and so on;
        the result of bound frames is evenly spread. Types of a column that differ go to a common one. Series alone make
        a Series. 1 (``"columns"``): frames with an index (which must be unique) are joined on it, in the order of first
        appearance; frames without one go by position, must have equally many rows, and lie as the first one does.
    join
        What is not in all frames, columns (axis 0) or labels of the index (axis 1): ``"outer"`` keeps it, missing where
        a frame lacks it, ``"inner"`` leaves it out.
    ignore_index
        Without the index; for axis 1, columns are called "0", "1", ...
    keys, names
        One key a frame: a first level of the index, called ``names[0]``; for axis 1, a beginning of the columns' names,
        ``key_column``.
    verify_integrity
        A label that is in the result's index twice is an error.
    sort
        Order the columns by name; for axis 1, the rows by the index.

    Raises
    ------
    TypeError
        A column's types have none in common.
    ValueError
        No frames; index columns that differ; a bound frame beside an unbound one without `env`; a column name that
        would be there twice.
    """
    refuse(
        "concat",
        levels=(levels, None, "there are no multi-level indexes"),
        copy=(copy, None, "frames do not change, so nothing needs a copy"),
        union_categories=(union_categories, False, "dictionaries are always united"),
    )
    if isinstance(objs, Mapping):
        keys = list(objs) if keys is None else list(keys)
        missing = [key for key in keys if key not in objs]
        if missing:
            raise KeyError(f"concat: there is no frame {missing[0]!r}; there are {list(objs)}")
        parts: list[Any] = [objs[key] for key in keys]
    elif isinstance(objs, DataFrame | Series | str):
        raise TypeError(f"concat: the first argument is a list of frames, not {type(objs).__name__}")
    else:
        parts = list(objs)
    labels = None if keys is None else list(keys)
    if labels is not None and len(labels) != len(parts):
        raise ValueError(f"concat: there are {len(labels)} keys and {len(parts)} frames")
    labels = None if labels is None else [key for key, part in zip(labels, parts, strict=True) if part is not None]
    parts = [part for part in parts if part is not None]
    if not parts:
        raise ValueError("concat: there are no frames")
    if axis not in (*_ROWS, *_COLUMNS):
        raise ValueError(f"concat: axis={axis!r} is unknown; it is 0 ('index') or 1 ('columns')")
    frames = [as_frame("concat", part) for part in parts]
    chosen = choose_env("concat", env, *frames)
    one_of(chosen, "concat", "join", join, ("inner", "outer"))
    if names is not None and labels is None:
        raise ValueError(f"{place(chosen)}concat: names are taken together with keys")
    if axis in _COLUMNS:
        return _side_by_side(frames, chosen, join, bool(ignore_index), labels, names, bool(sort))
    if ignore_index and labels is not None:
        raise ValueError(f"{place(chosen)}concat: give ignore_index=True or keys, not both")
    only_series = all(isinstance(part, Series) for part in parts)
    if only_series:
        common = {frame.columns[0] for frame in frames}
        name = common.pop() if len(common) == 1 else "0"
        frames = [frame._like(frame.table.rename([*frame.index_names, name])) for frame in frames]
    made = _below(frames, chosen, join, bool(ignore_index), labels, names)
    if verify_integrity:
        _check_labels(made, "concat: verify_integrity: the index labels")
    if sort and not only_series:
        made = made[sorted(made.columns)]
    return Series(made) if only_series else made


def _same_index(frames: Sequence[DataFrame], chosen: Env | None) -> tuple[str, ...]:
    index = frames[0].index_names
    for frame in frames:
        if frame.index_names != index:
            raise ValueError(
                f"{place(chosen)}concat: the frames have different indexes, {list(index)} and "
                f"{list(frame.index_names)}; use ignore_index=True, or reset_index() first"
            )
    return index


def _check_labels(frame: DataFrame, what: str) -> None:
    if frame.index_names:
        session = None if frame.env is None else frame.env.session
        _core.check_unique(frame.table, session, columns=list(range(len(frame.index_names))), what=what)


def _below(
    frames: list[DataFrame],
    chosen: Env | None,
    join: str,
    ignore_index: bool,
    labels: list[Any] | None,
    names: Sequence[str] | None,
) -> DataFrame:
    if ignore_index:
        frames = [frame.reset_index(drop=True) for frame in frames]
    index = _same_index(frames, chosen)
    if labels is not None:
        level = str(names[0]) if names else f"__index_level_{len(index)}__"
        renamed = [*(str(name) for name in (names or ())[1:]), *index[max(0, len(names or ()) - 1) :]]
        frames = [
            frame._wrap(frame.table.rename([*renamed, *frame.columns]), frame.env)
            .assign(**{level: lit(label)})
            .set_index([level, *renamed])
            for frame, label in zip(frames, labels, strict=True)
        ]
        index = (level, *renamed)
    session = None if chosen is None else chosen.session
    table = _core.concat([frame.table for frame in frames], session, outer=join == "outer")
    return DataFrame._wrap(table, chosen, index)


def _side_by_side(
    frames: list[DataFrame],
    chosen: Env | None,
    join: str,
    ignore_index: bool,
    labels: list[Any] | None,
    names: Sequence[str] | None,
    sort: bool,
) -> DataFrame:
    if names is not None:
        raise ValueError(f"{place(chosen)}concat: names is not taken with axis=1; columns have one level of names")
    if labels is not None:
        frames = [
            frame._like(frame.table.rename([*frame.index_names, *(f"{label}_{name}" for name in frame.columns)]))
            for frame, label in zip(frames, labels, strict=True)
        ]
    elif ignore_index:
        count = iter(range(sum(len(frame.columns) for frame in frames)))
        frames = [
            frame._like(frame.table.rename([*frame.index_names, *(str(next(count)) for _ in frame.columns)]))
            for frame in frames
        ]
    _check_names(frames, chosen, "concat")
    index = _same_index(frames, chosen)
    if not index:
        return _by_position(frames, chosen, "concat")
    for frame in frames:
        _check_labels(frame._wrap(frame.table, chosen, index), "concat: the index labels of a frame")
    made = frames[0]._wrap(frames[0].table, chosen, index)
    for frame in frames[1:]:
        right = frame._wrap(frame.table, chosen, index)
        if join == "inner":
            made = made.merge(right, left_index=True, right_index=True, maintain_order=True)
        else:
            left = made.merge(right, "left", left_index=True, right_index=True, maintain_order=True)
            rest = made.merge(right, "right_anti", left_index=True, right_index=True, maintain_order=True)
            made = _below([left, rest], chosen, "outer", False, None, None)
    return made.sort_values(list(index)) if sort else made


def _check_names(frames: Sequence[DataFrame], chosen: Env | None, operation: str) -> None:
    names = [name for frame in frames for name in frame.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{place(chosen)}{operation}: columns overlap: {twice}; rename them, or give suffixes or keys")


def _by_position(frames: Sequence[DataFrame], chosen: Env | None, operation: str) -> DataFrame:
    """The columns of all frames, which have no index, on the rows of the first."""
    session = None if chosen is None else chosen.session
    first = frames[0].table
    tables = [first, *(_core.align(first, frame.table, session, 0, operation) for frame in frames[1:])]
    names = [name for frame in frames for name in frame.columns]
    return DataFrame._wrap(_core.beside(tables, names), chosen)


def join(
    left: DataFrame,
    other: Any,
    on: Columns | None,
    how: str,
    suffixes: Any,
    sort: bool,
    validate: str | None,
    maintain_order: bool,
    env: Env | None,
) -> DataFrame:
    """See `DataFrame.join`."""
    options: dict[str, Any] = {"sort": sort, "validate": validate, "maintain_order": maintain_order, "env": env}
    if not isinstance(other, DataFrame | Series):
        if isinstance(other, str) or not isinstance(other, Iterable):
            raise TypeError(f"join takes weft.DataFrame, weft.Series or a list of these, not {type(other).__name__}")
        if on is not None:
            raise ValueError("join: on is taken with one other frame, not with a list")
        if any(suffixes):
            raise ValueError("join: suffixes are taken with one other frame, not with a list")
        made = left
        for one in other:
            made = join(made, one, None, how, suffixes, sort, validate, maintain_order, env)
        return made
    right = as_frame("join", other)
    if on is not None:
        return left.merge(right, how, left_on=on, right_index=True, suffixes=suffixes, **options)  # type: ignore[arg-type]
    if how == "cross":
        return left.merge(right, "cross", suffixes=suffixes, **options)
    if left.index_names or right.index_names:
        return left.merge(right, how, left_index=True, right_index=True, suffixes=suffixes, **options)  # type: ignore[arg-type]
    chosen = choose_env("join", env, left, right)
    one_of(chosen, "join", "how", how, ("left", "right", "inner", "outer"))
    if not isinstance(suffixes, Sequence) or isinstance(suffixes, str) or len(suffixes) != 2:
        raise ValueError(f"{place(chosen)}join: suffixes={suffixes!r} is no pair of texts")
    overlap = set(left.columns) & set(right.columns)
    frames = [
        frame._like(frame.table.rename([name + (suffix or "") if name in overlap else name for name in frame.columns]))
        for frame, suffix in zip((left, right), suffixes, strict=True)
    ]
    _check_names(frames, chosen, "join")
    return _by_position(frames, chosen, "join")
