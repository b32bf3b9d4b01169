"""Collectives of `Env` over ranks."""

from __future__ import annotations

import pytest

COLLECTIVES = """
    import numpy as np, pyarrow as pa
    import weft

    env = weft.init()
    r, n = env.rank, env.world_size
    values = [None, True, 7, -(10**30), 2.5, float("inf"), "Größe", b"bytes", [1, "a", None], {"k": [1.5]}]
    for root in {0, n - 1, n // 2}:
        for value in values:
            assert env.broadcast(value if r == root else None, root=root) == value
            got = env.gather([r, value] if not isinstance(value, bytes) else value, root=root)
            assert (got is None) == (r != root)
        got = env.broadcast(np.arange(12.0).reshape(3, 4) * root if r == root else None, root=root)
        assert got.shape == (3, 4) and got[2, 3] == 11 * root and got.dtype == np.float64
        assert env.scatter([f"to {i}" for i in range(n)] if r == root else None, root=root) == f"to {r}"
        got = env.scatter([np.full(i, i) for i in range(n)] if r == root else None, root=root)
        assert got.tolist() == [r] * r
        reduced = env.reduce(np.array([r, 1]), "sum", root=root)
        assert (reduced is None) if r != root else reduced.tolist() == [n * (n - 1) // 2, n]

    assert env.allgather(r * 10**20) == [i * 10**20 for i in range(n)]
    got = env.allgather(np.full((r, 2), r, dtype=np.int16))
    assert [a.shape for a in got] == [(i, 2) for i in range(n)] and all((a == i).all() for i, a in enumerate(got))
    assert env.allgather(np.datetime64("2020-01-01")) == [np.datetime64("2020-01-01")] * n
    assert env.alltoall([f"{r}->{i}" for i in range(n)]) == [f"{i}->{r}" for i in range(n)]
    got = env.alltoall([np.full(i + 1, r) for i in range(n)])
    assert all(a.tolist() == [i] * (r + 1) for i, a in enumerate(got))

    total = n * (n - 1) // 2
    assert env.allreduce(r) == total and env.allreduce(2**62) == n * 2**62
    assert env.allreduce(float(r), "max") == n - 1 and env.allreduce(r + 1, "min") == 1
    assert env.allreduce(r == 0, "lor") is True and env.allreduce(r == 0, "land") is (n == 1)
    assert env.allreduce(1 << r, "bor") == 2**n - 1
    assert env.allreduce(f"<{r}>", lambda a, b: a + b) == "".join(f"<{i}>" for i in range(n))
    assert env.scan(r + 1) == (r + 1) * (r + 2) // 2
    for dtype in ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"):
        mine = np.arange(100).astype(dtype) if dtype == "b1" else (np.arange(100) % 5 + r % 2).astype(dtype)
        whole = np.array(env.allgather(mine))
        for op, same in (("min", whole.min(0)), ("max", whole.max(0)), ("land", whole.astype(bool).all(0))):
            got = env.allreduce(mine, op)
            assert ((got.astype(bool) if op == "land" else got) == same).all(), (dtype, op)
        if dtype != "b1":
            assert (env.allreduce(mine, "sum") == whole.sum(0)).all(), dtype
    big = np.arange(1_000_000, dtype=np.int64) + r
    assert (env.allreduce(big) == np.arange(1_000_000) * n + total).all()
    assert (env.allreduce(big, lambda a, b: np.maximum(a, b)) == np.arange(1_000_000) + n - 1).all()
    assert env.scan(np.array([1, r])).tolist() == [r + 1, r * (r + 1) // 2]
    assert env.allreduce(np.float32(1.5)) == 1.5 * n and isinstance(env.allreduce(np.int8(1)), np.int8)

    frame = weft.DataFrame({"x": [r, None], "s": ["a", "b"]}).set_index("s")
    got = env.allgather(frame)
    assert [g.to_pydict()["x"] for g in got] == [[i, None] for i in range(n)] and got[0].index_names == ("s",)
    assert env.broadcast(frame, root=0).to_pydict() == {"s": ["a", "b"], "x": [0, None]}

    right, left = (r + 1) % n, (r - 1) % n
    if n > 1:
        if r % 2 == 0:
            env.send({"from": r}, right, tag=5); env.send(np.arange(r), right, tag=5)
        if left % 2 == 0:
            assert env.recv(left, tag=5) == {"from": left} and env.recv(left, tag=5).tolist() == list(range(left))

    for wrong in (object(), {1: 2}, np.array([object()]), [b"bytes"]):
        try:
            env.allgather(wrong if r == n - 1 else 1)
            raise AssertionError("nothing was raised")
        except TypeError as problem:
            assert f"rank {n - 1}: allgather:" in str(problem), problem
    try:
        env.allreduce(np.zeros(2 + (r == n - 1)))
        assert n == 1
    except TypeError as problem:
        assert f"ranks 0 and {n - 1}" in str(problem)

    again = env.dup()
    assert (again.rank, again.world_size) == (r, n) and again.allreduce(1) == n
    half = env.split(r % 2, -r)
    members = [i for i in range(n) if i % 2 == r % 2][::-1]
    assert half.world_size == len(members) and members[half.rank] == r
    assert half.allreduce(r) == sum(members)
    part = weft.DataFrame({"a": [r]}, env=half).sort_values("a", ascending=False).allgather()
    assert part.to_pydict()["a"] == members
    none = env.split(-1 if r == 0 else 1)
    assert (none is None) == (r == 0)
    env.barrier()
    links = env.links()
    assert {link["peer"] for link in links} >= {i for i in range(n) if i != r}
    env.close()
    print("all well")
"""


