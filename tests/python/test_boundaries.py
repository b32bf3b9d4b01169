"""Boundaries inside a long merge: it is handed over between two parts, and a later attempt does the others alone."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import weft
from weft.checkpoints import parts

SOAK = bool(os.environ.get("WEFT_SOAK"))
HOWS = ["inner", "left", "right", "outer", "left_anti", "right_anti", "left_semi"]
ROWS = 4000


def table(name: str, rows: int, seed: int, heavy: float = 0.1) -> pa.Table:
    """Two keys with nulls, one pair of them of many rows, and a number that tells rows from each other."""
    chance = np.random.default_rng(seed)
    i = chance.integers(0, rows, rows)
    i[chance.random(rows) < heavy] = 7
    s = np.array(["", "a", "bb"])[i % 3]
    return pa.table(
        {
            "i": pa.array(i, mask=(i % 31 == 0)),
            "s": pa.array(s, mask=(i % 37 == 0)),
            name: np.arange(rows, dtype=np.int64),
        }
    )


def sides(rows: int = ROWS) -> tuple[pa.Table, pa.Table]:
    return table("a", rows, 1), table("b", rows // 2, 2, 0.001)


def oracle(left: pa.Table, right: pa.Table, how: str) -> pd.DataFrame:
    if how == "left_semi":
        return semi(left, right)
    return left.to_pandas().merge(right.to_pandas(), how, ["i", "s"])


def semi(left: pa.Table, right: pa.Table) -> pd.DataFrame:
    with duckdb.connect() as base:
        base.register("l", left)
        base.register("r", right)
        on = "l.i IS NOT DISTINCT FROM r.i AND l.s IS NOT DISTINCT FROM r.s"
        return base.execute(f"SELECT * FROM l SEMI JOIN r ON {on}").df()


def rows_of(frame: pd.DataFrame, columns: list[str], ordered: bool = False) -> list[tuple[str, ...]]:
    """Every row as texts, missing values alike."""
    texts = [
        [
            "-" if pd.isna(value) else str(float(value)) if not isinstance(value, str) else value
            for value in frame[column]
        ]
        for column in columns
    ]
    found = list(zip(*texts, strict=True))
    return found if ordered else sorted(found)


def same(made: pd.DataFrame, expected: pd.DataFrame, ordered: bool = False) -> None:
    columns = list(expected.columns)
    assert sorted(made.columns) == sorted(columns)
    assert len(made) == len(expected) > 0
    assert rows_of(made, columns, ordered) == rows_of(expected, columns, ordered)


def open_env(folder: Path, **options) -> weft.Env:
    options = {"threads": 1, "boundary_bytes": 20_000, **options}
    return weft.init(job="job", checkpoint_dir=folder / "kept", **options)


def counts(env: weft.Env) -> dict[str, int]:
    return env.stats()["checkpoints"]["parts"]


# -- one rank --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", HOWS)
def test_every_join_in_parts(tmp_path, how):
    left, right = sides()
    with open_env(tmp_path) as env:
        mine, other = weft.DataFrame(left, env=env), weft.DataFrame(right, env=env)
        with env.stage("s") as s:
            if s.todo:
                s.made = mine.merge(other, how, ["i", "s"])
        assert counts(env)["done"] > 5 and counts(env)["saved"] == 0
        same(s.made.to_pandas(), oracle(left, right, how))
        # The same rows in the same order, however often.
        with env.stage("again") as t:
            if t.todo:
                t.made = mine.merge(other, how, ["i", "s"])
        assert t.made.to_arrow().equals(s.made.to_arrow())


def test_with_columns_index_indicator_and_other_names(tmp_path):
    left, right = (one.to_pandas() for one in sides())
    with open_env(tmp_path) as env:
        mine, other = weft.DataFrame(left, env=env), weft.DataFrame(right, env=env)
        with env.stage("s") as s:
            if s.todo:
                s.few = mine.merge(other, "left", "i", columns=["s_y", "a"], indicator=True)
                s.where = mine.merge(other, "outer", "i", indicator="from")
                s.index = mine.set_index("i").merge(other.set_index("i"), left_index=True, right_index=True)
                s.names = mine.merge(other.rename(columns={"i": "j"}), left_on="i", right_on="j", how="right")
                s.types = mine.assign(i=mine["i"].astype("float64")).merge(other, on="i")
        assert counts(env)["done"] > 5 * 5
        same(s.few.to_pandas(), left.merge(right, "left", "i")[["s_y", "a"]])
        same(s.where.to_pandas(), left.merge(right, "outer", "i", indicator="from").astype({"from": str}))
        expected = left.merge(right, "inner", "i")
        same(s.index.reset_index().to_pandas(), expected)
        same(s.names.to_pandas(), left.merge(right.rename(columns={"i": "j"}), "right", left_on="i", right_on="j"))
        same(s.types.to_pandas(), expected)


ORDERED = [
    {"on": "i", "sort": True},
    {"on": "i", "maintain_order": True},
    {"on": "i", "how": "left", "maintain_order": True},
    {"how": "cross"},
]


@pytest.mark.parametrize("options", ORDERED)
def test_where_an_order_is_promised_it_is_kept(tmp_path, options):
    left, right = (one.drop_columns("s").slice(0, 300) for one in sides())
    with open_env(tmp_path, boundary_bytes=1000) as env:
        mine, other = weft.DataFrame(left, env=env), weft.DataFrame(right, env=env)
        with env.stage("s") as s:
            if s.todo:
                s.made = mine.merge(other, **options)
        assert counts(env)["done"] == 0
        plain = {key: value for key, value in options.items() if key != "maintain_order"}
        same(s.made.to_pandas(), left.to_pandas().merge(right.to_pandas(), **plain), ordered=True)


def test_what_is_short_or_in_no_stage_is_done_as_a_whole(tmp_path):
    left, right = sides()
    with open_env(tmp_path) as env:
        mine, other = weft.DataFrame(left, env=env), weft.DataFrame(right, env=env)
        mine.merge(other, on="i")
        with env.stage("s") as s:
            if s.todo:
                mine.local().merge(other.local(), on="i")
                mine.head(10).merge(other.head(10), on="i")
                assert mine.merge(other, on="i", columns=[]).shape[1] == 0
        mine.merge(other, on="i")
        assert counts(env) == {"done": 0, "restored": 0, "saved": 0}
    with open_env(tmp_path, boundary_bytes="1GB") as env:
        with env.stage("s") as s:
            if s.todo:
                weft.DataFrame(left, env=env).merge(weft.DataFrame(right, env=env), on="i")
        assert counts(env)["done"] == 0


def test_wrong_settings(tmp_path, monkeypatch):
    monkeypatch.delenv("WEFT_CHECKPOINT_DIR", raising=False)
    with pytest.raises(ValueError, match="need checkpoint_dir="):
        weft.init(boundary_bytes="1GB")
    with pytest.raises(ValueError, match="boundary_bytes='much'"):
        open_env(tmp_path, boundary_bytes="much")
    monkeypatch.setenv("WEFT_BOUNDARY_BYTES", "-5")
    with pytest.raises(ValueError, match="WEFT_BOUNDARY_BYTES"):
        open_env(tmp_path, boundary_bytes=None)
    # In the environment it may stand for scripts that keep nothing, too.
    monkeypatch.setenv("WEFT_BOUNDARY_BYTES", "5MB")
    weft.init(threads=1).close()


def interrupted(env: weft.Env, at: int, monkeypatch) -> None:
    """SIGTERM comes while the part of this number is done."""
    real, seen = parts.Operator.finish_part, []

    def finish(self, part, made):
        seen.append(part)
        if len(seen) == at:
            env._keeper._watch._signalled = True
        return real(self, part, made)

    monkeypatch.setattr(parts.Operator, "finish_part", finish)


def run_stage(env: weft.Env, left: pa.Table, right: pa.Table):
    with env.stage("s") as s:
        if s.todo:
            first = weft.DataFrame(left, env=env).merge(weft.DataFrame(right, env=env), "left", ["i", "s"])
            s.made = first.merge(weft.DataFrame(right, env=env), "inner", ["i", "s"], suffixes=("", "_again"))
    return s


def test_two_merges_handed_over_again_and_again(tmp_path, monkeypatch):
    """Parts of a merge that was finished are saved with those of the next one; nothing is done twice, and the rows are
    those of a quiet run, in its order."""
    left, right = sides()
    with weft.init(job="quiet", checkpoint_dir=tmp_path / "kept", threads=1, boundary_bytes=20_000) as env:
        quiet, whole = run_stage(env, left, right).made.to_arrow(), counts(env)["done"]
    done, epoch = 0, 0
    while True:
        env = open_env(tmp_path, epoch=epoch)
        with monkeypatch.context() as patch:
            interrupted(env, 5, patch)
            try:
                made = run_stage(env, left, right).made
            except weft.HandOver as over:
                assert re.search(r"merge, with \d+ of \d+ parts done: rank 0 is asked to end \(SIGTERM\)", str(over))
                assert counts(env) == {"done": 5, "restored": done, "saved": 5}
                assert epoch < 20
                done, epoch = done + 5, epoch + 1
                env.leave(ended_well=False)
                continue
        assert counts(env)["restored"] == done and counts(env)["done"] == whole - done
        assert epoch == (whole - 1) // 5 >= 3
        assert made.to_arrow().equals(quiet)
        expected = oracle(left, right, "left").merge(right.to_pandas(), "inner", ["i", "s"], suffixes=("", "_again"))
        same(made.to_pandas(), expected)
        # When the stage is valid its operators' parts are of no use.
        env.checkpoint("later", wait=True)
        assert {path.name for path in (tmp_path / "kept" / "job").iterdir()} == {"stage-s", "checkpoint-later"}
        env.close()
        break


def hand_over(folder: Path, monkeypatch, at: int, left: pa.Table, right: pa.Table, epoch: int = 0) -> None:
    env = open_env(folder, epoch=epoch)
    with monkeypatch.context() as patch:
        interrupted(env, at, patch)
        with pytest.raises(weft.HandOver):
            run_stage(env, left, right)
    env.leave(ended_well=False)


def test_damaged_parts_are_done_again(tmp_path, monkeypatch):
    left, right = sides()
    for epoch in range(3):
        hand_over(tmp_path, monkeypatch, 3, left, right, epoch)
    [part] = (tmp_path / "kept" / "job" / "operator-s.1.1").glob("part-*")
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
    quiet = weft.init(job="quiet", checkpoint_dir=tmp_path / "kept", threads=1, boundary_bytes=20_000)
    expected = run_stage(quiet, left, right).made.to_arrow()
    quiet.close()
    # They are done first, and saved as runs of their own.
    with pytest.warns(RuntimeWarning, match=r"operator-s\.1\.1/part-.* has another checksum"):
        hand_over(tmp_path, monkeypatch, 4, left, right, 3)
    env = open_env(tmp_path, epoch=4)
    with pytest.warns(RuntimeWarning, match="another checksum"):
        made = run_stage(env, left, right).made
    assert counts(env)["restored"] == 10
    assert made.to_arrow().equals(expected)
    env.close()


def test_parts_of_other_inputs_are_passed_over(tmp_path, monkeypatch):
    left, right = sides()
    hand_over(tmp_path, monkeypatch, 3, left, right)
    env = open_env(tmp_path, epoch=1)
    with pytest.warns(RuntimeWarning, match=r"merge s\.1: what epoch 0 saved is passed over: .*other inputs"):
        made = run_stage(env, left.slice(1), right).made
    assert counts(env)["restored"] == 0
    expected = oracle(left.slice(1), right, "left").merge(right.to_pandas(), on=["i", "s"], suffixes=("", "_again"))
    same(made.to_pandas(), expected)
    env.close()


def test_the_number_of_parts_is_that_of_who_began(tmp_path, monkeypatch):
    left, right = sides()
    hand_over(tmp_path, monkeypatch, 3, left, right)
    env = open_env(tmp_path, epoch=1, boundary_bytes="1GB")
    made = run_stage(env, left, right).made
    # The second merge was not begun before, and is short now.
    assert counts(env)["restored"] == 3 and 0 < counts(env)["done"] < 10
    same(made.to_pandas(), oracle(left, right, "left").merge(right.to_pandas(), on=["i", "s"], suffixes=("", "_again")))
    env.close()


def parts_take(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part of a merge takes so much longer."""
    real = parts.Operator.finish_part

    def slow(self, part, made):
        time.sleep(seconds)
        return real(self, part, made)

    monkeypatch.setattr(parts.Operator, "finish_part", slow)


