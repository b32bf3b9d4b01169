"""``weft bench scaling`` and ``report``: a small study, killed and gone on with, and what its report says."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from weft.scaling import findings
from weft.scaling.phases import GROUPS, grouped
from weft.scaling.running import Bar
from weft.scaling.summary import paper, ratio, summarize
from weft.scaling.tables import DAGGER, Table

HANG = 280


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "weft.cli", *map(str, arguments)]


def weft(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=HANG, env={**os.environ, **variables}
    )


def study(out: Path, *more: object) -> list[object]:
    options = ["--rows", "20e3", "--world-sizes", "1,2", "--iterations", 2, "--runs", 2, "--scaling", "strong"]
    return ["bench", "scaling", *options, "--out", out, *more]


def records(out: Path) -> list[dict]:
    return [
        json.loads(line) for path in sorted((out / "cells").glob("*.jsonl")) for line in path.read_text().splitlines()
    ]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A study of three backends, where they are there, and its folder."""
    out = tmp_path_factory.mktemp("study") / "out"
    done = weft(*study(out, "--backend", "tcp,ucx,mpi"))
    assert done.returncode == 0, done.stdout + done.stderr
    return out, done


def test_every_record_says_all(made):
    out, _ = made
    found = records(out)
    backends = {record["asked_backend"] for record in found}
    assert "tcp" in backends
    for backend in backends:
        # One rank and two, of two runs, each of a warm-up and two iterations.
        mine = [record for record in found if record["asked_backend"] == backend]
        assert len(mine) == (1 + 2) * 2 * 3
        keys = {(r["world_size"], r["rank"], r["run"], r["warmup"], r["iteration"]) for r in mine}
        assert len(keys) == len(mine)
    for record in found:
        assert record["seconds"] > 0 and record["cpu_user"] + record["cpu_system"] > 0
        assert record["peak_rss"] > 50e6 and record["machine"]["cores"] > 0 and record["versions"]["weft"]
        assert sum(grouped(record).values()) == pytest.approx(record["seconds"], rel=0.05)
        assert set(record["phases"]) >= {"join.match"}
        assert sum(record["links"].values()) == record["world_size"] - 1
    # All rows of each side are somewhere, and the ranks of a run make as many as another run's of the same seed.
    rows = {}
    for record in found:
        key = (record["asked_backend"], record["world_size"], record["run"], record["warmup"], record["iteration"])
        rows[key] = rows.get(key, 0) + record["rows_in"]
    assert set(rows.values()) == {40_000}


def test_a_second_call_adds_nothing(made):
    out, first = made
    before = {path: path.stat().st_mtime_ns for path in (out / "cells").iterdir()}
    again = weft(*study(out, "--backend", "tcp,ucx,mpi"))
    assert again.returncode == 0, again.stdout + again.stderr
    assert {path: path.stat().st_mtime_ns for path in (out / "cells").iterdir()} == before
    count = len(before)
    assert f"{count} cells in {out}, {count} done before" in again.stdout
    assert f"{count} cells in {out}, 0 done before" in first.stdout


def test_a_killed_study_goes_on_where_it_was(tmp_path):
    out = tmp_path / "out"
    options = study(out, "--runs", 3, "--rows", "1e5")
    process = subprocess.Popen(command(*options), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    end = time.monotonic() + HANG
    while not (cells := list((out / "cells").glob("[!.]*.jsonl")) if (out / "cells").exists() else []):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.01)
    started = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    # Neither its ranks nor what has started them are left: they would disturb the next study.
    _, alive = psutil.wait_procs(started, timeout=20)
    assert not alive
    cells = list((out / "cells").glob("[!.]*.jsonl"))
    assert 0 < len(cells) < 6
    before = {path: (path.stat().st_mtime_ns, path.read_text()) for path in cells}
    assert all(json.loads(line) for path in cells for line in path.read_text().splitlines())
    done = weft(*options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path: (path.stat().st_mtime_ns, path.read_text()) for path in cells} == before
    assert len(list((out / "cells").glob("*.jsonl"))) == 6


def test_two_studies_in_one_folder_do_not_meet(tmp_path):
    out = tmp_path / "out"
    first = subprocess.Popen(command(*study(out, "--runs", 9)), stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout is not None and "0 done before" in first.stdout.readline()
        second = weft(*study(out))
        assert second.returncode == 2 and "another study is being run there" in second.stderr
    finally:
        first.terminate()
        first.communicate()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--operation", "jump"], "'jump' is none of join, sort"),
        (["--rows", "0"], "no whole number of at least 1"),
        (["--unique", "1.5"], "no share of rows"),
        (["--world-sizes", "1,x"], "is no number"),
        (["--backend", "pigeon"], "there is no backend 'pigeon'"),
        (["--launcher", "lambda", "--backend", "mpi"], "lambda has tcp alone"),
        (["--memory", "100"], "--memory is for none of --launcher local"),
        (["--local-stack"], "--local-stack is for --launcher lambda"),
        (["--columns", "1"], "2 at least"),
        (["--warm-up", "-1"], "below 0"),
    ],
)
def test_what_it_refuses(tmp_path, arguments, words):
    done = weft("bench", "scaling", "--out", tmp_path / "out", *arguments)
    assert done.returncode == 2 and words in done.stderr, done.stderr