@pytest.mark.parametrize("ranks", [1, 2, 3, 4, 5, 8])
def test_collectives(launch, ranks):
    done = launch.ok(COLLECTIVES, ranks=ranks)
    assert done.out.count("all well") == ranks


ENCRYPTED = """
    import numpy as np
    import weft

    env = weft.init(encryption=CHOICE)
    total = env.allreduce(np.arange(300_000, dtype=np.int64))
    assert (total == np.arange(300_000) * env.world_size).all()
    frame = weft.DataFrame({"k": [env.rank, 7], "v": ["a", "b"]}, env=env)
    assert frame.merge(frame, on="k").total_rows() == env.world_size + env.world_size**2
    for link in env.links():
        secret = CHOICE == "on" and link["peer"] != env.rank
        assert link["encrypted"] is secret and link["cipher"].startswith("TLS_" if secret else ""), link
        assert secret or link["cipher"] == ""
    env.close()
"""


@pytest.mark.parametrize("choice", ["auto", "on", "off", "off-even-relayed"])
def test_encryption(launch, choice):
    launch.ok(ENCRYPTED.replace("CHOICE", repr(choice)), ranks=3, WEFT_BACKEND="tcp")


SHARED = """
    import numpy as np
    import weft

    env = weft.init(SHM)
    for size in (1, 10_000, 300_000, 2_000_000):
        rows = np.arange(size, dtype=np.int64) * (env.rank + 1)
        frame = weft.DataFrame({"k": rows % 1000, "v": rows}, env=env)
        moved = frame.repartition(by=["k"])
        assert env.allreduce(int(moved["v"].local().sum()), "sum") == env.allreduce(int(rows.sum()), "sum")
    for link in env.links():
        assert (link["shared_memory"] > 0) is (SHARES and link["peer"] != env.rank), link
        assert link["shared_memory"] <= 8 << 20, link
    env.close()
"""


@pytest.mark.parametrize(
    ("argument", "variable", "shares"),
    [("", None, True), ("shm=False", None, False), ("shm=True", "0", True), ("", "0", False), ("", "on", True)],
)
def test_shared_memory(launch, argument, variable, shares):
    script = SHARED.replace("SHM", argument).replace("SHARES", repr(shares))
    variables = {} if variable is None else {"WEFT_SHM": variable}
    launch.ok(script, ranks=3, WEFT_BACKEND="tcp", **variables)


def test_shared_memory_that_is_no_choice(launch):
    done = launch("import weft; weft.init()", ranks=2, WEFT_SHM="perhaps")
    assert done.code == 1 and "shm" in done.err and "perhaps" in done.err, done.text


COMPRESSED = """
    import numpy as np
    import weft

    env = weft.init(CHOICE)
    rows = np.arange(100_000, dtype=np.int64) + env.rank
    frame = weft.DataFrame({"k": rows % 1000, "v": rows}, env=env)
    moved = frame.repartition(by=["k"])
    assert env.allreduce(int(moved["v"].local().sum()), "sum") == env.allreduce(int(rows.sum()), "sum")
    phases = env.stats()["phases"]
    assert ("shuffle.lz4" in phases) is COMPRESSES, phases
    if COMPRESSES:
        assert phases["shuffle.lz4_made"]["bytes"] < phases["shuffle.lz4"]["bytes"]
    env.close()
"""


@pytest.mark.parametrize(
    ("argument", "variable", "compresses"),
    [
        ("compression='lz4'", None, True),
        ("", "lz4", True),
        ("compression='off'", "lz4", False),
        ("compression='auto'", "lz4", False),  # one block to each: too few to know a link
    ],
)
def test_compression(launch, argument, variable, compresses):
    script = COMPRESSED.replace("CHOICE", argument).replace("COMPRESSES", repr(compresses))
    launch.ok(script, ranks=3, **({} if variable is None else {"WEFT_COMPRESSION": variable}))


def test_ranks_that_choose_compression_differently(launch):
    choice = "compression='lz4' if int(__import__('os').environ['WEFT_RANK']) else 'off'"
    launch.ok(COMPRESSED.replace("CHOICE", choice).replace("COMPRESSES", "(env.rank > 0)"), ranks=3)


@pytest.mark.parametrize("way", ["zstd", "LZ4", "on"])
def test_compression_that_is_no_choice(launch, way):
    done = launch("import weft; weft.init()", ranks=2, WEFT_COMPRESSION=way)
    assert done.code == 1 and f"unknown compression '{way}'" in done.err and "auto, lz4, off" in done.err, done.text


