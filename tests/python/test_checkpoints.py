"""`Env.checkpoint`, `restore` and `stage`: what comes back, on worlds of any size, what is kept, and what is passed over."""

from __future__ import annotations

import hashlib
import json
import os
import random
import threading
import time
import warnings
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

import weft
from weft.checkpoints import manifest as manifests
from weft.checkpoints import writing
from weft.checkpoints.manifest import FrameEntry, Manifest, Part
from weft.serverless.local_s3 import LocalS3, find_gateway

SOAK = bool(os.environ.get("WEFT_SOAK"))


def open_env(folder: Path, job: str = "job", **options) -> weft.Env:
    return weft.init(job=job, checkpoint_dir=folder, threads=1, **options)


@pytest.fixture
def env(tmp_path):
    made = open_env(tmp_path / "kept")
    yield made
    made.leave(ended_well=False)


def again(env: weft.Env, folder: Path, **options) -> weft.Env:
    """Another attempt at the job."""
    env.leave(ended_well=False)
    return open_env(folder / "kept", **options)


# -- what comes back -------------------------------------------------------------------------------------------------

EVERY_TYPE = pa.table(
    {
        "i": pa.array([1, None, 3], pa.int8()),
        "u": pa.array([1, 2, 1 << 63], pa.uint64()),
        "f": pa.array([0.5, float("-inf"), None], pa.float32()),
        "b": pa.array([True, None, False]),
        "s": ["a", None, "ä" * 50],
        "ls": pa.array(["x", "y", None], pa.large_string()),
        "by": pa.array([b"\0", b"", None]),
        "dec": pa.array([1, 2, None], pa.decimal128(20, 3)),
        "date": pa.array([1, 2, None], pa.date32()),
        "ts": pa.array([1, 2, None], pa.timestamp("ns", "Europe/Berlin")),
        "dur": pa.array([1, 2, None], pa.duration("ms")),
        "dict": pa.array(["p", "q", "p"]).dictionary_encode(),
        "list": pa.array([[1], [], None], pa.list_(pa.int64())),
        "struct": pa.array([{"x": 1, "y": "a"}, None, {"x": None, "y": None}]),
        "map": pa.array([[("k", 1)], [], None], pa.map_(pa.string(), pa.int64())),
        "null": pa.nulls(3),
    }
)


def test_every_type_the_index_and_the_state(env, tmp_path):
    state = {"step": 7, "rate": 0.1 + 0.2, "names": ["a", None, True], "deep": {"x": [1, [2]]}}
    frame = weft.DataFrame(EVERY_TYPE, env=env)
    chunks = weft.DataFrame(pa.concat_tables([EVERY_TYPE, EVERY_TYPE.slice(1)]), env=env)
    indexed = frame[["s", "i", "u"]].set_index(["s", "i"])
    env.checkpoint("all", frame, chunks, indexed, frame["u"], frame.head(0), state=state, wait=True)
    env = again(env, tmp_path)
    found = env.restore("all")
    assert found.state == state and found.epoch == 0 and found.name == "all"
    first, second, third, series, empty = found.frames
    assert first.to_arrow().equals(EVERY_TYPE) and first.env is env
    assert second.to_arrow().combine_chunks().equals(chunks.to_arrow().combine_chunks())
    assert third.index_names == ["s", "i"] or list(third.index_names) == ["s", "i"]
    assert third.to_arrow().equals(indexed.to_arrow())
    assert isinstance(series, weft.Series) and series.name == "u" and series.to_list() == [1, 2, 1 << 63]
    assert empty.to_arrow().schema == EVERY_TYPE.schema and len(empty) == 0
    assert env.restore("nothing") is None
    env.close()
    # The job is done.
    assert not (tmp_path / "kept" / "job").exists()


def test_the_frame_may_be_used_while_it_is_written(env, tmp_path):
    frame = weft.DataFrame({"a": range(1_000_000)}, env=env)
    env.checkpoint("used", frame)
    frame["a"] = frame["a"] + 1
    assert frame["a"].sum() == sum(range(1, 1_000_001))
    env.checkpoint("used", frame, wait=True)
    env = again(env, tmp_path)
    assert env.restore("used").frames[0]["a"].sum() == sum(range(1, 1_000_001))
    env.leave(ended_well=False)