def test_a_deadline_before_which_no_further_part_fits(tmp_path, monkeypatch):
    """What the longest part took is looked at, so that the ranks end while there is time to save."""
    left, right = sides()
    parts_take(0.5, monkeypatch)
    env = open_env(tmp_path)
    begin = time.time()
    monkeypatch.setenv("WEFT_DEADLINE", str(begin + 4.0))
    with pytest.raises(weft.HandOver, match="its time limit"):
        run_stage(env, left, right)
    assert time.time() < begin + 4.0 and counts(env)["saved"] == counts(env)["done"] >= 1
    env.leave(ended_well=False)


def test_attempts_that_saved_nothing_make_the_next_one_end_earlier(tmp_path, monkeypatch):
    """Else all of them may end the same way: each time a little too late."""
    left, right = sides()
    parts_take(0.3, monkeypatch)
    used = []
    for epoch, limit in ((0, 2.5), (1, 6.0), (4, 6.0)):
        env = open_env(tmp_path, epoch=epoch, boundary_bytes=5_000)
        begin = time.monotonic()
        monkeypatch.setenv("WEFT_DEADLINE", str(time.time() + limit))
        with pytest.raises(weft.HandOver, match="its time limit"):
            run_stage(env, left, right)
        used.append(time.monotonic() - begin)
        assert counts(env)["saved"] >= 1
        env.leave(ended_well=False)
    # Epochs 2 and 3 saved nothing: half of the time is kept where a quarter was enough.
    assert used[1] > 4.2 and used[2] < 4.0, used


