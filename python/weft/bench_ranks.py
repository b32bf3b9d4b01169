"""One rank's half of ``weft bench collectives``: times each collective over one contender, in the same way for all.

A contender is a way to talk: Weft over one of its backends, MPI by mpi4py, or plain sockets. ``python -m
weft.bench_ranks PLAN`` is started as each rank by `weft.bench`; rank 0 prints the results as one line of JSON.
"""

from __future__ import annotations

import json
import os
import select
import socket
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

__all__ = ["COLLECTIVES", "main"]

COLLECTIVES = (
    "barrier",
    "pingpong",
    "broadcast",
    "reduce",
    "allreduce",
    "scan",
    "gather",
    "allgather",
    "scatter",
    "alltoall",
)
#: No bytes go with these, so they have one size.
SIZELESS = ("barrier",)
#: A buffer of all ranks' blocks may be so large.
LARGEST = 1 << 30

Call = Callable[[], object]


class Contender(Protocol):
    """What is timed. `make` gives a call of one collective on blocks of `size` bytes, or None where it has none."""

    rank: int
    world_size: int

    def make(self, collective: str, size: int) -> Call | None: ...

    def slowest(self, seconds: list[float]) -> list[float]:
        """For each, the longest of all ranks. Collective."""
        ...

    def close(self) -> None: ...


def _largest_buffer(collective: str, size: int, world_size: int) -> int:
    return size * world_size if collective in ("gather", "allgather", "scatter", "alltoall") else size