WRONG = [
    (ValueError, "a name is", lambda env, df: env.checkpoint("a/b", df)),
    (ValueError, "a name is", lambda env, df: env.restore(3)),
    (ValueError, "a name is", lambda env, df: env.stage("")),
    (TypeError, "values go into state=", lambda env, df: env.checkpoint("a", 3)),
    (TypeError, "what JSON brings back", lambda env, df: env.checkpoint("a", df, state={1: 2})),
    (TypeError, "what JSON brings back", lambda env, df: env.checkpoint("a", df, state=(1, 2))),
    (ValueError, "not bound", lambda env, df: env.checkpoint("a", df.local())),
    (ValueError, "by the env that weft.init has made", lambda env, df: env.dup().checkpoint("a", df)),
]


@pytest.mark.parametrize(("kind", "text", "call"), WRONG)
def test_wrong_arguments(env, kind, text, call):
    frame = weft.DataFrame({"a": [1]}, env=env)
    with pytest.raises(kind, match=text):
        call(env, frame)
    env.checkpoint("well", frame, wait=True)
    assert env.restore("well").frames[0].to_pydict() == {"a": [1]}


def test_where_there_is_no_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("WEFT_CHECKPOINT_DIR", raising=False)
    with weft.init(threads=1) as alone:
        for call in (lambda: alone.checkpoint("a"), lambda: alone.restore("a"), lambda: alone.stage("a")):
            with pytest.raises(ValueError, match="checkpoint_dir="):
                call()
    with pytest.raises(ValueError, match="needs the job's name"):
        weft.init(checkpoint_dir=tmp_path)
    with pytest.raises(ValueError, match="WEFT_DEADLINE"):
        monkeypatch.setenv("WEFT_DEADLINE", "soon")
        with open_env(tmp_path) as env:
            env.restore("a")


# -- stages ----------------------------------------------------------------------------------------------------------


def run_stage(env: weft.Env, runs: list[str]):
    with env.stage("made") as s:
        if s.todo:
            runs.append("made")
            s.frame = weft.DataFrame({"a": [1, 2]}, env=env)
            s.column = s.frame["a"]
            s.count = 2
    return s


def test_a_stage_is_run_once(env, tmp_path):
    runs: list[str] = []
    first = run_stage(env, runs)
    assert first.count == 2 and first.frame.to_pydict() == {"a": [1, 2]}
    with env.stage("nothing") as s:
        assert s.todo
    env.checkpoint("after", wait=True)
    env = again(env, tmp_path, epoch=1)
    second = run_stage(env, runs)
    assert runs == ["made"]
    assert second.frame.to_pydict() == {"a": [1, 2]} and second.column.to_list() == [1, 2] and second.count == 2
    assert dir(second) == sorted(["name", "todo", "frame", "column", "count"])
    with env.stage("nothing") as s:
        assert not s.todo
    with pytest.raises(ValueError, match="stages differ in name"):
        env.stage("made")
    env.leave(ended_well=False)


def test_a_stage_that_fails_is_run_again(env, tmp_path):
    with pytest.raises(KeyError), env.stage("fails") as s:
        if s.todo:
            s.a = 1
            raise KeyError("x")
    env = again(env, tmp_path)
    with env.stage("fails") as s:
        assert s.todo
    env.leave(ended_well=False)


def test_wrong_stages(env, tmp_path):
    with pytest.raises(ValueError, match="below `if s.todo:`"), env.stage("unasked") as s:
        s.a = 1
    s = env.stage("late")
    with pytest.raises(ValueError, match="entered by with"):
        _ = s.todo
    with s:
        for name in ("_a", "todo", "name"):
            with pytest.raises(ValueError, match="no name"):
                setattr(s, name, 1)
        with pytest.raises(AttributeError, match="has no 'b'"):
            _ = s.b
        assert s.todo
        s.a = 1
    with pytest.raises(ValueError, match="inside of its with block"):
        s.b = 1
    with pytest.raises(ValueError, match="entered before"):
        s.__enter__()
    env.checkpoint("x", wait=True)
    env = again(env, tmp_path)
    with pytest.raises(ValueError, match="finished by an earlier attempt"), env.stage("late") as s:
        s.a = 2
    env.leave(ended_well=False)


