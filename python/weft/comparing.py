"""Whether two frames hold the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weft import _core
from weft.arguments import choose_env

if TYPE_CHECKING:
    import pyarrow as pa

    from weft.frame import DataFrame

__all__ = ["equals"]


def equals(frame: DataFrame, other: object, ordered: bool) -> bool:
    """See `DataFrame.equals`."""
    from weft.frame import DataFrame

    if not isinstance(other, DataFrame):
        return False
    env = choose_env("equals", None, frame, other)
    hidden = len(frame.index_names)
    if hidden != len(other.index_names) or frame.columns != other.columns or frame.schema.types != other.schema.types:
        return False
    # As in pandas, the labels count and the names of the index do not.
    right = other.table.rename(frame.table.column_names)
    session = None if env is None else env.session
    if frame.total_rows() != other.total_rows():
        return False
    if not ordered:
        return _same_bag(frame.table, right, session)
    if session is not None:
        right = _core.repartition(right, session, _core.row_counts(frame.table, session))
    same = _same_table(frame.table, right)
    return same if session is None else all(flag == b"1" for flag in session.allgather_bytes(b"%d" % same))


def _same_table(left: _core.Table, right: _core.Table) -> bool:
    import pyarrow as pa

    pairs = zip(pa.table(left).columns, pa.table(right).columns, strict=True)
    return all(_same_column(one, another) for one, another in pairs)


def _same_column(left: pa.ChunkedArray, right: pa.ChunkedArray) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(left.type):
        left, right = left.cast(left.type.value_type), right.cast(left.type.value_type)
    if pa.types.is_float16(left.type):
        left, right = left.cast(pa.float32()), right.cast(pa.float32())
    if pa.types.is_nested(left.type) or pa.types.is_null(left.type):
        return bool(left.equals(right))
    if pa.types.is_floating(left.type):
        # NaN and null are one missing value.
        left, right = (pc.if_else(pc.is_nan(side), None, side) for side in (left, right))
    if not pc.is_null(left).equals(pc.is_null(right)):
        return False
    return bool(pc.all(pc.equal(left, right), min_count=0).as_py())


def _same_bag(left: _core.Table, right: _core.Table, session: _core.Session | None) -> bool:
    """Whether each row is as often in the one as in the other: +1 and -1 a row add up to zero in every group."""
    import pyarrow as pa

    names = left.column_names
    if not names:
        return True
    sign = "sign"
    while sign in names:
        sign += "_"
    signed = []
    for table, value in ((left, 1), (right, -1)):
        kept = [_core.Expression.field(name) for name in names]
        one = _core.Expression.literal(pa.array([value], pa.int64()))
        signed.append(_core.project(table, session, [*names, sign], [*kept, one]))
    both = _core.concat(signed, session, outer=False)
    sums = _core.group_by(
        both,
        session,
        keys=list(range(len(names))),
        aggregations=[{"function": "sum", "column": len(names), "name": sign}],
        sort=False,
        dropna=False,
    )
    same = not any(pa.table(sums).column(len(names)).to_pylist())
    return same if session is None else all(flag == b"1" for flag in session.allgather_bytes(b"%d" % same))