def test_other_settings_are_another_study(made):
    out, _ = made
    done = weft(*study(out, "--rows", "30e3"))
    assert done.returncode == 2 and "--rows 30000" in done.stderr and "20000" in done.stderr, done.stderr


def test_a_cell_that_fails_is_told_and_tried_again(tmp_path):
    out = tmp_path / "out"
    options = study(out, "--world-sizes", 2, "--runs", 1)
    done = weft(*options, WEFT_MEMORY_LIMIT="100KB")
    assert done.returncode == 1 and "failed, see" in done.stdout, done.stdout + done.stderr
    (note,) = (out / "failed").iterdir()
    assert "MemoryLimitExceeded" in note.read_text()
    assert not list((out / "cells").glob("*.jsonl"))
    done = weft(*options)
    assert done.returncode == 0 and not list((out / "failed").iterdir()), done.stdout + done.stderr


@pytest.mark.parametrize("operation", ["join", "join hash", "sort", "shuffle"])
def test_bytes_are_what_theory_says(tmp_path, operation):
    out = tmp_path / "out"
    name, _, algorithm = operation.partition(" ")
    # A hash join's ranks tell each other a sample of keys first, 16 KB to each whatever the rows.
    rows = 2_000_000 if algorithm else 400_000
    done = weft(*study(out, "--operation", name, "--algorithm", algorithm or "sort", "--rows", rows, "--world-sizes", 4,
                       "--runs", 1, "--iterations", 1))  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    mine = [record for record in records(out) if not record["warmup"]]
    moved = sum(record["phases"]["shuffle.send"]["rows"] for record in mine) * 16
    sent = sum(record["bytes_sent"] for record in mine)
    sides = 2 if name == "join" else 1
    assert moved == pytest.approx(sides * rows * 16 * 3 / 4, rel=0.01)
    assert 1 <= sent / moved < 1.01, f"{sent} bytes for rows of {moved}"
    assert sum(record["bytes_received"] for record in mine) == pytest.approx(sent, rel=1e-3)


def test_the_report_says_what_the_records_say(made):
    out, _ = made
    pytest.importorskip("matplotlib")
    done = weft("bench", "report", out)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = out / "report"
    with (folder / "times-join-sort-strong-scaling.csv").open() as file:
        rows = {(row["infrastructure"], row["ranks"].rstrip(DAGGER)): row for row in csv.DictReader(file)}
    found = [record for record in records(out) if not record["warmup"]]
    for backend in {record["asked_backend"] for record in found}:
        of_world = {}
        for world in (1, 2):
            slowest: dict[tuple, float] = {}
            for record in found:
                if (record["asked_backend"], record["world_size"]) == (backend, world):
                    key = (record["run"], record["iteration"])
                    slowest[key] = max(slowest.get(key, 0), record["seconds"])
            of_world[world] = np.array(list(slowest.values()))
            assert len(slowest) == 4
            row = rows[f"local, {backend}", str(world)]
            assert row["seconds"] == f"{of_world[world].mean():.3f} ± {of_world[world].std(ddof=1):.3f}"
        one, two = of_world[1], of_world[2]
        error = math.hypot(one.std(ddof=1) / one.mean(), two.std(ddof=1) / two.mean())
        speedup = one.mean() / two.mean()
        assert rows[f"local, {backend}", "2"]["speed-up"] == f"{speedup:.2f} ± {speedup * error:.2f}"
        assert rows[f"local, {backend}", "2"]["efficiency"] == f"{speedup / 2:.2f} ± {speedup * error / 2:.2f}"
    text = (folder / "tables.md").read_text()
    assert "Sarker et al." in text and "Lambda 10 GB" in text and "17.76" in text
    assert (folder / "tables.tex").read_text().count(r"\begin{tabular}") == len(list(folder.glob("*.csv")))
    for name in ("1-time", "1-speedup", "1-phases", "1-communication"):
        assert (folder / f"{name}.png").read_bytes()[:4] == b"\x89PNG"
        assert "<svg" in (folder / f"{name}.svg").read_text()


def test_tables_need_no_matplotlib(made, tmp_path):
    out, _ = made
    (tmp_path / "matplotlib.py").write_text("raise ImportError('not here')\n")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    refused = weft("bench", "report", out, "--out", tmp_path / "none", PYTHONPATH=path)
    assert refused.returncode == 2 and "pip install matplotlib" in refused.stderr, refused.stderr
    done = weft("bench", "report", out, "--no-plots", "--out", tmp_path / "plain", PYTHONPATH=path)
    assert done.returncode == 0, done.stderr
    assert "Time, join" in (tmp_path / "plain" / "index.html").read_text()
    empty = weft("bench", "report", tmp_path)
    assert empty.returncode == 2 and "has no cells" in empty.stderr


