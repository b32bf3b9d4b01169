"""memory_limit with spill_dir: operators finish on inputs four times the limit, this process stays within it, and nothing
is left on disk. DuckDB is the oracle, in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SOAK = bool(os.environ.get("WEFT_SOAK"))

#: Bytes a rank; an empty process with Weft loaded takes about 100 MB of it.
LIMIT = 200_000_000

#: Tables of a number, a number and a text: ROWS * 84 bytes in memory.
MAKE = """
    import sys
    import numpy as np, pyarrow as pa, pyarrow.parquet as pq
    folder, rows, keys = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

    def text(rng, n, width=60):
        data = rng.integers(97, 123, n * width, dtype=np.uint8)
        return pa.StringArray.from_buffers(n, pa.py_buffer(np.arange(n + 1, dtype=np.int32) * width), pa.py_buffer(data))

    def write(name, seed, rows, keys_of):
        rng = np.random.default_rng(seed)
        schema = pa.schema([("k", pa.int64()), (f"{name}_v", pa.int64()), (f"{name}_t", pa.string())])
        with pq.ParquetWriter(f"{folder}/{name}.parquet", schema, compression="none", use_dictionary=False) as writer:
            for begin in range(0, rows, 200_000):
                n = min(200_000, rows - begin)
                columns = [pa.array(keys_of(rng, begin, n)), pa.array(rng.integers(0, 1 << 30, n)), text(rng, n)]
                writer.write_table(pa.table(columns, schema=schema))

    write("left", 1, rows * 7 // 10, lambda rng, begin, n: rng.integers(0, keys, n))
    # Each key once, scattered.
    write("right", 2, rows * 3 // 10, lambda rng, begin, n: (np.arange(begin, begin + n) * 7_368_787) % keys)
"""

#: What a job does with them, by name: DuckDB's text for the same.
JOBS = {
    "join": "select k, left_v, left_t, right_v, right_t from L join R using (k)",
    "left join": "select k, left_v, left_t, right_v, right_t from L left join R using (k)",
    "sort join": "select k, left_v, left_t, right_v, right_t from L join R using (k)",
    "outer join": "select k, left_v, left_t, right_v, right_t from L full join R using (k)",
    "sort": "select k, left_v, left_t from L",
    "groupby": "select k, sum(left_v) s, max(left_t) m, count(*) n from L group by k",
    "groupby rows": "select k, count(distinct left_v) s from L group by k",
    "few groups": "select k % 100 g, sum(left_v) s, count(*) n from L group by g",
}

RUN = """
    import json, sys, threading
    import weft
    folder, job, limit, out = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]

    def status():
        fields = dict(line.split(":", 1) for line in open("/proc/self/status"))
        return {name: int(fields[name].split()[0]) * 1024 for name in ("VmHWM", "VmRSS", "RssAnon", "RssFile", "RssShmem")}

    def work(env):
        left = weft.read_parquet(folder + "/left.parquet", env=env)
        if "join" in job:
            right = weft.read_parquet(folder + "/right.parquet", env=env)
            how = {"left join": "left", "outer join": "outer"}.get(job, "inner")
            return left.merge(right, on="k", how=how, algorithm="sort" if job == "sort join" else "hash")
        if job == "sort":
            return left.sort_values(["k", "left_v"], ascending=[True, False])
        if job == "groupby":
            return left.groupby("k", as_index=False).agg(s=("left_v", "sum"), m=("left_t", "max"), n=("left_v", "size"))
        if job == "groupby rows":
            return left.groupby("k", as_index=False).agg(s=("left_v", "nunique"))
        left["g"] = left["k"] % 100
        return left.groupby("g", as_index=False).agg(s=("left_v", "sum"), n=("left_v", "size"))

    def main():
        ends, most = threading.Event(), [status()]

        def watch():
            while not ends.wait(0.002):
                most[0] = max(most[0], status(), key=lambda seen: seen["VmRSS"])

        watching = threading.Thread(target=watch)
        with weft.init(memory_limit=limit) as env:
            watching.start()
            try:
                work(env).to_parquet(out)
                facts = env.stats()
            finally:
                ends.set()
                watching.join()
        names = {"spilled": "spilled_bytes", "disk": "disk_bytes", "memory": "memory_peak_bytes"}
        print(json.dumps({"peak": status()["VmHWM"], "most": most[0], **{k: facts[v] for k, v in names.items()}}))

    main()
"""

CHECK = """
    import sys, duckdb
    folder, query, out = sys.argv[1:]
    db = duckdb.connect()
    db.execute("set memory_limit = '2GB'; set threads = 2; set preserve_insertion_order = true")
    db.execute(f"set temp_directory = '{folder}/duckdb'")
    for table, name in (("L", "left"), ("R", "right")):
        db.execute(f"create view {table} as select * from '{folder}/{name}.parquet'")
    files = f"read_parquet('{out}/*.parquet')"
    db.execute(f"create view made as select * from {files}")
    db.execute(f"create view due as {query}")
    # Rows as numbers that add up: the same rows, each as often, in any order.
    def totals(table):
        columns = ", ".join(f"coalesce({c[0]}::varchar, 'null')" for c in db.execute("describe due").fetchall())
        return db.execute(
            f"select count(*), sum(hash({columns})::hugeint), bit_xor(hash({columns}, 1)) from {table}"
        ).fetchone()
    assert totals("made") == totals("due"), (totals("made"), totals("due"))
    print("the same", totals("due")[0])
"""

#: Whether all parts, one after the other, are in order.
ORDER = """
    import glob, sys
    import pyarrow.parquet as pq
    before = None
    for name in sorted(glob.glob(sys.argv[1] + "/*.parquet")):
        for batch in pq.ParquetFile(name).iter_batches(columns=["k", "left_v"]):
            k, v = (batch.column(c).to_numpy(zero_copy_only=False) for c in (0, 1))
            assert ((k[1:] > k[:-1]) | ((k[1:] == k[:-1]) & (v[1:] <= v[:-1]))).all()
            assert before is None or (before[0], -before[1]) <= (k[0], -v[0])
            before = (k[-1], v[-1])
    print("in order")
"""


def run(script: str, *arguments: object, **env: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **env},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int], Path]]:
    """Four times what so many ranks may hold together."""
    made: dict[int, Path] = {}

    def make(ranks: int) -> Path:
        if ranks not in made:
            made[ranks] = tmp_path_factory.mktemp(f"tables{ranks}")
            rows = 4 * LIMIT * ranks // 84
            run(MAKE, made[ranks], rows, rows * 3 // 10)
        return made[ranks]

    yield make
    for folder in made.values():
        shutil.rmtree(folder)


def check_job(launch: Any, folder: Path, tmp_path: Path, job: str, ranks: int) -> None:
    spill, out = tmp_path / "spill", tmp_path / "out"
    spill.mkdir()
    done = launch.ok(
        RUN, ranks=ranks, arguments=[str(folder), job, str(LIMIT), str(out)], hang=900, WEFT_SPILL_DIR=str(spill)
    )
    facts = [json.loads(line) for line in done.out.splitlines() if line.startswith("{")]
    assert len(facts) == ranks
    print(job, ranks, f"{done.seconds:.1f} s", *facts)
    for fact in facts:
        assert fact["peak"] < 1.1 * LIMIT, fact
        assert fact["spilled"] > 0 and fact["memory"] < LIMIT, fact
    assert list(spill.iterdir()) == []
    assert "the same" in run(CHECK, folder, JOBS[job], out)
    if job == "sort":
        assert "in order" in run(ORDER, out)
    shutil.rmtree(out)


def test_four_times_the_limit(launch, tables, tmp_path):
    check_job(launch, tables(1), tmp_path, "join", 1)


def test_over_two_ranks(launch, tables, tmp_path):
    """Half of that input a rank."""
    check_job(launch, tables(1), tmp_path, "sort", 2)


@pytest.fixture
def control_group() -> Iterator[Path]:
    """A control group that may use 1.1 times the limit, cached pages of files among it."""
    for root, name in (
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
        (Path("/sys/fs/cgroup"), "memory.max"),
    ):
        group = root / f"weft_test_{os.getpid()}"
        try:
            group.mkdir()
            (group / name).write_text(str(LIMIT * 11 // 10))
        except OSError:
            if group.is_dir():
                group.rmdir()
            continue
        yield group
        group.rmdir()
        return
    pytest.skip("no control group can be made here")


@pytest.mark.skipif(not SOAK, reason="minutes: WEFT_SOAK=1")
@pytest.mark.parametrize("job", ["join", "sort"])
def test_in_a_control_group(tables, tmp_path, control_group, job):
    """The kernel ends a process that it cannot hold to the limit."""
    out = tmp_path / "out"
    enter = f"open('{control_group}/cgroup.procs', 'w').write('0')\n"
    run(enter + textwrap.dedent(RUN), tables(1), job, LIMIT, out, WEFT_SPILL_DIR=str(tmp_path), WEFT_THREADS="1")
    assert "the same" in run(CHECK, tables(1), JOBS[job], out)


@pytest.mark.skipif(not SOAK, reason="minutes: WEFT_SOAK=1")
@pytest.mark.parametrize("ranks", [1, 2, 4])
@pytest.mark.parametrize("job", list(JOBS))
def test_every_job(launch, tables, tmp_path, job, ranks):
    check_job(launch, tables(ranks), tmp_path, job, ranks)
