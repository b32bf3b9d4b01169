"""Hot loops give the same whatever level of the processor they run at, and what pandas gives."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import weft
from weft import _core


def tables():
    random = np.random.default_rng(12)
    rows = 200_000
    numbers = random.integers(1, 301, rows)
    left = pd.DataFrame(
        {
            "fixed": [f"id{number:03d}" for number in numbers],
            "text": [f"name {number * 7919 % 90001}" for number in numbers],
            "long": [f"{number * 7919 % 90001:020d}" * 2 for number in numbers],
            "small": random.integers(-5, 5, rows).astype("int32"),
            "sparse": random.integers(0, 2_000, rows) * 97,
            "ascending": np.sort(random.integers(0, 60_000, rows)),
            "real": np.where(random.random(rows) < 0.1, np.nan, random.random(rows).round(3)),
        }
    )
    right = pd.DataFrame({"sparse": random.permutation(2_000)[:1_000] * 97, "other": np.arange(1_000)})
    return left, right


def results(left, right):
    """The same calls on weft's frames and on pandas', in pandas' order of rows or sorted."""
    sums = {"total": ("small", "sum"), "mean": ("real", "mean"), "count": ("real", "count"), "most": ("sparse", "max")}
    made = [
        left.groupby(keys, as_index=False, sort=True).agg(**sums)
        for keys in ("fixed", ["fixed", "small"], "text", "long", "ascending", ["long", "sparse", "text"])
    ]
    made.append(left.merge(right, on="sparse").sort_values(["ascending", "sparse", "fixed", "real", "other", "small"]))
    made.append(left.sort_values(["long", "real", "ascending", "sparse", "small"]))
    made.append(left[left["text"].str.contains("e 1.*3.*7")])
    made.append(left[left["text"].str.contains("71", regex=False)])
    made.append(left[left["sparse"].isin(right["sparse"])])
    return made


def digest():
    left, right = (weft.DataFrame(pa.Table.from_pandas(table, preserve_index=False)) for table in tables())
    hashes = []
    for made in results(left, right):
        table = made.to_arrow().combine_chunks()
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        hashes.append(hashlib.sha256(sink.getvalue()).hexdigest())
    return _core.cpu_level(), hashes


def at_level(level):
    return subprocess.run(
        [sys.executable, __file__],
        env=os.environ | {"WEFT_CPU_LEVEL": level},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_every_level_gives_the_same():
    assert _core.cpu_levels()[0] == "base"
    answers = {}
    for level in _core.cpu_levels():
        done = at_level(level)
        assert done.returncode == 0, done.stderr
        active, _, hashes = done.stdout.strip().partition(" ")
        assert active == level
        answers[level] = hashes
    assert len(set(answers.values())) == 1, answers


def test_as_pandas_has_it():
    left, right = tables()
    frames = (weft.DataFrame(pa.Table.from_pandas(table, preserve_index=False)) for table in (left, right))
    for made, expected in zip(results(*frames), results(left, right), strict=True):
        pd.testing.assert_frame_equal(
            made.to_pandas().reset_index(drop=True), expected.reset_index(drop=True), check_dtype=False
        )


@pytest.mark.parametrize("level", ["avx9", "X86-64-V3"])
def test_a_level_that_is_none_is_refused(level):
    done = at_level(level)
    assert done.returncode != 0
    assert "WEFT_CPU_LEVEL" in done.stderr and level in done.stderr and "base" in done.stderr


if __name__ == "__main__":
    found, all_hashes = digest()
    print(found, " ".join(all_hashes))
