"""Joins of two frames: from pandas' arguments to the join's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from weft import _core
from weft.arguments import choose_env, find_all, one_of, place
from weft.env import Env
from weft.merge_parts import in_parts

if TYPE_CHECKING:
    import pyarrow as pa

    from weft.frame import DataFrame
    from weft.rows import Columns
    from weft.series import Series

__all__ = ["Sides", "as_frame", "match_types", "merge", "merge_frames", "suffix_pair"]

How = Literal["inner", "left", "right", "outer", "cross", "left_semi", "left_anti", "right_anti"]
Algorithm = Literal["hash", "sort", "broadcast", "auto"]

HOWS = ("inner", "left", "right", "outer", "cross", "left_semi", "left_anti", "right_anti")
ALGORITHMS = ("hash", "sort", "broadcast", "auto")
#: What `validate` takes, and whether the left and the right keys must be unique.
VALIDATE = {
    "1:1": (True, True),
    "one_to_one": (True, True),
    "1:m": (True, False),
    "one_to_many": (True, False),
    "m:1": (False, True),
    "many_to_one": (False, True),
    "m:m": (False, False),
    "many_to_many": (False, False),
}


def merge(
    left: DataFrame | Series,
    right: DataFrame | Series,
    how: How = "inner",
    on: Columns | None = None,
    left_on: Columns | None = None,
    right_on: Columns | None = None,
    left_index: bool = False,
    right_index: bool = False,
    sort: bool = False,
    suffixes: tuple[str | None, str | None] = ("_x", "_y"),
    copy: bool | None = None,
    indicator: bool | str = False,
    validate: str | None = None,
    *,
    algorithm: Algorithm | None = None,
    maintain_order: bool = False,
    columns: Sequence[str] | None = None,
    env: Env | None = None,
) -> DataFrame:
    """``left.merge(right, ...)``: see `DataFrame.merge`. Collective on bound frames or with `env`."""
    return as_frame("merge", left).merge(
        right,
        how,
        on,
        left_on,
        right_on,
        left_index,
        right_index,
        sort,
        suffixes,
        copy,
        indicator,
        validate,
        algorithm=algorithm,
        maintain_order=maintain_order,
        columns=columns,
        env=env,
    )


def as_frame(operation: str, value: Any) -> DataFrame:
    """A frame, or a Series as a frame of one column."""
    from weft.frame import DataFrame
    from weft.series import Series

    if isinstance(value, Series):
        return value.to_frame()
    if not isinstance(value, DataFrame):
        raise TypeError(
            f"{operation} takes weft.DataFrame or weft.Series, not {type(value).__name__}; weft.DataFrame(x) makes one"
        )
    return value


@dataclass
class Sides:
    """Two tables without an index, ready to be joined; and how the result gets its columns and index."""

    left: _core.Table
    right: _core.Table
    left_keys: list[int]
    right_keys: list[int]
    #: The result's columns that become its index, and the names they then have.
    index: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    #: The keys stand where the right side has them, not the left.
    keys_at_right: bool = False

    def common(self) -> dict[int, int]:
        """Columns of the right that are one with a column of the left: keys of one name."""
        left, right = self.left.column_names, self.right.column_names
        pairs = zip(self.left_keys, self.right_keys, strict=True)
        return {j: i for i, j in pairs if left[i] == right[j]}


def _hidden(number: int) -> str:
    """What an index column is called while tables are joined, so that it is no namesake of a column."""
    return f"__weft_index_{number}__"


def _data(frame: DataFrame) -> list[int]:
    return list(range(len(frame.index_names), frame.table.num_columns))


def _by_columns(left: DataFrame, right: DataFrame, on: Any, left_on: Any, right_on: Any, where: str) -> Sides:
    """Keys are columns, or index levels by name."""
    if on is not None:
        if left_on is not None or right_on is not None:
            raise ValueError(f"{where}merge: give on, or left_on and right_on, not both")
        keys = find_all(left, on, "merge (left)"), find_all(right, on, "merge (right)")
    elif left_on is None and right_on is None:
        shared = [name for name in left.columns if name in right.columns]
        if not shared:
            raise ValueError(f"{where}merge: the frames have no column in common; name the keys")
        keys = find_all(left, shared, "merge"), find_all(right, shared, "merge")
    else:
        if left_on is None or right_on is None:
            raise ValueError(f"{where}merge: left_on and right_on are given together, or one of them with an index")
        keys = find_all(left, left_on, "merge (left)"), find_all(right, right_on, "merge (right)")
        if len(keys[0]) != len(keys[1]):
            raise ValueError(f"{where}merge: left_on names {len(keys[0])} columns and right_on {len(keys[1])}")
    left_names, right_names = left.table.column_names, right.table.column_names
    # As in pandas, an index level that is a key of one name on both sides stays the index; any other index is lost.
    index = [
        left_names[i]
        for i, j in zip(*keys, strict=True)
        if left_names[i] == right_names[j] and left_names[i] in left.index_names and right_names[j] in right.index_names
    ]
    tables, places = [], []
    for frame, own in ((left, keys[0]), (right, keys[1])):
        kept = [i for i in range(frame.table.num_columns) if i >= len(frame.index_names) or i in own]
        tables.append(frame.table.select(kept))
        places.append([kept.index(i) for i in own])
    return Sides(tables[0], tables[1], places[0], places[1], index, index)


def _by_both_indexes(left: DataFrame, right: DataFrame, how: str, where: str) -> Sides:
    levels = len(left.index_names)
    if levels != len(right.index_names):
        raise ValueError(
            f"{where}merge: the left's index has {levels} levels and the right's {len(right.index_names)}: "
            f"{list(left.index_names)} and {list(right.index_names)}"
        )
    hidden = [_hidden(i) for i in range(levels)]
    tables = [frame.table.rename([*hidden, *frame.columns]) for frame in (left, right)]
    keys = list(range(levels))
    names = right.index_names if how in ("right", "right_anti") else left.index_names
    return Sides(tables[0], tables[1], keys, list(keys), hidden, list(names))


def _by_one_index(columned: DataFrame, on: Any, indexed: DataFrame, side: str, where: str) -> Sides:
    """Keys are columns of one frame, on the `side` named, and the other's index, which takes their names. The result
    has the index of the frame that has the columns."""
    positions = find_all(columned, on, f"merge ({side})")
    levels = len(indexed.index_names)
    if len(positions) != levels:
        raise ValueError(
            f"{where}merge: {side}_on names {len(positions)} columns, the other's index has {levels} levels"
        )
    names = [columned.table.column_names[i] for i in positions]
    twice = sorted(set(names) & set(indexed.columns))
    if twice:
        raise ValueError(
            f"{where}merge: the key {twice[0]!r} of the {side} is also a column of the other frame, whose index it is "
            "joined with; rename one of them"
        )
    hidden = [_hidden(i) for i in range(len(columned.index_names))]
    first = columned.table.rename([*hidden, *columned.columns])
    second = indexed.table.rename([*names, *indexed.columns])
    index = list(columned.index_names)
    if side == "left":
        return Sides(first, second, positions, list(range(levels)), hidden, index)
    return Sides(second, first, list(range(levels)), positions, hidden, index, keys_at_right=True)


def _sides(
    left: DataFrame,
    right: DataFrame,
    how: str,
    on: Any,
    left_on: Any,
    right_on: Any,
    left_index: bool,
    right_index: bool,
    where: str,
) -> Sides:
    if how == "cross":
        if on is not None or left_on is not None or right_on is not None or left_index or right_index:
            raise ValueError(f"{where}merge: a cross join has no keys: leave on, left_on, right_on and indexes out")
        return Sides(left.table.select(_data(left)), right.table.select(_data(right)), [], [])
    if not left_index and not right_index:
        return _by_columns(left, right, on, left_on, right_on, where)
    if on is not None:
        raise ValueError(f"{where}merge: give on, or left_index and right_index, not both")
    for given, frame, columns, side in ((left_index, left, left_on, "left"), (right_index, right, right_on, "right")):
        if given and columns is not None:
            raise ValueError(f"{where}merge: give {side}_on or {side}_index, not both")
        if given and not frame.index_names:
            raise ValueError(f"{where}merge: {side}_index=True, but the {side} has no index; make one by set_index")
    if left_index and right_index:
        return _by_both_indexes(left, right, how, where)
    side, frame, columns = ("right", right, right_on) if left_index else ("left", left, left_on)
    if columns is None:
        raise ValueError(f"{where}merge: one side's index is given: name {side}_on, or set {side}_index too")
    listed = list(columns) if isinstance(columns, list | tuple) else [columns]
    if any(name in frame.index_names for name in listed):
        if listed != list(frame.index_names):
            raise ValueError(f"{where}merge: {side}_on names some levels of the index; reset_index() first")
        return _by_both_indexes(left, right, how, where)
    if left_index and how == "left_semi":
        hidden = [_hidden(i) for i in range(len(left.index_names))]
        keys = find_all(right, columns, "merge (right)")
        if len(keys) != len(hidden):
            raise ValueError(
                f"{where}merge: right_on names {len(keys)} columns, the left's index has {len(hidden)} levels"
            )
        first = left.table.rename([*hidden, *left.columns])
        return Sides(first, right.table, list(range(len(hidden))), keys, hidden, list(left.index_names))
    if left_index:
        return _by_one_index(right, columns, left, "right", where)
    return _by_one_index(left, columns, right, "left", where)


def suffix_pair(operation: str, suffixes: Any, where: str) -> tuple[str, str]:
    """Both suffixes, None being no suffix."""
    if not isinstance(suffixes, Sequence) or isinstance(suffixes, str) or len(suffixes) != 2:
        raise ValueError(f"{where}{operation}: suffixes={suffixes!r} is no pair of texts")
    for suffix in suffixes:
        if suffix is not None and not isinstance(suffix, str):
            raise ValueError(f"{where}{operation}: a suffix is a text or None, not {suffix!r}")
    return suffixes[0] or "", suffixes[1] or ""


def _check_overlap(sides: Sides, suffixes: tuple[str, str], where: str) -> None:
    if any(suffixes):
        return
    common = sides.common()
    left = [name for i, name in enumerate(sides.left.column_names) if i not in common.values()]
    right = [name for j, name in enumerate(sides.right.column_names) if j not in common]
    overlap = [name for name in left if name in right]
    if overlap:
        raise ValueError(f"{where}merge: columns overlap but no suffix is given: {overlap}")


def _order(sides: Sides, extra: int) -> list[int] | None:
    """The result's columns where the right's places for the keys are to be kept; None where they are as they should."""
    if not sides.keys_at_right:
        return None
    common = sides.common()
    left_columns = sides.left.num_columns
    keys = set(common.values())
    order = [i for i in range(left_columns) if i not in keys]
    following = left_columns
    for j in range(sides.right.num_columns):
        if j in common:
            order.append(common[j])
        else:
            order.append(following)
            following += 1
    return [*order, *range(following, following + extra)]


def _common_type(left: pa.DataType, right: pa.DataType) -> tuple[pa.DataType | None, bool]:
    """What keys of two types are compared as, as in pandas; None where nothing is to be done, or can be. And whether a
    value may not fit."""
    import pyarrow as pa

    types = pa.types
    if left == right:
        return None, False
    if types.is_integer(left) and types.is_integer(right):
        signed = types.is_signed_integer(left) or types.is_signed_integer(right)
        if signed and (left, right).count(pa.uint64()):
            return None, False
        unsigned = max((t.bit_width for t in (left, right) if types.is_unsigned_integer(t)), default=0)
        width = max(left.bit_width, right.bit_width, 2 * unsigned if signed else 0)
        return pa.type_for_alias(f"{'int' if signed else 'uint'}{width}"), False
    numbers = [types.is_integer(t) or types.is_floating(t) for t in (left, right)]
    if all(numbers):
        # Integers of 64 bits are compared as floats only where they are the same numbers.
        return pa.float64(), any(types.is_integer(t) and t.bit_width == 64 for t in (left, right))
    if types.is_timestamp(left) and types.is_timestamp(right) and left.tz == right.tz:
        units = ("s", "ms", "us", "ns")
        return pa.timestamp(max(left.unit, right.unit, key=units.index), left.tz), True
    return None, False


def _cast(table: _core.Table, places: dict[int, pa.DataType]) -> _core.Table:
    import pyarrow.compute as pc

    names = table.column_names
    columns = [_core.Expression.field(name) for name in names]
    for key, type in places.items():
        columns[key] = _core.Expression.call("cast", [columns[key]], pc.CastOptions(type))
    return _core.project(table, None, names, columns)


def match_types(sides: Sides, chosen: Env | None) -> None:
    """Casts pairs of numeric keys of two types to a common one. Collective where a value may not fit."""
    import pyarrow as pa

    schemas = pa.schema(sides.left), pa.schema(sides.right)
    places: tuple[dict[int, pa.DataType], dict[int, pa.DataType]] = ({}, {})
    may_fail = False
    for pair in zip(sides.left_keys, sides.right_keys, strict=True):
        type, unsure = _common_type(*(schema.field(i).type for schema, i in zip(schemas, pair, strict=True)))
        may_fail = may_fail or unsure
        if type is not None:
            for found, place in zip(places, pair, strict=True):
                found[place] = type
    problem = None
    try:
        if any(places):
            sides.left, sides.right = _cast(sides.left, places[0]), _cast(sides.right, places[1])
    except ValueError as error:
        problem = f"merge: a key has no equal in the other side's type: {error}"
    if may_fail and chosen is not None:
        chosen.session.agree("merge", problem)
    elif problem is not None:
        raise ValueError(problem)


def _join(sides: Sides, chosen: Env | None, **options: Any) -> _core.Table:
    session = None if chosen is None else chosen.session
    return _core.join(
        sides.left, sides.right, session, left_keys=sides.left_keys, right_keys=sides.right_keys, **options
    )


def _anti(sides: Sides, chosen: Env | None, right: bool, schema: _core.Table, **options: Any) -> _core.Table:
    """Rows of one side without a match, with the other side's columns missing, as pandas has them."""
    common = sides.common()
    left_columns = sides.left.num_columns
    names = schema.column_names
    if right:
        kept = Sides(sides.right, sides.left, sides.right_keys, sides.left_keys)
        following = iter(names[left_columns:])
        own = [names[common[j]] if j in common else next(following) for j in range(sides.right.num_columns)]
    else:
        kept, own = sides, names[:left_columns]
    found = _join(kept, chosen, **{**options, "how": "left_anti"})
    return _core.concat([schema, found.rename(own)], None, outer=True)


