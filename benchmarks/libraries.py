"""Each wrapped library under Weft beside its bare use, on this host, in one run: `python benchmarks/libraries.py`.

| backend | beside |
|---|---|
| ucx | `ucx_perftest -t tag_lat` (ucx-utils): ping-pong |
| gloo | `bare_gloo` of this folder (built with -DWEFT_BENCHMARKS=ON): ping-pong, and Gloo's own collectives |
| libfabric | `fi_pingpong -e rdm -m tagged` (libfabric-bin): ping-pong |
| mpi | mpi4py's calls on buffers: ping-pong and collectives |

Both are run in turn, `--rounds` times; the median over the rounds counts. A ratio above 1 is Weft's cost.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

BUILD = Path(__file__).parent.parent / "build" / "release"
COLLECTIVES = ("pingpong", "barrier", "broadcast", "reduce", "allreduce", "allgather", "alltoall")
#: (collective, bytes) -> seconds
Times = dict[tuple[str, int], float]


def weft(contender: str, ranks: int, options: argparse.Namespace, **environment: str) -> Times:
    """`weft bench collectives` on one contender."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        collectives = ["pingpong"] if contender in ("ucx", "libfabric") else COLLECTIVES
        command = [
            sys.executable,
            "-m",
            "weft.cli",
            "bench",
            "collectives",
            "--ranks",
            str(ranks),
            "--json",
            str(report),
        ]
        command += ["--contenders", contender, "--sizes", ",".join(map(str, options.sizes))]
        command += ["--collectives", ",".join(collectives), "--seconds", str(options.seconds)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **environment})
        found = json.loads(report.read_text())["results"]
    return {(one["collective"], one["bytes"]): one["seconds"] for one in found}


def bare_gloo(ranks: int, options: argparse.Namespace) -> Times:
    program = BUILD / "benchmarks" / "bare" / "bare_gloo"
    sizes = ",".join(map(str, options.sizes))
    command = [str(program), str(ranks), ",".join(COLLECTIVES), sizes, str(options.seconds), "9"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout.removeprefix("results "))
    return {(one["collective"], one["bytes"]): one["seconds"] for one in found}


def two_sided(server: list[str], client: list[str], environment: dict[str, str]) -> str:
    """A program that is started twice, the second time with the first one's address; what the second one prints."""
    merged = {**os.environ, **environment}
    waiting = subprocess.Popen(server, stdout=subprocess.DEVNULL, env=merged)
    try:
        time.sleep(1)  # neither program says when it listens
        return subprocess.run(client, check=True, stdout=subprocess.PIPE, text=True, env=merged, timeout=300).stdout
    finally:
        waiting.terminate()
        waiting.wait()


def iterations(size: int) -> str:
    return "2000" if size <= 1 << 16 else "50"


def bare_ucx(options: argparse.Namespace, environment: dict[str, str]) -> Times:
    found: Times = {}
    for turn, size in enumerate(options.sizes):
        port = str(23000 + (os.getpid() + turn) % 4000)
        command = ["ucx_perftest", "-p", port, "-t", "tag_lat", "-f"]
        count = iterations(size)
        text = two_sided(command, [*command, "127.0.0.1", "-s", str(size), "-n", count, "-w", "50"], environment)
        words = text.splitlines()[-1].split()
        found["pingpong", size] = float(words[3]) * 1e-6  # overall; half of a round trip
    return found


def bare_libfabric(options: argparse.Namespace, environment: dict[str, str]) -> Times:
    found: Times = {}
    for turn, size in enumerate(options.sizes):
        port = str(27000 + (os.getpid() + turn) % 4000)
        provider = environment["FI_PROVIDER"]
        same = ["-p", provider, "-e", "rdm", "-m", "tagged", "-S", str(size), "-I", iterations(size)]
        text = two_sided(["fi_pingpong", "-B", port, *same], ["fi_pingpong", "-P", port, *same, "127.0.0.1"], {})
        words = re.split(r"\s+", text.splitlines()[-1].strip())
        found["pingpong", size] = float(words[-2]) * 1e-6
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, default=2, help="of the collectives; a ping-pong is between two")
    parser.add_argument("--sizes", default="8,1024,65536,1048576,8388608", help="bytes, with commas")
    parser.add_argument("--seconds", type=float, default=0.5, help="for one collective at one size")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--libraries", default="ucx-tcp,ucx-shm,gloo,libfabric-tcp,mpi")
    options = parser.parse_args()
    options.sizes = [int(size) for size in options.sizes.split(",")]
    ucx = {"ucx-tcp": {"UCX_TLS": "tcp,self"}, "ucx-shm": {"UCX_TLS": "posix,sysv,cma,self"}}
    fabric = {"FI_PROVIDER": "tcp;ofi_rxm"}
    pairs: dict[str, tuple[Callable[[], Times], Callable[[], Times], str | Path]] = {
        **{
            name: (
                lambda choice=choice: weft("ucx", 2, options, **choice),
                lambda choice=choice: bare_ucx(options, choice),
                "ucx_perftest",
            )
            for name, choice in ucx.items()
        },
        "gloo": (
            lambda: weft("gloo", options.ranks, options),
            lambda: bare_gloo(options.ranks, options),
            BUILD / "benchmarks" / "bare" / "bare_gloo",
        ),
        "libfabric-tcp": (
            lambda: weft("libfabric", 2, options, **fabric),
            lambda: bare_libfabric(options, fabric),
            "fi_pingpong",
        ),
        "mpi": (
            lambda: weft("mpi", options.ranks, options),
            lambda: weft("openmpi", options.ranks, options),
            "mpirun",
        ),
    }
    print(f"{'library':14} {'collective':10} {'bytes':>9} {'weft us':>12} {'bare us':>12} {'ratio':>6}")
    for name in options.libraries.split(","):
        under_weft, bare, program = pairs[name]
        if shutil.which(program) is None:
            print(f"{name}: left out, there is no {program}")
            continue
        rounds = [(under_weft(), bare()) for _ in range(options.rounds)]
        for collective, size in rounds[0][1]:
            if (collective, size) not in rounds[0][0]:
                continue
            ours, theirs = (statistics.median(one[side][collective, size] for one in rounds) * 1e6 for side in (0, 1))
            print(f"{name:14} {collective:10} {size:9} {ours:12.1f} {theirs:12.1f} {ours / theirs:6.2f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