KILLED = """
    import os, signal, time
    import numpy as np
    import weft

    env = weft.init()
    data = np.ones(4 << 20)
    begin = time.monotonic()
    try:
        for turn in range(10_000):
            if env.rank == 1 and turn == 20:
                assert env.links()[0]["shared_memory"] > 0
                os.kill(os.getpid(), signal.SIGKILL)
            env.allreduce(data)
            begin = time.monotonic()
    except weft.PeerLost as error:
        assert "rank 1" in str(error), error
        assert time.monotonic() - begin < 5
        print("rank 1 was missed")
"""


def test_a_rank_that_is_killed_while_memory_is_shared(launch):
    done = launch(KILLED, ranks=2)
    assert "rank 1 was missed" in done.out, done.text


def test_ranks_that_choose_encryption_differently(launch):
    done = launch(
        """
        import os, weft
        weft.init(encryption="on" if os.environ["WEFT_RANK"] == "0" else "auto")
        """,
        ranks=2,
        WEFT_BACKEND="tcp",
    )
    assert done.code == 1 and "encryption=on" in done.err and "encryption=auto" in done.err
    assert "WEFT_ENCRYPTION" in done.err


def test_trace(launch):
    launch.ok(
        """
        import weft
        with weft.init() as env:
            weft.DataFrame({"k": [1, 2, 3]}, env=env).merge(weft.DataFrame({"k": [2, 3]}, env=env), on="k")
            assert env.stats()["phases"]
        """,
        ranks=2,
        WEFT_TRACE="trace.json",
    )
    import json

    found = json.loads((launch.folder / "trace.json").read_text())
    events = found["traceEvents"] if isinstance(found, dict) else found
    assert {event["pid"] for event in events} == {0, 1}
    assert all(event["dur"] >= 0 for event in events if event["ph"] == "X")


def test_a_trace_that_cannot_be_written_is_said_at_once(launch):
    done = launch(
        """
        import weft
        env = weft.init()
        env.barrier()
        print("an hour's work", flush=True)
        env.close()
        """,
        WEFT_TRACE="nowhere/trace.json",
    )
    assert done.code == 1 and not done.out, done.text
    assert done.err.count("the trace file 'nowhere/trace.json' cannot be written (No such file") >= 2


def test_log_levels(launch):
    script = "import weft\nweft.init().close()\n"
    assert not launch.ok(script).err
    said = launch.ok(script, WEFT_LOG="info", WEFT_JOB="logged").err
    for rank in (0, 1):
        assert f"weft info rank {rank}: joined job 'logged', epoch 0, as rank {rank} of 2 by tcp in " in said
    assert "WEFT_LOG is 'INFO', and is one of debug, info, warning" in launch.ok(script, WEFT_LOG="INFO").err


def test_a_forked_child_has_no_env(launch):
    launch.ok(
        """
        import os, weft
        env = weft.init()
        child = os.fork()
        if child == 0:
            try:
                env.barrier()
                os._exit(1)
            except ValueError as problem:
                os._exit(0 if "fork" in str(problem) else 2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        env.barrier()
        """
    )


def test_one_thread_at_a_time(launch):
    launch.ok(
        """
        import threading, time, weft
        env = weft.init()
        other = env.dup()
        results = []
        def work():
            results.append(other.allreduce(env.rank))
        threads = [threading.Thread(target=work)]
        [thread.start() for thread in threads]
        mine = env.allreduce(1)
        [thread.join() for thread in threads]
        assert results == [1] and mine == 2
        """
    )


def test_ranks_without_a_launcher(launch):
    """By hand, as DESIGN.md has it: a rendezvous server, then each rank with its environment."""
    import os
    import secrets
    import subprocess
    import sys

    key = launch.folder / "key"
    key.write_text(secrets.token_hex(16))
    key.chmod(0o600)
    command = [sys.executable, "-m", "weft.cli", "rendezvous", "--listen", "127.0.0.1:0", "--key-file", str(key)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    launch.started.append(server)
    address = server.stdout.readline().split()[-1]
    script = launch.write("import weft\nwith weft.init() as env:\n    print(env.rank, env.allreduce(1))\n")
    environment = {
        **os.environ,
        "WEFT_RENDEZVOUS": address,
        "WEFT_RENDEZVOUS_KEY_FILE": str(key),
        "WEFT_JOB": "by-hand",
        "WEFT_SECRET": secrets.token_hex(32),
        "WEFT_WORLD_SIZE": "3",
        "WEFT_THREADS": "1",
    }
    # Ranks are not given: they are counted.
    ranks = [
        subprocess.Popen([sys.executable, str(script)], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    launch.started.extend(ranks)
    out = [rank.communicate(timeout=120)[0] for rank in ranks]
    assert sorted(out) == ["0 3\n", "1 3\n", "2 3\n"]
    server.terminate()
    assert server.wait(timeout=30) == 0