def _indicator(indicator: Any, how: str, sides: Sides, where: str) -> str:
    if not isinstance(indicator, bool | str):
        raise ValueError(f"{where}merge: indicator={indicator!r} is neither a truth value nor a name")
    name = indicator if isinstance(indicator, str) else ("_merge" if indicator else "")
    if name and how in ("left_semi", "left_anti", "right_anti"):
        raise ValueError(f"{where}merge: indicator is not taken with how={how!r}; every row would have the same value")
    if name and name in (*sides.left.column_names, *sides.right.column_names):
        raise ValueError(f"{where}merge: indicator={name!r} is the name of a column")
    return name


def _check_unique(sides: Sides, validate: str | None, chosen: Env | None, where: str) -> None:
    if validate is None:
        return
    if not isinstance(validate, str) or validate not in VALIDATE:
        raise ValueError(f"{where}merge: validate={validate!r} is unknown; it is one of {', '.join(VALIDATE)}")
    session = None if chosen is None else chosen.session
    checked = (("left", sides.left, sides.left_keys), ("right", sides.right, sides.right_keys))
    for unique, (side, table, keys) in zip(VALIDATE[validate], checked, strict=True):
        if unique and keys:
            what = f"merge: validate={validate!r}: the keys of the {side} frame"
            _core.check_unique(table, session, columns=keys, what=what)


