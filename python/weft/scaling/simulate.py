"""Plays the schedule of a shuffle over links of a given rate and latency, event by event.

What is played is `exchange::Shuffle`'s: each rank cuts its table into batches, partitions one after another, and sends
a block of each to every other rank, beginning with the next one; at most so many bytes are under way to one peer, else
it waits; a last, short block ends each stream. A rank's line takes one block after another out, in the order in which
they were given to it, and one after another in, as they arrive; between two lines lies the latency.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass

__all__ = ["Links", "Outcome", "Work", "play"]

#: As `ShuffleOptions` has them.
BATCH_BYTES, IN_FLIGHT_BYTES = 4 << 20, 16 << 20
#: Bytes of the last block, and what comes to a block's rows.
LAST_BLOCK, BLOCK_HEADER = 64, 400
#: Ethernet, IP and TCP with time stamps: of 1514 bytes 1448 are the stream's.
FRAMES = 1514 / 1448


@dataclass(frozen=True)
class Links:
    """`rate`: bytes a second of each rank's line, 0 for no bound; `latency`: seconds from one line to another, one way.
    `duplex`: a line takes in and gives out at the same time. `frames`: bytes on the line for one of the stream."""

    rate: float
    latency: float
    duplex: bool = True
    frames: float = FRAMES


@dataclass(frozen=True)
class Work:
    """What is shuffled: bytes of each rank, and seconds of a core for a byte to be partitioned and handed over."""

    bytes_a_rank: int
    seconds_a_byte: float
    batch_bytes: int = BATCH_BYTES
    in_flight_bytes: int = IN_FLIGHT_BYTES


@dataclass(frozen=True)
class Outcome:
    """`seconds`: until the last rank has all; `first`: until the first one has. `bytes` of all ranks, as they lie in
    memory; `events` that were played."""

    seconds: float
    first: float
    bytes: int
    events: int


class _Line:
    """What takes bytes one after another."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._free = 0.0

    def occupy(self, now: float, size: float) -> float:
        """When the last byte has passed."""
        begin = max(now, self._free)
        self._free = begin + (size / self._rate if self._rate > 0 else 0.0)
        return self._free


class _Rank:
    """One rank's side: what it has still to send, and to whom how much is under way."""

    def __init__(self, me: int, world: int, work: Work) -> None:
        self.me, self.world = me, world
        share = work.bytes_a_rank
        self.batches = deque[int]()
        while share > 0:
            self.batches.append(min(share, work.batch_bytes))
            share -= self.batches[-1]
        # Blocks of the batch that is being sent, then the ends of all streams.
        self.blocks = deque[tuple[int, int]]()
        self.closed = False
        self.under_way = [0] * world
        self.waiting = False
        self.streams_open = world - 1

    def next_blocks(self, size: int) -> None:
        for step in range(1, self.world):
            self.blocks.append(((self.me + step) % self.world, size))


def play(world: int, work: Work, links: Links) -> Outcome:
    """Plays the shuffle of a world of at least two ranks."""
    if world < 2:
        raise ValueError(f"a shuffle to simulate has 2 ranks at least, not {world}")
    return _Play(world, work, links).run()


class _Play:
    def __init__(self, world: int, work: Work, links: Links) -> None:
        self.world, self.work, self.links = world, work, links
        self.ranks = [_Rank(me, world, work) for me in range(world)]
        self.out = [_Line(links.rate) for _ in range(world)]
        self.into = [_Line(links.rate) for _ in range(world)] if links.duplex else self.out
        self.queue: list[tuple[float, int, int, int, int, int]] = []
        self.number = 0
        self.ends: list[float] = []
        self.bytes = 0
        # Where all that goes to one peer may be under way, nobody waits for acknowledgements.
        blocks = -(-work.bytes_a_rank // work.batch_bytes)
        to_one = work.bytes_a_rank // world + blocks * (BLOCK_HEADER + 1) + LAST_BLOCK
        self.bounded = to_one > work.in_flight_bytes

    def _at(self, when: float, kind: int, rank: int, peer: int = 0, size: int = 0) -> None:
        self.number += 1
        heapq.heappush(self.queue, (when, self.number, kind, rank, peer, size))

    def run(self) -> Outcome:
        for rank in range(self.world):
            self._at(0.0, 0, rank)
        while self.queue:
            now, _, kind, rank, peer, size = heapq.heappop(self.queue)
            if kind == 0:
                self._work(now, rank)
            elif kind == 1:
                # The first byte is at the receiver's line, which it has now to itself in turn.
                self._at(self.into[rank].occupy(now, size * self.links.frames), 2, rank, peer, size)
            elif kind == 2:
                self._received(now, rank, peer, size)
            else:
                self._acknowledged(now, rank, peer, size)
        return Outcome(max(self.ends), min(self.ends), self.bytes, self.number)

    def _work(self, now: float, me: int) -> None:
        """The rank's own thread: sends what it may, else partitions the next batch."""
        rank = self.ranks[me]
        while rank.blocks:
            to, size = rank.blocks[0]
            if rank.under_way[to] and rank.under_way[to] + size > self.work.in_flight_bytes:
                rank.waiting = True
                return
            rank.blocks.popleft()
            rank.under_way[to] += size
            self._send(now, me, to, size)
        if rank.batches:
            batch = rank.batches.popleft()
            rank.next_blocks(batch // self.world + BLOCK_HEADER)
            self.bytes += batch // self.world * (self.world - 1)
            self._at(now + batch * self.work.seconds_a_byte, 0, me)
        elif not rank.closed:
            rank.closed = True
            rank.next_blocks(LAST_BLOCK)
            self._at(now, 0, me)

    def _send(self, now: float, me: int, to: int, size: int) -> None:
        gone = self.out[me].occupy(now, size * self.links.frames)
        # A line does not wait for a whole block before it passes its first frames on.
        length = size * self.links.frames / self.links.rate if self.links.rate > 0 else 0.0
        whole = gone if not self.links.duplex else gone - length
        self._at(whole + self.links.latency, 1, to, me, size)

    def _received(self, now: float, me: int, source: int, size: int) -> None:
        if size == LAST_BLOCK:
            rank = self.ranks[me]
            rank.streams_open -= 1
            if rank.streams_open == 0:
                self.ends.append(now)
        if self.bounded:
            self._at(now + self.links.latency, 3, source, me, size)

    def _acknowledged(self, now: float, me: int, peer: int, size: int) -> None:
        rank = self.ranks[me]
        rank.under_way[peer] -= size
        if rank.waiting:
            rank.waiting = False
            self._at(now, 0, me)