def record(world: int, rank: int, iteration: int, seconds: float, **more: object) -> dict:
    """A record as a rank writes it, for arithmetic."""
    return {
        "operation": "join", "algorithm": "sort", "scaling": "weak", "rows": 100, "rows_in": 200, "row_bytes": 16,
        "rows_out": 5, "launcher": "local", "asked_backend": "tcp", "run": 0, "world_size": world, "rank": rank,
        "iteration": iteration, "warmup": False, "seconds": seconds, "cpu_user": 1.0, "cpu_system": 0.5,
        "bytes_sent": 1010, "bytes_received": 1010, "peak_rss": 7, "threads": 1, "open_seconds": 0.1, "links": {},
        "link_seconds": {}, "machine": {"boot": "a", "cores": 2}, "versions": {},
        "phases": {"shuffle.send": {"seconds": 0.5, "rows": 60, "bytes": 1000, "count": 1}}, **more,
    }  # fmt: skip


def test_sums_over_ranks_and_marks():
    lines = [record(1, 0, i, seconds) for i, seconds in enumerate((2.0, 4.0))]
    lines += [record(4, rank, i, seconds + rank) for rank in range(4) for i, seconds in enumerate((5.0, 7.0))]
    lines += [record(4, rank, 0, 100.0, warmup=True) for rank in range(4)]
    (series,) = summarize(lines)
    one, four = series.points[1], series.points[4]
    assert (one.mean, four.times, four.warmups) == (3.0, [8.0, 10.0], [100.0])
    assert (four.cpu_seconds, four.bytes_sent, four.row_bytes_sent) == (6.0, 4040.0, 3840.0)
    assert four.expected_bytes == 4 * 200 * 16 * 3 / 4
    assert not one.oversubscribed and four.oversubscribed
    assert series.work(4) == pytest.approx(1.0)
    # Weak scaling: the work grows with the ranks, so T1 / Tp is the efficiency.
    expected = 3 / 9 * math.hypot(math.sqrt(2) / 3, math.sqrt(2) / 9)
    assert series.efficiency(4).value == pytest.approx(1 / 3) and series.efficiency(4).deviation == pytest.approx(
        expected
    )
    tables = findings.all_tables([series], paper())
    marked = [table for table in tables if f"4{DAGGER}" in table.markdown() or f"9.000{DAGGER}" in table.markdown()]
    # Each table with ranks has the mark and says what it means; there are no links and no costs here.
    assert {table.name.split("-")[0] for table in marked} == {"times", "paper", "work", "phases"}
    assert all(any(DAGGER in note for note in table.notes) for table in marked)


def test_ranks_on_hosts_of_their_own_are_not_marked():
    lines = [record(4, rank, 0, 1.0, machine={"boot": str(rank), "cores": 1}) for rank in range(4)]
    (series,) = summarize(lines)
    assert not series.points[4].oversubscribed


def test_errors_propagate_as_the_paper_says():
    found = ratio(16.28, 0.5, 2.89, 0.1)
    assert found.value == pytest.approx(16.28 / 2.89)
    assert found.deviation == pytest.approx(found.value * math.sqrt((0.5 / 16.28) ** 2 + (0.1 / 2.89) ** 2))


def test_the_papers_figures_are_whole():
    found = paper()
    assert "Sarker" in found["source"]
    assert len(found["series"]) == 12
    assert all(set(one["seconds"]) >= {"1", "2", "4", "8", "16", "32"} for one in found["series"])


def test_a_table_in_its_forms():
    table = Table("t", "A & B", ["name", "value"], notes=[f"{DAGGER} note"])
    table.add("x_1", "50%")
    assert "| x_1 | 50% |" in table.markdown() and "| --- | ---: |" in table.markdown()
    assert table.csv() == "name,value\nx_1,50%\n"
    assert r"x\_1 & 50\% \\" in table.latex() and r"\caption{A \& B}" in table.latex()
    assert re.search(r'<td>x_1</td><td class="n">50%</td>', table.html()) and "A &amp; B" in table.html()
    with pytest.raises(ValueError, match="3 cells for 2 columns"):
        table.add("a", "b", "c")


def test_phases_belong_to_one_group():
    one = {"seconds": 2.0, "phases": {"shuffle.wait": {"seconds": 0.5}, "shuffle.partition": {"seconds": 0.25},
                                      "join.match": {"seconds": 1.0}}}  # fmt: skip
    assert grouped(one) == dict(zip(GROUPS, (0.25, 0.5, 1.0, 0.25), strict=True))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_on_a_terminal_and_lines_elsewhere():
    terminal, plain = Terminal(), io.StringIO()
    for stream in (terminal, plain):
        bar = Bar(4, stream, 1)
        bar.at("second iteration 1")
        bar.step("second: done")
    assert "[#######.......................] 1/4  second iteration 1" in terminal.getvalue()
    assert terminal.getvalue().endswith(" left\n") and "\r" in terminal.getvalue()
    assert re.fullmatch(r"2/4 second: done, \d+ s left\n", plain.getvalue())
