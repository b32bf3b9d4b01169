"""`DataFrame.batches`: as many on every rank, the same rows a step for any number of ranks, and no collective within an
epoch."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import WORLDS, refused, run

import weft

#: Rows of a step, over all ranks; what each of these worlds can share evenly.
STEP = 24
EVEN = [1, 2, 3, 4, 8]

#: The steps of an epoch: the rows of all ranks' batches together, in order.
STEPS = (
    "[sorted(sum(step, [])) for step in zip(*(env.allgather if env else lambda mine: [mine])("
    "[batch['row'].tolist() for batch in BATCHES]), strict=True)]"
)


def table(rows: int) -> pa.Table:
    return pa.table({"row": np.arange(rows), "x": np.arange(rows) / 2, "f": pa.array(np.arange(rows), pa.float32())})


def steps(data, servers, rows: int, batches: str, worlds: list[int] = EVEN) -> list[list[int]]:
    code = STEPS.replace("BATCHES", batches).replace("SIZE", f"{STEP} // (env.world_size if env else 1)")
    found: list[list[int]] = run(data, servers, code, [table(rows)], worlds=worlds)
    return found


@given(data=st.data())
def test_in_order(servers, data):
    rows = data.draw(st.integers(0, 100))
    found = steps(data, servers, rows, "df.batches(SIZE, dtype=None)")
    assert found == [list(range(begin, min(rows, begin + STEP))) for begin in range(0, rows, STEP)]


@given(data=st.data())
def test_drop_last(servers, data):
    rows = data.draw(st.integers(0, 100))
    found = steps(data, servers, rows, "df.batches(SIZE, dtype=None, drop_last=True)")
    assert found == [list(range(begin, begin + STEP)) for begin in range(0, rows - STEP + 1, STEP)]


@given(data=st.data())
def test_shuffled(servers, data):
    """A seed and an epoch's number mean the same rows in each step, for any number of ranks."""
    rows, seed = data.draw(st.integers(0, 100)), data.draw(st.integers(-5, 2**64))
    epoch = data.draw(st.integers(0, 3))
    batches = f"df.batches(SIZE, dtype=None, shuffle=True, seed={seed}).epoch({epoch})"
    found = steps(data, servers, rows, batches)
    assert sorted(itertools.chain(*found)) == list(range(rows))
    assert [len(step) for step in found] == [min(STEP, rows - begin) for begin in range(0, rows, STEP)]
    if rows > STEP:
        other = steps(data, servers, rows, batches.replace(f"epoch({epoch})", f"epoch({epoch + 1})"))
        assert other != found and sorted(itertools.chain(*other)) == list(range(rows))


@given(data=st.data())
def test_shuffled_locally(servers, data):
    """Every row once; no rank's rows change."""
    rows = data.draw(st.integers(0, 60))
    code = (
        "(lambda batches, gather: [sum(gather([row for batch in epoch for row in batch['row'].tolist()]), []) "
        "for epoch in (batches, batches)])(df.batches(2, dtype=None, shuffle='local', seed=7), "
        "env.allgather if env else lambda mine: [mine])"
    )
    spec = {"op": "eval", "code": code, "names": {}}
    for ranks in (1, 3):
        outcome = servers[ranks].run(spec, [table(rows)], [[0] * ranks + [rows]])
        assert outcome.errors == [None] * ranks
        first, second = outcome.values[0]
        assert sorted(first) == sorted(second) == list(range(rows))
        if rows > 20:
            assert first != second