# -- what is kept ----------------------------------------------------------------------------------------------------


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_last_two_are_kept(env, tmp_path):
    for step in range(5):
        env.checkpoint("loop", weft.DataFrame({"a": [step]}, env=env), state=step)
    env.checkpoint("loop", weft.DataFrame({"a": [5]}, env=env), state=5, wait=True)
    folder = tmp_path / "kept" / "job" / "checkpoint-loop"
    # The thread removes them after it has made the last one valid.
    end = time.monotonic() + 10
    while len(files(folder)) > 4:
        assert time.monotonic() < end, files(folder)
        time.sleep(0.01)
    assert [name for name in files(folder) if name.startswith("m")] == [
        "manifest-00000005.json",
        "manifest-00000006.json",
    ]
    assert env.restore("loop").state == 5
    assert env.stats()["checkpoints"]["published"] == 6


def test_leftovers_of_an_attempt_that_was_killed(env, tmp_path):
    env.checkpoint("loop", weft.DataFrame({"a": [1]}, env=env), wait=True)
    folder = tmp_path / "kept" / "job" / "checkpoint-loop"
    (folder / "part-e000000-0123456789abcdef-000009-r00000-f000.arrows").write_bytes(b"half")
    (folder / "part-e000007-0123456789abcdef-000001-r00000-f000.arrows").write_bytes(b"later")
    (folder / "note.txt").write_bytes(b"somebody's")
    env = again(env, tmp_path, epoch=1)
    env.checkpoint("loop", weft.DataFrame({"a": [2]}, env=env), wait=True)
    env.checkpoint("loop", weft.DataFrame({"a": [3]}, env=env), wait=True)
    env.leave(ended_well=False)
    left = files(folder)
    assert "note.txt" in left and any(name.startswith("part-e000007") for name in left)
    assert not any(name.startswith("part-e000000") for name in left) and len(left) == 6


# -- fencing ---------------------------------------------------------------------------------------------------------


def test_an_old_epoch_cannot_write_over_a_newer_one(env, tmp_path):
    old, new = env, open_env(tmp_path / "kept", epoch=1)
    old.checkpoint("x", state="first", wait=True)
    assert new.restore("x").state == "first"
    new.checkpoint("x", state="new", wait=True)
    for call in (lambda: old.checkpoint("x", state="late", wait=True), lambda: old.restore("x")):
        with pytest.raises(weft.Superseded, match="epoch 1 of this job"):
            call()
    assert new.restore("x").state == "new"
    new.leave(ended_well=False)


def test_an_old_epoch_whose_thread_is_late(env, tmp_path, monkeypatch):
    """Its parts are there, and the newer epoch publishes before its manifest is put."""
    new, go = open_env(tmp_path / "kept", epoch=1), threading.Event()
    real = writing.Writer._others

    def slow(self, save):
        found = real(self, save)
        if save.epoch == 0:
            assert go.wait(30)
        return found

    monkeypatch.setattr(writing.Writer, "_others", slow)
    env.checkpoint("x", state="late")
    new.checkpoint("x", state="new", wait=True)
    go.set()
    with pytest.raises(weft.Superseded):
        env.checkpoint("y", wait=True)
    assert new.restore("x").state == "new"
    new.leave(ended_well=False)


def test_an_old_epoch_whose_files_were_removed(env, tmp_path, monkeypatch):
    """It would look for them for ever."""
    new, go = open_env(tmp_path / "kept", epoch=1), threading.Event()
    real = writing.Writer._others

    def slow(self, save):
        assert save.epoch == 1 or go.wait(30)
        return real(self, save)

    monkeypatch.setattr(writing.Writer, "_others", slow)
    env.checkpoint("x", state="late")
    env._keeper._writer.wait_written()
    for _ in range(2):
        new.checkpoint("x", state="new", wait=True)
    folder = tmp_path / "kept" / "job" / "checkpoint-x"
    end = time.monotonic() + 10
    while any("-e000000-" in name for name in files(folder)):
        assert time.monotonic() < end
        time.sleep(0.01)
    go.set()
    with pytest.raises(weft.Superseded):
        env.restore("x")
    new.leave(ended_well=False)