def merge_frames(
    left: DataFrame,
    right: Any,
    how: str,
    on: Any,
    left_on: Any,
    right_on: Any,
    left_index: bool,
    right_index: bool,
    sort: bool,
    suffixes: Any,
    indicator: Any,
    validate: str | None,
    algorithm: str | None,
    maintain_order: bool,
    columns: Sequence[str] | None,
    env: Env | None,
) -> DataFrame:
    """See `DataFrame.merge`."""
    right = as_frame("merge", right)
    chosen = choose_env("merge", env, left, right)
    if chosen is not None:
        chosen.boundary("merge")
    where = place(chosen)
    one_of(chosen, "merge", "how", how, HOWS)
    if algorithm is not None:
        one_of(chosen, "merge", "algorithm", algorithm, ALGORITHMS)
    if sort and algorithm not in (None, "sort", "auto"):
        raise ValueError(f"{where}merge: sort=True is what algorithm='sort' gives; leave algorithm out")
    if algorithm == "broadcast" and how == "outer":
        raise ValueError(f"{where}merge: algorithm='broadcast' cannot make an outer join; leave algorithm out")
    sides = _sides(left, right, how, on, left_on, right_on, left_index, right_index, where)
    match_types(sides, chosen)
    pair = suffix_pair("merge", suffixes, where)
    if how != "left_semi":
        _check_overlap(sides, pair, where)
    options: dict[str, Any] = {
        "how": how,
        "algorithm": "sort" if sort and how != "cross" else (algorithm or "auto"),
        "left_suffix": pair[0],
        "right_suffix": pair[1],
        "indicator": _indicator(indicator, how, sides, where),
        "maintain_order": maintain_order and not sort,
        "columns": None,
    }
    _check_unique(sides, validate, chosen, where)
    if columns is not None or sides.keys_at_right or how in ("left_anti", "right_anti"):
        # What the result would be, without rows.
        none = Sides(sides.left.slice(0, 0), sides.right.slice(0, 0), sides.left_keys, sides.right_keys)
        shape = {"how": "left"} if how in ("left_anti", "right_anti") else {}
        schema = _join(none, None, **{**options, **shape})
        order = _order(sides, 1 if options["indicator"] else 0) or list(range(schema.num_columns))
        wanted = order if columns is None else _chosen(schema.column_names, columns, sides.index, where)
        if how in ("left_anti", "right_anti"):
            right_rows = how == "right_anti"

            def anti(few: Sides) -> _core.Table:
                return _anti(few, chosen, right_rows, schema, **options).select(wanted)

            table = in_parts(sides, chosen, {**options, "columns": wanted}, anti)
            return _with_index(table, sides, chosen, where)
        options["columns"] = wanted
    table = in_parts(sides, chosen, options, lambda few: _join(few, chosen, **options))
    return _with_index(table, sides, chosen, where)