class _Weft:
    def __init__(self) -> None:
        import weft

        self._env = weft.init()
        self.rank, self.world_size = self._env.rank, self._env.world_size

    def make(self, collective: str, size: int) -> Call | None:
        session, rank, n = self._env.session, self.rank, self.world_size
        count = max(1, size // 8)
        one = np.ones(count, dtype=np.float64).view(np.uint8)
        counts = [one.size] * n
        many = np.ones(count * n if _largest_buffer(collective, size, n) > size else 0).view(np.uint8)
        got = np.empty_like(many if collective in ("alltoall", "allgather", "gather") else one)
        if collective == "barrier":
            return session.barrier
        if collective == "pingpong":
            return self._pingpong(one, got)
        calls: dict[str, Call] = {
            "broadcast": lambda: session.broadcast(got, 0),
            "reduce": lambda: session.reduce(one, got, count, "double", "sum", 0),
            "allreduce": lambda: session.allreduce(one, got, count, "double", "sum"),
            "scan": lambda: session.scan(one, got, count, "double", "sum"),
            "gather": lambda: session.gatherv(one, got if rank == 0 else got[:0], counts, 0),
            "allgather": lambda: session.allgatherv(one, got, counts),
            "scatter": lambda: session.scatterv(many if rank == 0 else many[:0], counts, got, 0),
            "alltoall": lambda: session.alltoallv(many, counts, got, counts),
        }
        return calls[collective]

    def _pingpong(self, one: Any, got: Any) -> Call:
        session, rank = self._env.session, self.rank

        def there_and_back() -> None:
            if rank == 0:
                session.send(1, 0, [one])
                session.recv(1, 0, got)
            elif rank == 1:
                session.recv(0, 0, got)
                session.send(0, 0, [one])

        return there_and_back

    def slowest(self, seconds: list[float]) -> list[float]:
        found: list[float] = self._env.allreduce(np.array(seconds), "max").tolist()
        return found

    def close(self) -> None:
        self._env.close()


class _Mpi:
    """mpi4py's calls on buffers, which add least to the library's own."""

    def __init__(self) -> None:
        from mpi4py import MPI

        self._mpi = MPI
        self._world = MPI.COMM_WORLD
        self.rank, self.world_size = self._world.rank, self._world.size

    def make(self, collective: str, size: int) -> Call | None:
        world, rank, n, mpi = self._world, self.rank, self.world_size, self._mpi
        count = max(1, size // 8)
        one = np.ones(count)
        many = np.ones(count * n if _largest_buffer(collective, size, n) > size else 0)
        got = np.empty_like(many if collective in ("alltoall", "allgather", "gather") else one)

        def there_and_back() -> None:
            if rank == 0:
                world.Send(one, 1)
                world.Recv(got, 1)
            elif rank == 1:
                world.Recv(got, 0)
                world.Send(one, 0)

        calls: dict[str, Call] = {
            "barrier": world.Barrier,
            "pingpong": there_and_back,
            "broadcast": lambda: world.Bcast(got, 0),
            "reduce": lambda: world.Reduce(one, got if rank == 0 else None, mpi.SUM, 0),
            "allreduce": lambda: world.Allreduce(one, got, mpi.SUM),
            "scan": lambda: world.Scan(one, got, mpi.SUM),
            "gather": lambda: world.Gather(one, got if rank == 0 else None, 0),
            "allgather": lambda: world.Allgather(one, got),
            "scatter": lambda: world.Scatter(many if rank == 0 else None, got, 0),
            "alltoall": lambda: world.Alltoall(many, got),
        }
        return calls[collective]

    def slowest(self, seconds: list[float]) -> list[float]:
        got = np.empty(len(seconds))
        self._world.Allreduce(np.array(seconds), got, self._mpi.MAX)
        return [float(value) for value in got]

    def close(self) -> None:
        pass


class _Socket:
    """One plain TCP connection a pair, read and written as fast as poll allows; what the host itself can do."""

    def __init__(self) -> None:
        self.rank, self.world_size = int(os.environ["WEFT_RANK"]), int(os.environ["WEFT_WORLD_SIZE"])
        host, _, port = os.environ["WEFT_BENCH_MEET"].rpartition(":")
        with socket.create_server(("127.0.0.1", 0)) as listener:
            with socket.create_connection((host, int(port))) as meeting, meeting.makefile("rw") as lines:
                print(self.rank, listener.getsockname()[1], file=lines, flush=True)
                ports = [int(word) for word in lines.readline().split()]
            self._peers: dict[int, socket.socket] = {}
            for peer in range(self.rank):
                self._peers[peer] = socket.create_connection(("127.0.0.1", ports[peer]))
                self._peers[peer].sendall(bytes([self.rank]))
            for _ in range(self.rank + 1, self.world_size):
                accepted = listener.accept()[0]
                self._peers[accepted.recv(1)[0]] = accepted
        for connection in self._peers.values():
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def make(self, collective: str, size: int) -> Call | None:
        if collective == "alltoall":
            outs = {peer: memoryview(bytes(size)) for peer in self._peers}
            ins = {peer: memoryview(bytearray(size)) for peer in self._peers}
            mine, own = memoryview(bytes(size)), memoryview(bytearray(size))

            def exchange() -> None:
                own[:] = mine  # an all-to-all gives a rank its own block, too
                self._exchange(outs, ins)

            return exchange
        if collective == "pingpong":
            out, into = bytes(size), memoryview(bytearray(size))

            def there_and_back() -> None:
                if self.rank == 0:
                    self._peers[1].sendall(out)
                    self._receive(self._peers[1], into)
                elif self.rank == 1:
                    self._receive(self._peers[0], into)
                    self._peers[0].sendall(out)

            return there_and_back
        return None

    @staticmethod
    def _receive(peer: socket.socket, into: memoryview) -> None:
        done = 0
        while done < len(into):
            done += peer.recv_into(into[done:])

    def _exchange(self, outs: dict[int, memoryview], ins: dict[int, memoryview]) -> None:
        poller = select.poll()
        by_descriptor = {}
        for rank, peer in self._peers.items():
            peer.setblocking(False)
            by_descriptor[peer.fileno()] = rank
            poller.register(peer, select.POLLIN | select.POLLOUT)
        sent, received = dict.fromkeys(outs, 0), dict.fromkeys(ins, 0)
        busy = len(outs)
        while busy:
            for descriptor, events in poller.poll():
                rank = by_descriptor[descriptor]
                peer, out, into = self._peers[rank], outs[rank], ins[rank]
                try:
                    if events & select.POLLIN and received[rank] < len(into):
                        received[rank] += peer.recv_into(into[received[rank] :])
                    if events & select.POLLOUT and sent[rank] < len(out):
                        sent[rank] += peer.send(out[sent[rank] :])
                except BlockingIOError:
                    continue
                wanted = (select.POLLIN if received[rank] < len(into) else 0) | (
                    select.POLLOUT if sent[rank] < len(out) else 0
                )
                poller.modify(peer, wanted) if wanted else poller.unregister(peer)
                busy -= not wanted
        for peer in self._peers.values():
            peer.setblocking(True)

    def slowest(self, seconds: list[float]) -> list[float]:
        out = np.array(seconds)
        ins = {peer: bytearray(out.nbytes) for peer in self._peers}
        self._exchange(
            {peer: memoryview(out.tobytes()) for peer in self._peers},
            {peer: memoryview(whole) for peer, whole in ins.items()},
        )
        every = [out, *(np.frombuffer(whole) for whole in ins.values())]
        return [float(value) for value in np.max(every, axis=0)]

    def close(self) -> None:
        for peer in self._peers.values():
            peer.close()


def measure(contender: Contender, call: Call, seconds: float, repetitions: int) -> tuple[float, float, float, int]:
    """Median, median absolute deviation and the warm-up's own time, in seconds a call, and calls a repetition.

    The first call is kept apart: it makes buffers and routes. How many calls a repetition has is agreed upon, from the
    slowest rank's second call, so that a repetition is longer than the clock and the start together are uneven.
    """
    begin = time.perf_counter()
    call()
    first = time.perf_counter() - begin
    begin = time.perf_counter()
    for _ in range(3):
        call()
    second = contender.slowest([(time.perf_counter() - begin) / 3])[0]
    calls = max(1, min(1000, int(seconds / repetitions / max(second, 1e-7))))
    times = []
    for _ in range(repetitions):
        contender.slowest([0.0])  # all begin together
        begin = time.perf_counter()
        for _ in range(calls):
            call()
        times.append((time.perf_counter() - begin) / calls)
    times = contender.slowest(times)
    median = statistics.median(times)
    return median, statistics.median(abs(value - median) for value in times), first, calls


def main(arguments: list[str]) -> int:
    """Runs the plan, a JSON object: contender, collectives, sizes, seconds, repetitions."""
    plan = json.loads(arguments[0])
    made: dict[str, type[Any]] = {"weft": _Weft, "mpi": _Mpi, "socket": _Socket}
    contender: Contender = made[plan["contender"]]()
    results = []
    for collective in plan["collectives"]:
        for size in plan["sizes"] if collective not in SIZELESS else [0]:
            if _largest_buffer(collective, size, contender.world_size) > LARGEST:
                continue
            call = contender.make(collective, size)
            if call is None:
                continue
            median, deviation, first, calls = measure(contender, call, plan["seconds"], plan["repetitions"])
            half = 2 if collective == "pingpong" else 1
            results.append(
                {
                    "collective": collective,
                    "bytes": size,
                    "seconds": median / half,
                    "deviation": deviation / half,
                    "first_call": first,
                    "calls": calls,
                }
            )
    contender.close()
    if contender.rank == 0:
        print("results " + json.dumps(results), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