def test_two_that_publish_the_same_number(tmp_path):
    """One conditional write decides, on this host's file system."""
    from weft.checkpoints.folder import open_folder

    folder = open_folder(str(tmp_path / "race"))
    for number in range(20 if SOAK else 5):
        won: list[int] = []
        gate = threading.Barrier(8)

        def put(who: int, number=number, won=won, gate=gate) -> None:
            gate.wait()
            if folder.put_new(f"m-{number}", str(who).encode()):
                won.append(who)

        threads = [threading.Thread(target=put, args=(who,)) for who in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1 and bytes(folder.read(f"m-{number}")) == str(won[0]).encode()
    assert all(not name.startswith(".") for name in folder.files())


# -- damage ----------------------------------------------------------------------------------------------------------


def flip(path: Path, place: float = 0.5) -> None:
    data = bytearray(path.read_bytes())
    data[int(len(data) * place)] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


DAMAGE = {
    "a bit of a part": (lambda folder, last: flip(last["part"]), "another checksum"),
    "a part cut": (lambda folder, last: cut(last["part"]), "bytes, and was written with"),
    "a part gone": (lambda folder, last: last["part"].unlink(), "is missing"),
    "a bit of the manifest": (lambda folder, last: flip(last["manifest"], 0.3), "its checksum is wrong"),
    "the manifest cut": (lambda folder, last: cut(last["manifest"]), "it is cut"),
    "the manifest empty": (lambda folder, last: last["manifest"].write_bytes(b""), "it is cut"),
    "another's manifest": (
        lambda folder, last: last["manifest"].write_bytes(Manifest("stage", "x", 0, "t", 1, None, ()).format()),
        "it is of 'stage'",
    ),
}


def last_files(folder: Path) -> dict[str, Path]:
    manifest = max(folder.glob("manifest-*"))
    made = json.loads(manifest.read_bytes().partition(b"\n")[0])
    return {"manifest": manifest, "part": folder / made["frames"][0]["parts"][-1]["file"]}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_one_is_passed_over(env, tmp_path, case):
    damage, cause = DAMAGE[case]
    for step in range(3):
        env.checkpoint("x", weft.DataFrame({"a": [step] * 1000}, env=env), state=step, wait=True)
    folder = tmp_path / "kept" / "job" / "checkpoint-x"
    env = again(env, tmp_path)
    damage(folder, last_files(folder))
    with pytest.warns(RuntimeWarning, match=rf"number 3 is passed over: .*{cause}") as caught:
        found = env.restore("x")
    assert found.state == 1 and set(found.frames[0].to_pydict()["a"]) == {1} and len(caught) == 1
    # It does not count among the two that are kept.
    env.checkpoint("x", weft.DataFrame({"a": [9]}, env=env), state=9, wait=True)
    env = again(env, tmp_path)
    assert [name for name in files(folder) if name.startswith("m")] == [
        "manifest-00000002.json",
        "manifest-00000004.json",
    ]
    for manifest in folder.glob("manifest-*"):
        cut(manifest)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert env.restore("x") is None
    assert len(told) == 2
    env.leave(ended_well=False)


def example() -> Manifest:
    parts = tuple(Part(f"part-e000001-00-000001-r0000{r}-f000.arrows", 5, 900, "ab" * 32) for r in range(2))
    frame = FrameEntry("0", False, ("k",), pa.schema([("k", pa.int64())]).serialize().to_pybytes().hex(), parts)
    return Manifest("checkpoint", "x", 1, "00", 2, {"a": [1, None]}, (frame,))


def test_manifests_damaged_by_the_hundred():
    """Whatever was done to one, it is refused by ValueError, or it is what it was."""
    made, chance = example(), random.Random(11)
    whole = made.format()
    assert manifests.parse(whole, "checkpoint", "x") == made
    for _ in range(20_000 if SOAK else 1000):
        data = bytearray(whole)
        for _ in range(chance.choice([1, 1, 2, 10])):
            place = chance.randrange(len(data) + 1)
            what = chance.randrange(4)
            if what == 0 and place < len(data):
                data[place] ^= 1 << chance.randrange(8)
            elif what == 1:
                del data[place : place + chance.randrange(1, 40)]
            elif what == 2:
                data[place:place] = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 20)))
            else:
                data[place:place] = data[chance.randrange(len(data) + 1) :][: chance.randrange(1, 60)]
        try:
            assert manifests.parse(bytes(data), "checkpoint", "x") == made
        except ValueError:
            pass


