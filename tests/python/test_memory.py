"""memory_limit with spill_dir: operators finish on inputs four times the limit, this process stays within it, and nothing
is left on disk. DuckDB is the oracle, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

SOAK = bool(os.environ.get("WEFT_SOAK"))

#: Bytes a rank; an empty process with Weft loaded takes about 100 MB of it.
LIMIT = 300_000_000

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
    import json, sys, threading, time
    import weft
    folder, job, limit, out = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]

    def status(name):
        for line in open("/proc/self/status"):
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024

    plain = [0]
    def watch():
        while True:
            plain[0] = max(plain[0], status("RssAnon"))
            time.sleep(0.002)

    with weft.init(memory_limit=limit) as env:
        threading.Thread(target=watch, daemon=True).start()
        left = weft.read_parquet(folder + "/left.parquet", env=env)
        if "join" in job:
            right = weft.read_parquet(folder + "/right.parquet", env=env)
            how = {"left join": "left", "outer join": "outer"}.get(job, "inner")
            made = left.merge(right, on="k", how=how, algorithm="sort" if job == "sort join" else "hash")
            del right
        elif job == "sort":
            made = left.sort_values(["k", "left_v"], ascending=[True, False])
        elif job == "groupby":
            made = left.groupby("k", as_index=False).agg(s=("left_v", "sum"), m=("left_t", "max"), n=("left_v", "size"))
        elif job == "groupby rows":
            made = left.groupby("k", as_index=False).agg(s=("left_v", "nunique"))
        else:
            left["g"] = left["k"] % 100
            made = left.groupby("g", as_index=False).agg(s=("left_v", "sum"), n=("left_v", "size"))
        del left
        made.to_parquet(out)
        facts = env.stats()
        print(json.dumps({
            "peak": status("VmHWM"), "plain": plain[0], "spilled": facts["spilled_bytes"],
            "disk": facts["disk_bytes"], "memory": facts["memory_peak_bytes"],
        }), flush=True)
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
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Four times the limit in memory, for one rank."""
    folder = tmp_path_factory.mktemp("tables")
    rows = 4 * LIMIT // 84
    run(MAKE, folder, rows, rows * 3 // 10)
    yield folder
    for file in folder.glob("*.parquet"):
        file.unlink()


def check_job(launch, tables: Path, tmp_path: Path, job: str, ranks: int, limit: int = LIMIT) -> None:  # type: ignore[no-untyped-def]
    import json

    spill, out = tmp_path / "spill", tmp_path / "out"
    spill.mkdir()
    done = launch.ok(RUN, ranks=ranks, arguments=[tables, job, limit, out], hang=900, WEFT_SPILL_DIR=str(spill))
    facts = [json.loads(line) for line in done.out.splitlines() if line.startswith("{")]
    assert len(facts) == ranks
    print(job, ranks, f"{done.seconds:.1f} s", *facts)
    for fact in facts:
        assert fact["peak"] < 1.1 * limit, fact
        assert fact["spilled"] > 0 and fact["memory"] < limit, fact
    assert list(spill.iterdir()) == []
    assert "the same" in run(CHECK, tables, JOBS[job], out)


@pytest.mark.parametrize("job", ["join", "sort", "groupby"])
def test_four_times_the_limit(launch, tables, tmp_path, job):
    check_job(launch, tables, tmp_path, job, 1)


def test_over_two_ranks(launch, tables, tmp_path):
    check_job(launch, tables, tmp_path, "join", 2, LIMIT // 2)


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


@pytest.mark.parametrize("job", ["join", "sort"] if SOAK else ["join"])
def test_in_a_control_group(tables, tmp_path, control_group, job):
    """The kernel ends a process that it cannot hold to the limit."""
    out = tmp_path / "out"
    join_group = f"open('{control_group}/cgroup.procs', 'w').write('0')\n"
    done = subprocess.run(
        [sys.executable, "-c", join_group + textwrap.dedent(RUN), str(tables), job, str(LIMIT), str(out)],
        capture_output=True,
        text=True,
        env={**os.environ, "WEFT_SPILL_DIR": str(tmp_path), "WEFT_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the same" in run(CHECK, tables, JOBS[job], out)


@pytest.mark.skipif(not SOAK, reason="minutes: WEFT_SOAK=1")
@pytest.mark.parametrize("ranks", [1, 2, 4])
@pytest.mark.parametrize("job", list(JOBS))
def test_every_job(launch, tables, tmp_path, job, ranks):
    check_job(launch, tables, tmp_path, job, ranks)
