"""Rows chosen at random by their number in the whole, so that a seed means the same for any number of ranks."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from weft import _core
from weft.arguments import choose_env, find, place
from weft.positions import first_and_total, share, take_rows

if TYPE_CHECKING:
    import numpy

    from weft.env import Env
    from weft.frame import DataFrame

__all__ = ["check_amount", "check_seed", "random_bits", "sample", "seed_of"]

_GOLDEN = 0x9E3779B97F4A7C15


def sample(
    frame: DataFrame, n: int | None, frac: float | None, replace: bool, weights: Any, random_state: Any
) -> DataFrame:
    """See `DataFrame.sample`."""
    env = choose_env("sample", None, frame)
    where = place(env)
    check_amount(where, n, frac, replace)
    check_seed(where, random_state)
    column = None if weights is None else find(frame, weights, "sample", index_too=False)
    total = frame.total_rows()
    rows = (1 if n is None else int(n)) if frac is None else round(frac * total)
    seed = seed_of(env, random_state)
    session = None if env is None else env.session
    if column is None:
        return frame._like(_core.sample(frame.table, session, rows=rows, replace=bool(replace), seed=seed))
    return _weighted(frame, column, rows, bool(replace), seed)


def check_amount(where: str, n: Any, frac: Any, replace: Any) -> None:
    """ValueError for what says of no sample how large it is."""
    if n is not None and frac is not None:
        raise ValueError(f"{where}sample: give n or frac")
    if n is not None and (isinstance(n, bool) or not hasattr(n, "__index__")):
        raise ValueError(f"{where}sample: n is a number of rows, not {n!r}")
    for name, value in (("n", n), ("frac", frac)):
        if value is not None and not value >= 0:
            raise ValueError(f"{where}sample: {name}={value} is below 0")
    if frac is not None and frac > 1 and not replace:
        raise ValueError(f"{where}sample: frac={frac} is more than all rows; replace=True chooses rows again")


def check_seed(where: str, random_state: Any) -> None:
    """ValueError for a seed that is no integer."""
    if random_state is not None and (isinstance(random_state, bool) or not hasattr(random_state, "__index__")):
        raise ValueError(f"{where}sample: random_state is an integer, not {type(random_state).__name__}")


def seed_of(env: Env | None, random_state: int | None) -> int:
    """The seed that is given, or one that all ranks have. Collective where there is an env and none is given."""
    seed = secrets.randbits(64) if random_state is None else int(random_state) % 2**64
    return seed if random_state is not None or env is None else int(env.broadcast(str(seed), root=0))


def _mix(x: Any) -> Any:
    """The finaliser of splitmix64 (Steele, Lea, Flood, OOPSLA 2014) of NumPy's uint64."""
    import numpy

    x = (x ^ (x >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    return x ^ (x >> numpy.uint64(31))


def random_bits(seed: int, first: int, count: int) -> numpy.ndarray[Any, Any]:
    """64 random bits for each of the numbers first ... first + count - 1."""
    import numpy

    with numpy.errstate(over="ignore"):
        key = _mix(numpy.array([(seed + _GOLDEN) % 2**64], numpy.uint64))
        numbers = numpy.arange(first + 1, first + count + 1, dtype=numpy.uint64)
        return _mix(key + numbers * numpy.uint64(_GOLDEN))  # type: ignore[no-any-return]


def _weighted(frame: DataFrame, column: int, rows: int, replace: bool, seed: int) -> DataFrame:
    import numpy
    import pyarrow as pa

    env = frame.env
    session = None if env is None else env.session
    kind = frame.schema.field(column).type
    where = place(env)
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise TypeError(f"{where}sample: weights are numbers; column {frame.schema.names[column]!r} has type {kind}")
    values = pa.table(frame.table.select([column])).column(0).cast(pa.float64()).fill_null(0.0).to_numpy()
    values = numpy.where(numpy.isnan(values), 0.0, values)
    first, total = first_and_total(frame, "sample")
    wrong = bool((values < 0).any() or numpy.isinf(values).any())
    facts = [float(values.max(initial=0.0)), float((values > 0).sum()), float(wrong)]
    every = [facts] if env is None else env.allgather(facts)
    if any(fact[2] for fact in every):
        raise ValueError(f"{where}sample: weights are neither negative nor infinite")
    greatest, usable = max(fact[0] for fact in every), sum(int(fact[1]) for fact in every)
    if rows > 0 and usable == 0:
        raise ValueError(f"{where}sample: no row has a weight above 0")
    if not replace and rows > usable:
        raise ValueError(f"{where}sample: {rows} rows are asked for where {usable} have a weight above 0")
    if replace:
        return _weighted_again(frame, values / greatest if greatest else values, rows, total, seed)
    # The rows with the least exponential times: Efraimidis, Spirakis, "Weighted random sampling with a reservoir",
    # IPL 2006.
    chosen = numpy.flatnonzero(values > 0)
    bits = random_bits(seed, first, len(values))[chosen]
    times = -numpy.log((bits >> numpy.uint64(11)).astype(numpy.float64) * 2.0**-53 + 2.0**-54) / values[chosen]
    candidates = _core.Table.from_stream(pa.table({"t": times, "r": chosen + first}))
    least = _core.top(candidates, session, keys=[0, 1], ascending=[True, True], rows=rows, keep="first")
    spread = least if session is None else _core.repartition(least, session)
    return take_rows(frame, pa.table(spread).column(1).to_numpy(), "sample")


def _weighted_again(frame: DataFrame, weights: numpy.ndarray[Any, Any], rows: int, total: int, seed: int) -> DataFrame:
    """Rows by the sums of their weights, which are whole numbers, so that sums do not depend on who adds what."""
    import numpy
    import pyarrow as pa

    env = frame.env
    first, _ = first_and_total(frame, "sample")
    sums = numpy.cumsum(numpy.floor(weights * (2.0**62 / max(total, 1))).astype(numpy.int64))
    own = int(sums[-1]) if len(sums) else 0
    of_ranks = [own] if env is None else [int(text) for text in env.allgather(str(own))]
    rank = 0 if env is None else env.rank
    before, whole = sum(of_ranks[:rank]), sum(of_ranks)
    places, found = [], []
    for begin in range(0, rows, 1 << 20):
        # Every rank draws all, and keeps those that fall on its own rows.
        count = min(1 << 20, rows - begin)
        draws = _below(random_bits(seed, begin, count), whole) - before
        here = numpy.flatnonzero((draws >= 0) & (draws < own))
        places.append(here + begin)
        found.append(numpy.searchsorted(sums, draws[here], side="right") + first)
    drawn = pa.table(
        {
            "p": numpy.concatenate([numpy.empty(0, numpy.int64), *places]),
            "r": numpy.concatenate([numpy.empty(0, numpy.int64), *found]),
        }
    )
    table = _core.Table.from_stream(drawn)
    session = None if env is None else env.session
    ordered = _core.sort(table, session, keys=[0], ascending=[True], nulls_first=False)
    if session is not None:
        ordered = _core.repartition(ordered, session)
    assert len(share(rows, frame)) == ordered.num_rows
    return take_rows(frame, pa.table(ordered).column(1).to_numpy(), "sample")


def _below(bits: numpy.ndarray[Any, Any], bound: int) -> numpy.ndarray[Any, Any]:
    """Numbers below `bound` (at most 2**63), by the upper half of the product of 64 bits and it."""
    import numpy

    half = numpy.uint64(32)
    mask = numpy.uint64(0xFFFFFFFF)
    low, high = numpy.uint64(bound & 0xFFFFFFFF), numpy.uint64(bound >> 32)
    carry = ((bits & mask) * low) >> half
    middle = (bits >> half) * low + carry
    other = (bits & mask) * high + (middle & mask)
    return ((bits >> half) * high + (middle >> half) + (other >> half)).astype(numpy.int64)  # type: ignore[no-any-return]