STRANGE = [
    None,
    True,
    -1,
    0,
    1 << 70,
    1.5,
    "",
    "x",
    "../x",
    "part-/../x",
    "\0",
    [],
    [1],
    {},
    {"a": 1},
    "ab" * 33,
    "part-a b",
]


def test_manifests_of_another_shape_with_the_right_checksum():
    """Every value in it put in the place of every other kind of value; names that lead out of the folder."""
    value, chance = json.loads(example().format().partition(b"\n")[0]), random.Random(5)

    def places(node, path=()):
        yield path
        items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, inner in items:
            yield from places(inner, (*path, key))

    refused = 0
    for path in list(places(value)):
        for strange in STRANGE:
            changed = json.loads(json.dumps(value))
            node = changed
            for key in path[:-1]:
                node = node[key]
            if path:
                node[path[-1]] = strange
            else:
                changed = strange
            line = json.dumps(changed).encode()
            try:
                found = manifests.parse(
                    line + b"\n" + hashlib.sha256(line).hexdigest().encode() + b"\n", "checkpoint", "x"
                )
            except ValueError:
                refused += 1
                continue
            for frame in found.frames:
                assert len(frame.parts) == found.world_size
                assert all("/" not in part.file and part.rows >= 0 and part.bytes >= 0 for part in frame.parts)
    assert refused > 300 and chance is not None


# -- worlds ----------------------------------------------------------------------------------------------------------

#: Writes on a world, then dies; or reads and leaves what each rank has.
WORLDS = """
    import json, os, sys
    import weft
    env = weft.init(epoch=int(sys.argv[2]))
    rows, skew = 1000, [0, 700, 750, 760, 761, 900, 950, 960, 1000]
    if sys.argv[1] == "write":
        # Some ranks have most rows, one none.
        places = [0, *skew[1:env.world_size], rows] if env.world_size > 1 else [0, rows]
        i = list(range(places[env.rank], places[env.rank + 1]))
        frame = weft.DataFrame({"i": i, "s": [f"row {n}" if n % 7 else None for n in i]}, env=env)
        with env.stage("made") as s:
            if s.todo:
                s.frame, s.indexed, s.none = frame, frame.set_index("s"), frame[frame["i"] < 0]
                s.rows = rows
        env.checkpoint("now", frame["i"], state=[env.world_size], wait=True)
        os._exit(9)
    with env.stage("made") as s:
        assert not s.todo and s.rows == rows
    found = env.restore("now")
    assert s.none.total_rows() == 0 and list(s.none.columns) == ["i", "s"]
    assert list(s.indexed.index_names) == ["s"]
    with open(f"out-{env.rank}", "w") as file:
        json.dump([s.frame.to_pydict(), s.indexed.reset_index().to_pydict(), found.frames[0].to_list(), found.state], file)
    # Bound: operators work over all ranks.
    assert s.frame["i"].sum() == sum(range(rows))
"""

PAIRS = [(3, 2), (2, 4), (4, 1), (1, 3), (3, 3)]
ALL_PAIRS = [(a, b) for a in (1, 2, 3, 4, 5, 8) for b in (1, 2, 3, 4, 5, 8)]