@pytest.mark.parametrize("name", ["UNSAVED_SECONDS", "UNSAVED_BYTES"])
def test_parts_are_saved_in_between(tmp_path, monkeypatch, name):
    """After a minute, or as many bytes as can be written later: shown with less of both."""
    monkeypatch.setattr(parts, name, 0)
    left, right = sides()
    env = open_env(tmp_path)
    real, seen = parts.Operator.finish_part, []

    def dies(self, part, made):
        seen.append(part)
        if len(seen) == 7:
            self._keeper.finish("test")
            raise KeyboardInterrupt
        return real(self, part, made)

    with monkeypatch.context() as patch:
        patch.setattr(parts.Operator, "finish_part", dies)
        with pytest.raises(KeyboardInterrupt):
            run_stage(env, left, right)
    assert counts(env)["saved"] == 6
    env.leave(ended_well=False)
    env = open_env(tmp_path, epoch=1)
    run_stage(env, left, right)
    assert counts(env)["restored"] == 6
    env.close()


# -- ranks -----------------------------------------------------------------------------------------------------------

#: A long merge; one rank gets SIGTERM, or is killed, while a part is joined.
SCRIPT = """
    import json, os, signal, sys
    import weft
    from weft import _core
    given = json.loads(sys.argv[1])
    env = weft.init(boundary_bytes=given.get("bytes", 5_000), memory_limit=given.get("limit"),
                    spill_dir=given.get("spill"))
    print("epoch", env.epoch, "of", env.world_size, flush=True)
    left, right = (weft.read_parquet(f"{name}.parquet", env=env) for name in ("left", "right"))
    real, seen, made = _core.join, [0], []

    def join(*sides, **options):
        # What the result would be is asked of one rank alone.
        seen[0] += sides[2] is not None
        if seen[0] == given.get("at") and env.epoch < given.get("epochs", 1) and env.rank == env.world_size - 1:
            os.kill(os.getpid(), getattr(signal, given["signal"]))
        return real(*sides, **options)

    _core.join = join
    try:
        with env.stage("joined") as s:
            if s.todo:
                s.made = left.merge(right, given["how"], ["i", "s"])
    finally:
        # In one write.
        print(json.dumps([env.epoch, env.rank, env.stats()["checkpoints"]["parts"]]) + "\\n", end="", flush=True)
    s.made.to_parquet("out", overwrite=True)
    env.close()
"""