def _chosen(names: Sequence[str], columns: Sequence[str], index: Sequence[str], where: str) -> list[int]:
    """Where the columns asked for, and the index, stand in the full result."""
    if isinstance(columns, str):
        raise TypeError(f"{where}merge: columns is a list of names, not a text")
    for name in columns:
        if name not in names or name in index:
            raise KeyError(f"{where}merge: the result has no column {name!r}; it has {[*names]}")
    chosen = [names.index(name) for name in (*index, *columns)]
    if len(set(chosen)) != len(chosen):
        raise ValueError(f"{where}merge: a column is named twice in {list(columns)!r}")
    return chosen


def _with_index(table: _core.Table, sides: Sides, chosen: Env | None, where: str) -> DataFrame:
    from weft.frame import DataFrame

    if not sides.index:
        return DataFrame._wrap(table, chosen)
    names = table.column_names
    places = [names.index(name) for name in sides.index]
    rest = [i for i in range(table.num_columns) if i not in places]
    final = [*sides.names, *(names[i] for i in rest)]
    twice = sorted({name for name in sides.names if final.count(name) > 1})
    if twice:
        raise ValueError(f"{where}merge: {twice[0]!r} would be a level of the index and a column; rename one of them")
    return DataFrame._wrap(table.select([*places, *rest]).rename(final), chosen, sides.names)