def check_worlds(launch, before: int, after: int, where: str, **variables: str) -> None:
    variables = {"WEFT_JOB": "worlds", "WEFT_CHECKPOINT_DIR": where, **variables}
    done = launch(WORLDS, before, ["write", "0"], **variables)
    assert done.code == 9, done.text
    launch.ok(launch.folder / "script.py", after, arguments=["read", "1"], **variables)
    told = [json.loads((launch.folder / f"out-{rank}").read_text()) for rank in range(after)]
    expected = pd.DataFrame({"i": range(1000), "s": [f"row {n}" if n % 7 else None for n in range(1000)]})
    for which in (0, 1):
        whole = pd.concat([pd.DataFrame(one[which]) for one in told], ignore_index=True)[["i", "s"]]
        assert whole["i"].tolist() == expected["i"].tolist()
        assert [None if v != v else v for v in whole["s"]] == [None if v != v else v for v in expected["s"]]
    assert [value for one in told for value in one[2]] == list(range(1000))
    assert all(one[3] == [before] for one in told)
    if before != after:
        sizes = [len(one[2]) for one in told]
        assert max(sizes) - min(sizes) <= 1
    # The job ended well, and has taken its checkpoints away.
    if "://" not in where:
        assert not (launch.folder / where / "worlds").exists()


@pytest.mark.parametrize(("before", "after"), ALL_PAIRS if SOAK else PAIRS)
def test_other_worlds(launch, before, after):
    check_worlds(launch, before, after, "kept")


def test_ranks_that_differ(launch):
    done = launch.ok(
        """
        import weft
        env = weft.init()
        frame = weft.DataFrame({"a": [1]}, env=env)
        calls = [
            lambda: env.checkpoint(f"n{env.rank}", frame),
            lambda: env.checkpoint("a", frame, state=env.rank),
            lambda: env.checkpoint("a", *[frame] * env.rank),
            lambda: env.checkpoint("a", frame if env.rank == 0 else frame.assign(b=1)),
            lambda: env.checkpoint("a", frame if env.rank == 0 else None),
            lambda: env.restore(f"n{env.rank}"),
        ]
        for number, call in enumerate(calls):
            try:
                call()
                print("not refused", number)
            except (ValueError, TypeError) as problem:
                print(number, type(problem).__name__, problem)
        env.checkpoint("a", frame, wait=True)
        print("well", env.restore("a").frames[0].total_rows())
        env.close()
        """,
        2,
        options=["--checkpoint-dir", "kept"],
    )
    assert done.out.count("well 2") == 2 and "not refused" not in done.out
    for number in range(6):
        assert sum(line.startswith(f"{number} ") for line in done.out.splitlines()) == 2, done.out


def test_a_folder_that_cannot_be_written(launch):
    (launch.folder / "kept" / "blocked").mkdir(parents=True)
    (launch.folder / "kept" / "blocked" / "checkpoint-a").write_text("a file, where the folder would be")
    done = launch(
        """
        import weft
        env = weft.init()
        frame = weft.DataFrame({"a": [1]}, env=env)
        try:
            env.checkpoint("a", frame)
            env.checkpoint("a", frame)
        except OSError as problem:
            print("told:", problem, flush=True)
            raise
        """,
        2,
        options=["--checkpoint-dir", "kept"],
        WEFT_JOB="blocked",
    )
    assert done.code == 1 and done.out.count("told:") == 2 and "kept/blocked/checkpoint-a" in done.out, done.text


#: Steps without end; every checkpoint's rows and state belong together.
STEPS = """
    import json, os, sys
    import weft
    env = weft.init(epoch=int(sys.argv[1]))
    found = env.restore("loop")
    step, frame = 0, weft.DataFrame({"n": [0] * 50_000, "r": [env.rank] * 50_000}, env=env)
    if found is not None:
        (frame,), step = found.frames, found.state
        assert frame.total_rows() == 100_000
        assert frame["n"].min() == frame["n"].max() == step, (frame["n"].min(), frame["n"].max(), step)
    found = step
    frame, step = frame.assign(n=frame["n"] + 1), step + 1
    # However busy the host is, each attempt comes one step further.
    env.checkpoint("loop", frame, state=step, wait=True)
    with open(f"found-{sys.argv[1]}-{env.rank}", "w") as file:
        file.write(f"{found} {os.getpid()}\\n")
    while True:
        frame, step = frame.assign(n=frame["n"] + 1), step + 1
        env.checkpoint("loop", frame, state=step)
"""


