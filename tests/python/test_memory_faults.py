"""memory_limit and spill_dir where something goes wrong: no directory, a full disk on one rank, a killed process."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time

JOIN = """
    import os, sys
    import numpy as np, weft
    env = weft.init(memory_limit=os.environ["LIMIT"], spill_dir=os.environ.get("SPILL_OF_RANK_%d" % int(os.environ["WEFT_RANK"])))
    rng = np.random.default_rng(env.rank)
    rows = 4_000_000
    # Made in pieces, so that NumPy's memory is not what is measured.
    def frame(name):
        parts = [
            weft.DataFrame({"k": rng.integers(0, 1 << 40, rows // 8), name: rng.random(rows // 8)}, env=env)
            for _ in range(8)
        ]
        return weft.concat(parts)
    try:
        left, right = frame("a"), frame("b")
        made = left.merge(right, on="k", how="left")
        made = made.sort_values("k")
    except MemoryError as problem:
        print(env.rank, type(problem).__name__, problem, flush=True)
        sys.exit(3)
    print(env.rank, "made", len(made), flush=True)
"""


def test_without_a_directory(launch):
    done = launch(JOIN, ranks=2, LIMIT="100MB")
    lines = [line for line in done.out.splitlines() if "MemoryLimitExceeded" in line]
    assert done.code != 0 and len(lines) == 2, done.text
    assert all("shuffle: " in line and "bytes more are needed" in line and "100000000" in line for line in lines), (
        done.text
    )


def test_a_full_disk_on_one_rank(launch, tmp_path, make_disk):
    small_disk = make_disk(30)
    large = tmp_path / "large"
    large.mkdir()
    begin = time.monotonic()
    done = launch(JOIN, ranks=2, LIMIT="400MB", SPILL_OF_RANK_0=str(large), SPILL_OF_RANK_1=str(small_disk))
    lines = sorted(line for line in done.out.splitlines() if "MemoryLimitExceeded" in line)
    assert done.code != 0 and len(lines) == 2, done.text
    # Both name the disk that is full, and whose it is.
    assert all(str(small_disk) in line and "400000000" in line for line in lines), done.text
    assert "rank 1" in lines[0], done.text
    assert time.monotonic() - begin < 100
    assert list(large.iterdir()) == [] and list(small_disk.iterdir()) == []
    assert shutil.disk_usage(small_disk).used == 0


def test_a_killed_process_leaves_nothing(tmp_path):
    free = shutil.disk_usage(tmp_path).free
    script = """
        import sys, time
        import numpy as np, weft
        env = weft.init(memory_limit="300MB", spill_dir=sys.argv[1])
        column = np.arange(10_000_000)
        frame = weft.DataFrame({"a": column}, env=env)
        for name in "bcdefghij":
            frame[name] = frame["a"] + 1
        print(env.stats()["disk_bytes"], flush=True)
        time.sleep(600)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        held = int(process.stdout.readline())
        assert held > 500_000_000
        assert list(tmp_path.iterdir()) == []
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert list(tmp_path.iterdir()) == []
    # Other processes write here too, but not as much.
    assert shutil.disk_usage(tmp_path).free > free - held // 2


def run(script: str, *arguments: object, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **env},
        timeout=120,
    )


def test_arguments(tmp_path):
    script = """
        import sys, weft
        for arguments, words in [
            (dict(spill_dir=sys.argv[1]), "memory_limit"),
            (dict(spill_dir=sys.argv[1] + "/missing", memory_limit="1GB"), "/missing"),
        ]:
            try:
                weft.init(**arguments)
            except ValueError as problem:
                assert words in str(problem), problem
            else:
                raise AssertionError(arguments)
        import pathlib
        with weft.init(memory_limit="1GB", spill_dir=pathlib.Path(sys.argv[1])) as env:
            assert env.stats()["spilled_bytes"] == 0
            assert weft.DataFrame({"a": [2, 1]}, env=env).sort_values("a").to_pydict() == {"a": [1, 2]}
    """
    done = run(script, tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_environment_names_the_directory(tmp_path):
    done = run("import weft; weft.init(memory_limit='1GB')", WEFT_SPILL_DIR=str(tmp_path / "missing"))
    assert done.returncode != 0 and "spill_dir" in done.stderr and "missing" in done.stderr, done.stderr