def run_ranks(launch, ranks: int, after: int, how: str, rows: int = ROWS, **given) -> list[dict[str, int]]:
    """Of each epoch the counts of parts, which are the same on all ranks."""
    left, right = sides(rows)
    pq.write_table(left, launch.folder / "left.parquet", row_group_size=max(1, rows // 9))
    pq.write_table(right, launch.folder / "right.parquet", row_group_size=max(1, rows // 9))
    given = {"how": how, **given}
    options = ["--checkpoint-dir", "kept", "--restarts", "3", "--restart-world-size", str(after)]
    done = launch.ok(SCRIPT, ranks, arguments=[json.dumps(given)], options=options)
    same(pd.read_parquet(launch.folder / "out"), oracle(left, right, how))
    assert not list((launch.folder / "kept").glob("*"))
    told: dict[int, dict[str, int]] = {}
    for line in re.findall(r"^\[\d+, \d+, \{.*$", done.out, re.MULTILINE):
        epoch, _, found = json.loads(line)
        assert told.setdefault(epoch, found) == found, done.out
    return [told[epoch] for epoch in sorted(told)]


WORLDS = [("inner", 2, 3), ("outer", 3, 2), ("left_anti", 2, 1), ("right", 1, 2)]
ALL_WORLDS = [(how, before, after) for how in HOWS for before, after in [(1, 3), (2, 2), (2, 4), (3, 1), (4, 3)]]


@pytest.mark.parametrize(("how", "before", "after"), ALL_WORLDS if SOAK else WORLDS)
def test_sigterm_in_the_middle_of_a_merge(launch, how, before, after):
    """Two hand-overs, on worlds of other sizes; no part is done twice."""
    told = run_ranks(launch, before, after, how, signal="SIGTERM", at=3, epochs=2)
    assert len(told) == 3
    done = 0
    for one in told:
        assert one["restored"] == done
        done += one["done"]
    assert [one["done"] for one in told[:2]] == [3, 3] == [one["saved"] for one in told[:2]]
    assert told[2]["done"] > 0 and told[2]["saved"] == 0


def test_a_heavy_key_and_more_memory_than_there_is(launch):
    """Most rows have one key, and operators go by way of disk."""
    left, right = table("a", 200_000, 1, 0.8), table("b", 50_000, 2, 0)
    for name, one in (("left", left), ("right", right)):
        pq.write_table(one, launch.folder / f"{name}.parquet", row_group_size=20_000)
    given = {
        "how": "left", "bytes": 300_000, "at": 4, "signal": "SIGTERM", "limit": "150MB", "spill": str(launch.folder)
    }  # fmt: skip
    options = ["--checkpoint-dir", "kept"]
    done = launch.ok(SCRIPT, 2, arguments=[json.dumps(given)], options=options)
    found, expected = pd.read_parquet(launch.folder / "out"), oracle(left, right, "left")
    assert len(found) == len(expected)
    for column in ("a", "b", "i"):
        assert found[column].sum() == expected[column].sum() and found[column].count() == expected[column].count()
    assert done.out.count('{"done": 4, "restored": 0, "saved": 4}') == 2, done.text


def test_a_killed_rank_costs_what_was_not_saved(launch):
    """kill -9 in the middle of a merge of less than a minute: it begins again, from no part."""
    told = run_ranks(launch, 2, 2, "inner", signal="SIGKILL", at=5)
    assert told[-1]["restored"] == 0 and told[-1]["done"] > 5


def test_rows_lie_by_their_key_afterwards_too(launch):
    """As after a merge that was not cut: what comes next need not move them."""
    done = launch.ok(
        """
        import weft
        env = weft.init(boundary_bytes=5_000)
        left, right = (
            weft.DataFrame({"k": list(range(env.rank, 3000, env.world_size)), name: 1}, env=env) for name in "ab"
        )
        with env.stage("s") as s:
            if s.todo:
                merged = left.merge(right, on="k", algorithm="hash")
                sums = merged.groupby("k").agg({"a": "sum", "b": "count"})
                s.n = sums.total_rows()
        choices = env.stats()["choices"]
        assert s.n == 3000 and env.stats()["checkpoints"]["parts"]["done"] > 5
        assert choices["groupby.in_place"] == 1 and "groupby.combine" not in choices, choices
        env.close()
        """,
        2,
        options=["--checkpoint-dir", "kept"],
    )
    assert done.err == ""


@pytest.mark.skipif(not SOAK, reason="half an hour of merges: WEFT_SOAK=1")
@pytest.mark.parametrize("how", HOWS)
def test_larger_ones(launch, how):
    told = run_ranks(launch, 3, 4, how, rows=150_000, bytes=250_000, signal="SIGTERM", at=7, epochs=3)
    assert [one["done"] for one in told[:3]] == [7, 7, 7] and told[3]["restored"] == 21
