"""Ways for ranks to exchange blocks: directly, or through a store that all reach, as workers without links must.

The stores get what is kind to them: requests side by side where the client takes threads, waiting on the server where
it can wait (Redis), and nothing that is written is written twice.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import weft

__all__ = ["S3", "Direct", "Medium", "Redis", "make"]

#: Requests of one rank that are under way to S3 together.
THREADS = 16
#: Seconds between two looks for an object that is not there: the first, and the most after doubling.
LOOK, LOOK_MOST = 0.002, 0.05
#: Seconds that a rank waits for another's block.
LIMIT = 300.0


class Medium(Protocol):
    """`exchange` takes a block for each rank and gives one from each; `number` is another in each call, the same on
    all ranks. The own block does not travel. `requests` counts what is paid for by the piece."""

    requests: Counter[str]

    def exchange(self, number: int, blocks: Sequence[bytes]) -> list[bytes]: ...

    def clean(self) -> None:
        """Takes away what was left in the store; on one rank, when all are done."""
        ...


class Direct:
    """Weft's own links: an all-to-all of lengths, then one of bytes."""

    def __init__(self, env: weft.Env) -> None:
        self._env = env
        self.requests: Counter[str] = Counter()

    def exchange(self, number: int, blocks: Sequence[bytes]) -> list[bytes]:
        import numpy as np

        n = self._env.world_size
        mine = np.array([len(block) for block in blocks], dtype=np.int64)
        theirs = np.empty_like(mine)
        self._env.session.alltoallv(mine.view(np.uint8), [8] * n, theirs.view(np.uint8), [8] * n)
        whole = bytearray(int(theirs.sum()))
        self._env.session.alltoallv(b"".join(blocks), mine.tolist(), whole, theirs.tolist())
        view, found, at = memoryview(whole), [], 0
        for length in theirs.tolist():
            found.append(bytes(view[at : at + length]))
            at += length
        return found

    def clean(self) -> None:
        pass


class S3:
    """An object a pair of ranks; the receiver asks for it until it is there."""

    def __init__(self, env: weft.Env, bucket: str, prefix: str) -> None:
        from weft.serverless.job_store import JobStore

        self._rank, self._world = env.rank, env.world_size
        self._store = JobStore({"bucket": bucket, "prefix": prefix})
        self._pool = ThreadPoolExecutor(THREADS)
        self.requests: Counter[str] = Counter()

    def _get(self, name: str) -> tuple[bytes, int]:
        """The object, and how often it was asked for."""
        wait, end = LOOK, time.monotonic() + LIMIT
        for asked in range(1, 1 << 30):
            data = self._store.get(name)
            if data is not None:
                return data, asked
            if time.monotonic() > end:
                break
            time.sleep(wait)
            wait = min(LOOK_MOST, wait * 2)
        raise TimeoutError(f"rank {self._rank}: the object {name} was not there after {LIMIT:g} s")

    def exchange(self, number: int, blocks: Sequence[bytes]) -> list[bytes]:
        others = [(self._rank + step) % self._world for step in range(1, self._world)]
        puts = [self._pool.submit(self._store.put, f"{number}/{self._rank}-{to}", blocks[to]) for to in others]
        gets = {source: self._pool.submit(self._get, f"{number}/{source}-{self._rank}") for source in others}
        for put in puts:
            put.result()
        found = {source: got.result() for source, got in gets.items()}
        self.requests["put"] += len(puts)
        self.requests["get"] += sum(asked for _, asked in found.values())
        return [blocks[rank] if rank == self._rank else found[rank][0] for rank in range(self._world)]

    def clean(self) -> None:
        for name in self._store.list(""):
            self._store.delete(name)


class Redis:
    """A list a pair of ranks; the receiver waits at the server until something is in it."""

    def __init__(self, env: weft.Env, url: str, prefix: str) -> None:
        try:
            import redis
        except ImportError:
            raise ImportError("an exchange through Redis needs its client: pip install redis") from None
        self._rank, self._world, self._prefix = env.rank, env.world_size, prefix
        self._client: Any = redis.Redis.from_url(url, socket_timeout=LIMIT)
        self.requests: Counter[str] = Counter()

    def exchange(self, number: int, blocks: Sequence[bytes]) -> list[bytes]:
        others = [(self._rank + step) % self._world for step in range(1, self._world)]
        lead = f"{self._prefix}:{number}"
        pipeline = self._client.pipeline(transaction=False)
        for to in others:
            pipeline.rpush(f"{lead}:{self._rank}-{to}", blocks[to])
        pipeline.execute()
        found: dict[int, bytes] = {self._rank: blocks[self._rank]}
        waited = {f"{lead}:{source}-{self._rank}".encode(): source for source in others}
        while waited:
            # Whichever comes first, of all that are still to come.
            answer = self._client.blpop(list(waited), timeout=LIMIT / 2)
            if answer is None:
                raise TimeoutError(
                    f"rank {self._rank}: no block of ranks {sorted(waited.values())} after {LIMIT / 2:g} s"
                )
            found[waited.pop(answer[0])] = answer[1]
        self.requests["put"] += len(others)
        self.requests["get"] += len(others)
        return [found[rank] for rank in range(self._world)]

    def clean(self) -> None:
        """Nothing: what is taken out of a list is gone."""


def make(env: weft.Env, name: str, where: dict[str, str]) -> Medium:
    """The medium of this name."""
    if name == "s3":
        return S3(env, where["bucket"], where["prefix"])
    if name == "redis":
        return Redis(env, where["redis"], where["prefix"])
    return Direct(env)