@given(data=st.data())
def test_as_many_on_every_rank(servers, data):
    """Whatever rows a rank has, a loop with a collective a batch comes to its end; no batch is longer than asked for, and
    those of a step differ by a row."""
    rows, size = data.draw(st.integers(0, 60)), data.draw(st.integers(1, 7))
    options = data.draw(st.sampled_from(["", ", shuffle=True", ", shuffle='local', seed=1", ", drop_last=True"]))
    code = f"[(env.allgather(len(batch)) if env else [len(batch)]) for batch in df.batches(size{options})]"
    for ranks in WORLDS:
        cut = sorted(data.draw(st.lists(st.integers(0, rows), min_size=ranks - 1, max_size=ranks - 1)))
        outcome = servers[ranks].run(
            {"op": "eval", "code": code, "names": {"size": size}}, [table(rows)], [[0, *cut, rows]]
        )
        assert outcome.errors == [None] * ranks
        found = outcome.values[0]
        assert all(value == found for value in outcome.values)
        whole = size * ranks
        assert len(found) == (rows // whole if "drop_last" in options else -(-rows // whole))
        for number, lengths in enumerate(found):
            assert max(lengths) - min(lengths) <= 1
            assert sum(lengths) == min(whole, rows - number * whole)
            assert (number < len(found) - 1 and lengths == [size] * ranks) or max(lengths) <= size


def test_what_a_batch_is():
    frame = weft.DataFrame(table(5)).assign(t=[True, False, True, True, False]).set_index("t").reset_index()
    (batch,) = frame.batches(5)
    assert batch.dtype == np.float32 and batch.shape == (5, 4) and batch[2].tolist() == [1.0, 2.0, 1.0, 2.0]
    (x, y), *_ = frame.batches(2, label="x")
    assert x.shape == (2, 3) and y.dtype == np.float32 and y.tolist() == [0.0, 0.5]
    (x, y), *_ = frame.batches(2, label="row", dtype="float64")
    assert x.dtype == np.float64 and y.dtype == np.int64 and y.shape == (2,)
    (x, y), *_ = frame.batches(2, label=["x", "f"])
    assert x.shape == (2, 2) and y.shape == (2, 2)
    (batch,) = frame.batches(9, dtype=None)
    assert {name: str(values.dtype) for name, values in batch.items()} == {
        "t": "bool", "row": "int64", "x": "float64", "f": "float32"}  # fmt: skip
    # The index is no feature.
    (batch,) = frame.set_index("row").batches(9)
    assert batch.shape == (5, 3)
    assert frame.batches(2).rows(2) == 1 and frame.batches(2).rows(0) == 2
    with pytest.raises(IndexError):
        frame.batches(2).rows(3)


def test_epochs_and_seeds():
    frame = weft.DataFrame(table(50))

    def orders(batches, epochs=2):
        return [[row for batch in batches for row in batch[:, 0].tolist()] for _ in range(epochs)]

    first = orders(frame.batches(7, shuffle=True, seed=3))
    assert first == orders(frame.batches(7, shuffle=True, seed=3, prefetch=0)) and first[0] != first[1]
    assert orders(frame.batches(7, shuffle=True, seed=4)) != first
    batches = frame.batches(7, shuffle=True)
    drawn = orders(frame.batches(7, shuffle=True, seed=batches.seed), 1)
    assert orders(batches, 1) == drawn
    batches.set_epoch(0)
    assert orders(batches, 1) == drawn
    epoch = batches.epoch(0)
    assert orders(epoch) == drawn * 2 and len(epoch) == len(batches) == 8
    with pytest.raises(ValueError, match="set_epoch"):
        batches.set_epoch(-1)


def test_missing_values():
    frame = weft.DataFrame(pa.table({"n": [1, None, 3], "x": [0.5, 1.0, None], "b": [True, None, False]}))
    for batch in (next(iter(frame.batches(3, na_value=-1))), next(iter(frame.batches(3, na_value=float("nan"))))):
        assert np.isnan(batch).sum() in (0, 3) and batch[0].tolist() == [1.0, 0.5, 1.0]
    # The type does not depend on which rows are in a batch.
    kinds = [{name: str(v.dtype) for name, v in b.items()} for b in frame.batches(1, dtype=None, na_value=0.5)]
    assert kinds == [{"n": "float64", "x": "float64", "b": "float64"}] * 3


def test_refused(servers):
    small = pa.table({"k": ["a", "b", "c"], "n": pa.array([1, None, 3]), "x": [0.5, float("nan"), 1.0], "i": [1, 2, 3]})
    refused(servers, TypeError, "df.batches(2)", [small], "'k'", "OrdinalEncoder")
    refused(servers, TypeError, "df[['i', 'k']].batches(2, label='k')", [small], "'k'")
    refused(servers, ValueError, "df[['n', 'i']].batches(2)", [small], "'n'", "1 missing", "3 rows", "na_value")
    refused(servers, ValueError, "df[['x', 'i']].batches(2, label='x')", [small], "'x'", "1 missing")
    refused(servers, ValueError, "df[['i']].batches(2, label='i')", [small], "no columns")
    refused(servers, ValueError, "df[['i']].batches(0)", [small], "size")
    refused(servers, TypeError, "df[['i']].batches(2, na_value='a')", [small], "na_value")
    refused(servers, TypeError, "df[['i']].batches(2, dtype='datetime64[s]')", [small], "dtype")


def test_ranks_that_differ(servers):
    for code, says in (
        ("df[['row']].batches(2 + (env.rank if env else 0))", "size"),
        ("df[['row']].batches(2, shuffle=True, seed=env.rank)", "seed"),
        ("df[['row']].batches(2, drop_last=env.rank == 1)", "drop_last"),
        ("df[['row', 'x'][:1 + env.rank % 2]].batches(2)", "columns"),
    ):
        outcome = servers[3].run({"op": "eval", "code": code, "names": {}}, [table(9)], [[0, 3, 6, 9]])
        for found in outcome.errors:
            assert found is not None and found[0] == "ValueError" and says in found[1] and "rank 1" in found[1], found


def test_no_collective_within_an_epoch(launch):
    """Each rank walks through an epoch alone, while the other ones wait for it: the thread that prefetches talks to
    nobody. And it is a thread."""
    done = launch.ok(
        """
        import threading
        import numpy as np
        import weft
        with weft.init() as env:
            frame = weft.DataFrame({"row": np.arange(100 * env.rank, 100 * env.rank + 40 * (env.rank + 1))}, env=env)
            for options in ({}, {"shuffle": True, "seed": 1}, {"shuffle": "local"}):
                batches = frame.batches(8, **options)
                epoch = iter(batches)
                first = next(epoch)
                assert any(thread.name.startswith("weft-batches") for thread in threading.enumerate())
                before = env.stats()["bytes_sent"], env.stats()["phases"]
                for turn in range(env.world_size):
                    if turn == env.rank:
                        stats = env.stats()["bytes_sent"], env.stats()["phases"]
                        rest = [len(batch) for batch in epoch]
                        assert stats == (env.stats()["bytes_sent"], env.stats()["phases"])
                    env.barrier()
                assert len(rest) == len(batches) - 1
                lengths = env.allgather(len(rest))
                assert len(set(lengths)) == 1
            # An epoch that begins with an exchange does not begin on another thread.
            problems = []
            def begin():
                try:
                    next(iter(shuffled))
                except RuntimeError as problem:
                    problems.append(str(problem))
            shuffled = frame.batches(8, shuffle=True)
            thread = threading.Thread(target=begin)
            thread.start()
            thread.join()
            assert len(problems) == 1 and "shuffle='local'" in problems[0], problems
            print("well", flush=True)
        """,
        ranks=3,
    )
    assert done.out.split() == ["well"] * 3


def test_a_loop_that_is_left_ends_its_thread(launch):
    done = launch.ok(
        """
        import threading, time
        import numpy as np
        import weft
        frame = weft.DataFrame({"row": np.arange(1000)})
        for batch in frame.batches(3):
            break
        del batch
        end = time.monotonic() + 10
        while time.monotonic() < end and any(t.name.startswith("weft-batches") for t in threading.enumerate()):
            time.sleep(0.01)
        print([t.name for t in threading.enumerate()])
        """,
        ranks=1,
    )
    assert "weft-batches" not in done.out