def kill_at_any_time(launch, wait_for, turns: int, where: str, **variables: str) -> None:
    chance, last = random.Random(turns), 0
    for turn in range(turns):
        begin = time.monotonic()
        process = launch.start(
            STEPS, 2, [str(turn)], ["--checkpoint-dir", where], WEFT_JOB="steps", WEFT_EPOCH=str(turn), **variables
        )
        told = [launch.folder / f"found-{turn}-{rank}" for rank in range(2)]
        wait_for(lambda told=told: all(file.exists() and file.read_text().endswith("\n") for file in told), 120)
        steps, pids = zip(*((int(word) for word in file.read_text().split()) for file in told), strict=True)
        assert steps[0] == steps[1] >= last
        last = steps[0]
        time.sleep(chance.uniform(0.0, 0.7))
        os.kill(chance.choice(pids), 9)
        done = launch.finish(process, begin)
        assert done.code == 137, done.text
        assert "passed over" not in done.text, done.text
    assert last > 0


def test_kills_while_it_is_written(launch, wait_for):
    kill_at_any_time(launch, wait_for, 60 if SOAK else 5, "kept")


# -- S3 --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    try:
        find_gateway()
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    with LocalS3(tmp_path_factory.mktemp("s3")) as server:
        boto3 = pytest.importorskip("boto3")
        client = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{server.port}",
            aws_access_key_id=server.access,
            aws_secret_access_key=server.secret,
            region_name="us-east-1",
        )
        client.create_bucket(Bucket="weft")
        server.client = client
        yield server


@pytest.mark.parametrize(("before", "after"), [(3, 2)] if not SOAK else [(1, 1), (2, 3), (3, 2), (4, 4)])
def test_other_worlds_on_s3(launch, s3, before, after):
    where = f"s3://weft/worlds-{before}-{after}"
    check_worlds(launch, before, after, where, **s3.environment)
    left = s3.client.list_objects_v2(Bucket="weft", Prefix=f"worlds-{before}-{after}/").get("Contents", [])
    # Arrow marks folders by empty objects.
    assert all(item["Key"].endswith("/") and item["Size"] == 0 for item in left), left


def test_damage_and_fencing_on_s3(s3, tmp_path, monkeypatch):
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    where = "s3://weft/damage?region=us-east-1"
    env = weft.init(job="job", checkpoint_dir=where, threads=1)
    for step in range(3):
        env.checkpoint("x", weft.DataFrame({"a": [step] * 1000}, env=env), state=step, wait=True)
    names = [item["Key"] for item in s3.client.list_objects_v2(Bucket="weft", Prefix="damage/job/")["Contents"]]
    assert sum("manifest" in name for name in names) == 2
    last = max(name for name in names if "part-" in name)
    body = bytearray(s3.client.get_object(Bucket="weft", Key=last)["Body"].read())
    body[len(body) // 2] ^= 4
    s3.client.put_object(Bucket="weft", Key=last, Body=bytes(body))
    with pytest.warns(RuntimeWarning, match="s3://weft/damage/job/checkpoint-x/part-.* has another checksum"):
        assert env.restore("x").state == 1
    new = weft.init(job="job", checkpoint_dir=where, threads=1, epoch=1)
    new.checkpoint("x", state="new", wait=True)
    with pytest.raises(weft.Superseded):
        env.checkpoint("x", state="late", wait=True)
    # Two that come at the same moment: the store decides.
    from weft.checkpoints.folder import open_folder

    folder = open_folder("s3://weft/race")
    won: list[int] = []
    gate = threading.Barrier(4)

    def put(who: int) -> None:
        gate.wait()
        if folder.put_new("manifest-00000001.json", str(who).encode()):
            won.append(who)

    threads = [threading.Thread(target=put, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1 and bytes(folder.read("manifest-00000001.json")) == str(won[0]).encode()
    env.leave(ended_well=False)
    new.close()


def test_kills_on_s3(launch, wait_for, s3):
    kill_at_any_time(launch, wait_for, 20 if SOAK else 2, "s3://weft/kills", **s3.environment)
