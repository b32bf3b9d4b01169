"""`weft.init` and `Env`: this process as one rank of a job."""

from __future__ import annotations

import copy
import functools
import itertools
import json
import operator
import os
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from weft import _core, launchers, lifetime, messages, progress, settings
from weft.checkpoints.methods import Checkpointing
from weft.errors import HandOver

if TYPE_CHECKING:
    from weft.frame import DataFrame

__all__ = ["Env", "ReduceOp", "init"]

#: A reduce operation: a name as in MPI, or a Python function of two values (lower ranks' first) that is associative.
ReduceOp = Literal["sum", "prod", "min", "max", "land", "lor", "band", "bor"] | Callable[[Any, Any], Any]

#: Reductions of Python scalars; arrays are reduced by the communicator.
_SCALAR_OPS: dict[str, Callable[[Any, Any], Any]] = {
    "sum": operator.add,
    "prod": operator.mul,
    "min": lambda a, b: a if a != a or (b == b and a <= b) else b,
    "max": lambda a, b: a if a != a or (b == b and a >= b) else b,
    "land": lambda a, b: bool(a) and bool(b),
    "lor": lambda a, b: bool(a) or bool(b),
    "band": operator.and_,
    "bor": operator.or_,
}

#: NumPy's dtypes that the communicator reduces, and what it calls them.
_REDUCIBLE = {
    "b1": "bool",
    "i1": "int8",
    "i2": "int16",
    "i4": "int32",
    "i8": "int64",
    "u1": "uint8",
    "u2": "uint16",
    "u4": "uint32",
    "u8": "uint64",
    "f2": "halffloat",
    "f4": "float",
    "f8": "double",
}

_serials = itertools.count()
_NO_CHECKPOINTS = {
    "saved": 0, "published": 0, "bytes": 0, "write_seconds": 0.0, "wait_seconds": 0.0,
    "parts": {"done": 0, "restored": 0, "saved": 0},
}  # fmt: skip


def init(
    *,
    backend: str | None = None,
    store: str | None = None,
    rendezvous: str | None = None,
    rendezvous_key: str | None = None,
    rendezvous_ca: str | None = None,
    job: str | None = None,
    epoch: int | None = None,
    secret: str | None = None,
    rank: int | None = None,
    world_size: int | None = None,
    timeout: float | str | None = None,
    connect_timeout: float | str | None = None,
    relay_after: float | str | None = None,
    memory_limit: int | str | None = None,
    spill_dir: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    encryption: str | None = None,
    advertise: str | None = None,
    shm: bool | None = None,
    compression: str | None = None,
    trace: str | None = None,
    check_collectives: bool | None = None,
    checkpoint_dir: str | os.PathLike[str] | None = None,
    boundary_bytes: int | str | None = None,
    comm: Any = None,
) -> Env:
    """Makes this process a rank of a job. Collective over the job's ranks.

    Each argument may also come from the environment, as ``WEFT_BACKEND``, ``WEFT_WORLD_SIZE`` and so on; an argument
    goes before the environment, the environment before the default. ``weft run`` sets all that its ranks need; under
    mpirun, srun and torchrun the rest is what they imply (``weft doctor`` says what, docs/communicators.md how). Where
    nothing is given and no launcher is seen this process is a world of one.

    Parameters
    ----------
    backend
        How ranks talk: ``"tcp"``, ``"mpi"``, or ``"local"`` for a world of one. ``weft doctor`` lists what is built.
    store
        URL of the store through which ranks find each other: ``"redis://[user:password@]host[:port][/db]"``, with TLS
        ``"rediss://..."`` (user and password percent-encoded), ``"file:///shared/dir"``, ``"rendezvous://host:port"``,
        or ``"mpi"`` for ranks that mpirun or srun has started; default: the rendezvous server's. It is needed until all
        ranks have met.
    rendezvous
        ``host:port`` of the rendezvous server; ``rendezvous+tls://host:port`` for one that has a certificate.
    rendezvous_key
        Its admission key (``WEFT_RENDEZVOUS_KEY`` or ``WEFT_RENDEZVOUS_KEY_FILE``).
    rendezvous_ca
        PEM file with the CA of its certificate (``WEFT_RENDEZVOUS_CA``); default: the CAs that the system trusts.
    job, epoch
        The job's name, and which attempt at it this is; by default attempts are counted by arrivals.
    secret
        64 hexadecimal digits that all ranks of the job know and nobody else (``WEFT_SECRET`` or ``WEFT_SECRET_FILE``).
    rank, world_size
        This worker's number, taken from a counter where it is not given, and how many there are.
    timeout
        Seconds (or ``"30min"``) after which a peer that is alive but does not come ends a wait; 30 minutes.
    connect_timeout
        Seconds within which all ranks must come and link; 60.
    relay_after
        Seconds for which two ranks that cannot dial each other are tried directly before their link goes through the
        rendezvous server; 2.
    memory_limit
        Bytes (or ``"6GB"``) that operators may hold; unbounded by default. Beyond it: `weft.MemoryLimitExceeded`, or
        the disk where ``spill_dir`` is given; then it is a limit for the whole process (docs/memory.md).
    spill_dir
        A directory on a local disk for what passes ``memory_limit``. Its files have no names, and are gone with this
        process however it ends. A full disk is `weft.MemoryLimitExceeded`.
    threads
        Threads that one operator may use; default: the cores this process may run on.
    encryption
        Which links of ``"tcp"`` are TLS 1.3, keyed by the job's secret; the same on all ranks. ``"auto"`` (default):
        all but those between private addresses. ``"on"``: all. ``"off"``: relayed ones alone. ``"off-even-relayed"``:
        none, who runs the relay may read along. All are authenticated. Other backends refuse ``"on"``.
    advertise
        Address that peers shall dial instead of those found.
    shm
        Whether ranks of one host send long messages through memory that they share (``"tcp"`` where the link is not
        encrypted); True. Other backends have ways of their own and refuse False.
    compression
        Whether tables go to other ranks compressed, by any backend. ``"auto"`` (default): by LZ4 where a transfer is
        faster by it, which each rank finds out at its start (docs/performance.md). ``"lz4"``: whatever shrinks.
        ``"off"``: nothing. Ranks may differ.
    trace
        A file for a trace of all ranks in the Chrome trace format, written when the env is closed.
    check_collectives
        Check before each collective that all ranks call the same one.
    checkpoint_dir
        A folder, on a file system that all ranks see, or ``s3://bucket/key``, for `Env.checkpoint` and `Env.stage`:
        below it each job has one of its name, so a job needs one that a later attempt has, too. From their first use on
        SIGTERM asks this rank to hand over (docs/checkpoints.md).
    boundary_bytes
        Bytes (or ``"1GB"``) of inputs on a rank after which a merge inside an `Env.stage` has a boundary, at which
        ranks can hand over; 256 MiB. The same on all ranks.
    comm
        A communicator of mpi4py whose ranks are to be the world, for ``backend="mpi"`` (the default then) or
        ``store="mpi"``. It is copied, and stays the caller's.

    Raises
    ------
    ValueError
        An option is not known, cannot be taken, or does not fit the others; named.
    CommunicatorError
        `TimedOut` (a rank did not come; named), `AuthenticationFailed`, `Superseded`, `PeerLost`.
    """
    handle = launchers.handle_of(comm)
    within = settings.seconds("connect_timeout", connect_timeout, 60.0)
    given = launchers.Place(
        backend=settings.text("backend", backend),
        store=settings.text("store", store),
        rendezvous=settings.text("rendezvous", rendezvous),
        rendezvous_key=settings.secret("rendezvous_key", rendezvous_key),
        job=settings.text("job", job),
        secret=settings.secret("secret", secret),
        rank=settings.number("rank", rank, -1, 0),
        world_size=settings.number("world_size", world_size, -1, 1),
    )
    place = launchers.implied(given, within, handle != 0)
    checkpoints = settings.text("checkpoint_dir", None if checkpoint_dir is None else os.fspath(checkpoint_dir))
    if checkpoints and not place.job:
        raise ValueError(
            "weft.init: checkpoint_dir= needs the job's name, by which a later attempt finds its checkpoints: give "
            "job= or WEFT_JOB, or start the ranks with `weft run --restarts N`"
        )
    if boundary_bytes is not None and not checkpoints:
        raise ValueError("weft.init: boundary_bytes= is about stages, which need checkpoint_dir= (WEFT_CHECKPOINT_DIR)")
    most = settings.size("memory_limit", memory_limit)
    boundary = settings.size("boundary_bytes", boundary_bytes)
    session = _core.Session.open(
        backend=place.backend,
        store=place.store,
        rendezvous=place.rendezvous,
        rendezvous_key=place.rendezvous_key,
        rendezvous_ca=settings.text("rendezvous_ca", rendezvous_ca),
        job=place.job,
        epoch=settings.number("epoch", epoch, -1, 0),
        secret=place.secret,
        rank=place.rank,
        world_size=place.world_size,
        timeout=settings.seconds("timeout", timeout, 30 * 60.0),
        connect_timeout=within,
        relay_after=settings.seconds("relay_after", relay_after, 2.0),
        memory_limit=most,
        spill_dir=settings.text("spill_dir", None if spill_dir is None else os.fspath(spill_dir)),
        threads=settings.number("threads", threads, -1, 1),
        encryption=settings.text("encryption", encryption, "auto"),
        advertise=settings.text("advertise", advertise),
        shm=settings.truth("shm", shm, True),
        compression=settings.text("compression", compression, "auto"),
        trace_file=settings.text("trace", trace),
        check_collectives=settings.truth("check_collectives", check_collectives, False),
        native_communicator=handle,
    )
    return Env(session, root=True, checkpoints=(checkpoints, boundary, most))


class Env(Checkpointing):
    """One rank's place in a world of ranks. Made by `weft.init`, `dup` and `split`, not by hand.

    Methods marked *collective* must be called by all ranks, in the same order. Ranks that call different ones get a
    `CommunicatorError` within seconds. Values may be NumPy arrays, Python scalars, str, bytes, frames, and lists and
    dicts of JSON values; frames arrive unbound. One thread at a time may use an env; `dup` makes more.

    Leaving: `close`, or ``with weft.init() as env``, or the end of the script. A script that ends by an exception tells
    the other ranks, which then fail with an error that names this rank.
    """

    def __init__(
        self, session: _core.Session, *, root: bool = False, checkpoints: tuple[str, int, int] = ("", -1, -1)
    ) -> None:
        self._session: _core.Session | None = session
        self._rank = session.rank
        self._world_size = session.world_size
        self._job = session.job
        self._epoch = session.epoch
        self._opened_here = root
        self.serial = next(_serials)
        self._keeper = None
        if checkpoints[0]:
            from weft.checkpoints.keeper import Keeper

            self._keeper = Keeper(self, *checkpoints)
        lifetime.watch(self, root)
        if root:
            progress.watch(self)

    # -- state: local --------------------------------------------------------------------------------------------

    @property
    def session(self) -> _core.Session:
        """The C++ session. Not for users."""
        if self._session is None:
            raise ValueError(f"rank {self._rank}: this env is closed")
        return self._session

    @property
    def rank(self) -> int:
        """This rank, 0 <= rank < world_size."""
        return self._rank

    @property
    def world_size(self) -> int:
        """The number of ranks."""
        return self._world_size

    @property
    def job(self) -> str:
        """The job's id."""
        return self._job

    @property
    def epoch(self) -> int:
        """Which attempt at the job this is."""
        return self._epoch

    @property
    def threads(self) -> int:
        """Threads that one operator may use."""
        return self.session.threads

    @property
    def backend(self) -> str:
        """The name of the communicator's backend."""
        return self.session.backend

    @property
    def closed(self) -> bool:
        """Whether `close` or `abort` has been called."""
        return self._session is None

    def __repr__(self) -> str:
        state = "closed" if self._session is None else self._session.backend
        return f"<weft.Env rank {self._rank} of {self._world_size}, job {self._job}, epoch {self._epoch}, {state}>"

    def stats(self) -> dict[str, Any]:
        """What this rank has done so far.

        ``bytes_sent``, ``bytes_received``, ``memory_bytes``, ``memory_peak_bytes``, ``spilled_bytes`` (written to
        ``spill_dir`` so far), ``disk_bytes`` (of tables that lie there now), ``open_seconds``, and ``phases``: for each
        ``"<operator>.<phase>"`` a dict of ``count``, ``seconds``, ``rows``, ``bytes``. ``choices``: how often each way
        was taken that statistics decide on, for example ``{"join.copy_right": 3, "join.shuffle": 1}``
        (docs/performance.md lists them; nothing is counted in a world of one). Where tables were compressed for other
        ranks, the ``bytes`` of the phase ``"shuffle.lz4"`` are those before, of ``"shuffle.lz4_made"`` those after;
        the same for ``gather``, ``allgather``, ``broadcast``. ``checkpoints``: how many were
        ``saved``, and on rank 0 ``published`` (valid); this rank's ``bytes``, the ``write_seconds`` of the thread
        behind it, the ``wait_seconds`` for which the script waited, and ``parts`` of long operators: ``done`` by this
        attempt, ``restored`` from earlier ones, and ``saved``.
        """
        found = self.session.stats()
        found["checkpoints"] = self._keeper.statistics() if self._keeper is not None else copy.deepcopy(_NO_CHECKPOINTS)
        return found

    def links(self) -> list[dict[str, Any]]:
        """One dict a peer: ``peer``, ``path`` (``"host"``, ``"punched"``, ``"relay"``; ``"self"`` for this rank),
        ``encrypted`` (True where the link is TLS), ``cipher`` (its name, ``""`` in the clear), ``remote_address``,
        ``link_seconds``, ``tries`` (connections that were tried), ``errors`` (tries that failed, and streams that
        broke), ``last_error``, ``remade`` (how often the link broke and was made again), ``round_trip_seconds`` (None
        where not measured), ``bytes_sent``, ``bytes_received``, ``messages_sent``, ``messages_received``,
        ``shared_memory`` (bytes of memory that both ranks have on this host to send through, both ways; 0 until a long
        message was sent). ``weft doctor --peers`` prints them."""
        return self.session.links()

    # -- leaving -------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Leaves in good order, with the job done: its checkpoints are removed. Collective, but a rank that does not
        come costs no more than five seconds. Idempotent."""
        self.leave(ended_well=True)

    def leave(self, ended_well: bool) -> None:
        """As `close`; unless the job has `ended_well` its checkpoints stay. Not for users."""
        if self._session is not None and self._opened_here:
            progress.tell(self)
        session, self._session = self._session, None
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.stop()
        if session is not None:
            session.close()
        if keeper is not None and ended_well and self._rank == 0:
            keeper.forget()

    def abort(self, cause: str) -> None:
        """Tells the other ranks that this one failed and why; their operations fail with an error that says so. Not
        collective. The env is closed after it."""
        session, self._session = self._session, None
        keeper, self._keeper = self._keeper, None
        if session is not None:
            session.abort(cause)
        if keeper is not None:
            keeper.stop()

    def __enter__(self) -> Env:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or (isinstance(error, SystemExit) and error.code in (None, 0)):
            self.close()
        elif isinstance(error, HandOver):
            self.leave(ended_well=False)
        else:
            self.abort(f"{kind.__name__}: {error}")

    def dup(self) -> Env:
        """An env over the same ranks whose operations do not meet this one's; for another thread. Collective."""
        return Env(self.session.dup())

    def split(self, color: int, key: int = 0) -> Env | None:
        """An env of the ranks that give the same `color`, ordered by (key, rank); None for a negative color.
        Collective."""
        made = self.session.split(color, key)
        return None if made is None else Env(made)

    # -- collectives ---------------------------------------------------------------------------------------------

    def barrier(self) -> None:
        """Returns when all ranks have called it. Collective."""
        self.session.barrier()

    def _root(self, root: int) -> int:
        if not isinstance(root, int) or isinstance(root, bool) or not 0 <= root < self._world_size:
            raise ValueError(f"rank {self._rank}: root={root!r} is no rank of a world of {self._world_size}")
        return root

    def _encode(self, value: Any, operation: str) -> tuple[messages.Message | None, str | None]:
        """The message, or what is wrong with the value: an error of one rank must be one of all."""
        try:
            return messages.encode(value), None
        except TypeError as problem:
            return None, f"{operation}: {problem}"

    def _share(self, header: bytes, problem: str | None, operation: str) -> list[dict[str, Any]]:
        """Every rank's header; TypeError on all ranks where one had a problem."""
        if problem is not None:
            header = json.dumps({"length": 0, "problem": problem}).encode()
        headers = [messages.decode_header(found) for found in self.session.allgather_bytes(header)]
        for rank, found in enumerate(headers):
            if "problem" in found:
                raise TypeError(f"rank {rank}: {found['problem']}")
        return headers

    def _exchange(self, value: Any, operation: str) -> tuple[messages.Message, list[dict[str, Any]]]:
        message, problem = self._encode(value, operation)
        headers = self._share(b"" if message is None else message.header, problem, operation)
        assert message is not None
        return message, headers

    def broadcast(self, value: Any = None, root: int = 0) -> Any:
        """The root's value on all ranks; what the others give is not looked at. Collective."""
        self._root(root)
        mine = self._rank == root
        if mine:
            message, headers = self._exchange(value, "broadcast")
        else:
            headers = self._share(b'{"length":0}', None, "broadcast")
        header = headers[root]
        if mine:
            if header["length"]:
                self.session.broadcast(message.payload, root)
            return value
        payload = bytearray(header["length"])
        if header["length"]:
            self.session.broadcast(payload, root)
        return messages.decode(header, payload)

    def gather(self, value: Any, root: int = 0) -> list[Any] | None:
        """A list of every rank's value, by rank, on the root; None on the others. Collective."""
        self._root(root)
        message, headers = self._exchange(value, "gather")
        counts = [header["length"] for header in headers]
        whole = bytearray(sum(counts) if self._rank == root else 0)
        if any(counts):
            self.session.gatherv(message.payload, whole, counts, root)
        return self._cut(headers, counts, whole) if self._rank == root else None

    def allgather(self, value: Any) -> list[Any]:
        """A list of every rank's value, by rank, on all ranks. Collective."""
        message, headers = self._exchange(value, "allgather")
        counts = [header["length"] for header in headers]
        whole = bytearray(sum(counts))
        if any(counts):
            self.session.allgatherv(message.payload, whole, counts)
        return self._cut(headers, counts, whole)

    def _cut(self, headers: list[dict[str, Any]], counts: list[int], whole: bytearray) -> list[Any]:
        view = memoryview(whole)
        ends = list(itertools.accumulate(counts))
        return [
            messages.decode(header, view[end - count : end])
            for header, count, end in zip(headers, counts, ends, strict=True)
        ]

    def _encode_list(self, values: Any, operation: str) -> tuple[list[messages.Message], bytes, str | None]:
        problem = None
        encoded: list[messages.Message] = []
        if isinstance(values, str | bytes) or not hasattr(values, "__len__") or len(values) != self._world_size:
            problem = f"{operation}: it takes a list of one value a rank, {self._world_size} in all"
        else:
            for value in values:
                message, problem = self._encode(value, operation)
                if message is None:
                    break
                encoded.append(message)
        header = {"length": 0, "items": [json.loads(message.header) for message in encoded]}
        return encoded, json.dumps(header, separators=(",", ":")).encode(), problem

    def scatter(self, values: Sequence[Any] | None = None, root: int = 0) -> Any:
        """One value of the root's list of one a rank; what the others give is not looked at. Collective."""
        self._root(root)
        encoded: list[messages.Message] = []
        header, problem = b'{"length":0}', None
        if self._rank == root:
            encoded, header, problem = self._encode_list(values, "scatter")
        items = self._share(header, problem, "scatter")[root]["items"]
        counts = [item["length"] for item in items]
        payload = bytearray(counts[self._rank])
        if any(counts):
            send = b"".join(bytes(message.payload) for message in encoded if message.payload is not None)
            self.session.scatterv(send, counts, payload, root)
        return messages.decode(items[self._rank], payload)

    def alltoall(self, values: Sequence[Any]) -> list[Any]:
        """Each rank gives a list of one value a rank, and gets the list of what each rank gave for it. Collective."""
        encoded, header, problem = self._encode_list(values, "alltoall")
        items = [found["items"] for found in self._share(header, problem, "alltoall")]
        mine = [row[self._rank] for row in items]
        send_counts = [message.length for message in encoded]
        recv_counts = [item["length"] for item in mine]
        whole = bytearray(sum(recv_counts))
        if any(item["length"] for row in items for item in row):
            send = b"".join(bytes(message.payload) for message in encoded if message.payload is not None)
            self.session.alltoallv(send, send_counts, whole, recv_counts)
        return self._cut(mine, recv_counts, whole)

    # -- reductions ----------------------------------------------------------------------------------------------

    def reduce(self, value: Any, op: ReduceOp = "sum", root: int = 0) -> Any:
        """The ranks' values combined, in the order of ranks, on the root; None on the others. Collective.

        Arrays are combined element by element and must have the same shape and dtype on all ranks; integers wrap as
        NumPy's do. Python's integers do not. A function gets two values of the kind given (arrays: two
        one-dimensional arrays of some of the elements) and must be associative.
        """
        self._root(root)
        return self._reduce("reduce", value, op, root)

    def allreduce(self, value: Any, op: ReduceOp = "sum") -> Any:
        """As `reduce`, with the result on all ranks. Collective."""
        return self._reduce("allreduce", value, op, None)

    def scan(self, value: Any, op: ReduceOp = "sum") -> Any:
        """The values of ranks 0 to this one combined, this one's included. Collective."""
        return self._reduce("scan", value, op, None)

    def _reduce(self, operation: str, value: Any, op: ReduceOp, root: int | None) -> Any:
        message, problem = self._encode(value, operation)
        kind = "array" if messages.is_array(value) else "value"
        if isinstance(op, str):
            if op not in _SCALAR_OPS:
                problem = f"{operation}: unknown op {op!r}; there are {', '.join(_SCALAR_OPS)}, or give a function"
            elif kind == "value" and not isinstance(value, bool | int | float):
                problem = f"{operation}: op {op!r} takes numbers and arrays, not {type(value).__name__}"
        elif not callable(op):
            problem = f"{operation}: op is a name or a function of two values, not {type(op).__name__}"
        if problem is None and kind == "array" and value.dtype.str[1:] not in _REDUCIBLE:
            problem = f"{operation}: arrays of dtype {value.dtype} cannot be reduced; bool, integers and floats can"
        header = b"" if message is None else message.header
        headers = self._share(header, problem, operation)
        signs = [(found["kind"] in ("array", "scalar"), found.get("dtype"), found.get("shape")) for found in headers]
        for rank, sign in enumerate(signs):
            if sign != signs[0]:
                raise TypeError(
                    f"{operation}: ranks 0 and {rank} gave different things: "
                    f"{headers[0]['kind']} {signs[0][1:]}, {headers[rank]['kind']} {sign[1:]}"
                )
        if kind == "array":
            return self._reduce_array(operation, value, op, root)
        if any(found["length"] for found in headers):
            values = self.allgather(value)
        else:
            values = [messages.decode(found, b"") for found in headers]
        if operation == "scan":
            values = values[: self._rank + 1]
        function = _SCALAR_OPS[op] if isinstance(op, str) else op
        if root is not None and self._rank != root:
            return None
        return functools.reduce(function, values)

    def _reduce_array(self, operation: str, value: Any, op: ReduceOp, root: int | None) -> Any:
        import numpy

        send = numpy.ascontiguousarray(value).reshape(-1)
        recv = numpy.empty_like(send)
        how: str | Callable[[Any, Any], None]
        if callable(op):
            function = op

            def combine(lower: Any, inout: Any) -> None:
                low = numpy.frombuffer(lower, dtype=send.dtype)
                high = numpy.frombuffer(inout, dtype=send.dtype)
                high[...] = function(low, high)

            how = combine
        else:
            how = op
        arguments = (send.view(numpy.uint8), recv.view(numpy.uint8), send.size, _REDUCIBLE[send.dtype.str[1:]], how)
        if operation == "reduce":
            assert root is not None
            self.session.reduce(*arguments, root)
            if self._rank != root:
                return None
        elif operation == "allreduce":
            self.session.allreduce(*arguments)
        else:
            self.session.scan(*arguments)
        result = recv.reshape(numpy.shape(value))
        return result if isinstance(value, numpy.ndarray) else result[()]

    # -- messages ------------------------------------------------------------------------------------------------

    def send(self, value: Any, to: int, tag: int = 0) -> None:
        """Sends a value to one rank, which must `recv` it. Messages of one tag arrive in order."""
        message = messages.encode(value)
        prefix = len(message.header).to_bytes(8, "little") + message.length.to_bytes(8, "little")
        self.session.send(to, tag, [prefix])
        parts = [message.header] if message.payload is None else [message.header, message.payload]
        self.session.send(to, tag, parts)

    def recv(self, source: int, tag: int = 0) -> Any:
        """The next value that rank `source` sends with this tag. Blocks."""
        prefix = bytearray(16)
        self.session.recv(source, tag, prefix)
        length = int.from_bytes(prefix[:8], "little")
        payload = int.from_bytes(prefix[8:], "little")
        whole = bytearray(length + payload)
        self.session.recv(source, tag, whole)
        header = messages.decode_header(bytes(whole[:length]))
        return messages.decode(header, memoryview(whole)[length:])

    # -- frames --------------------------------------------------------------------------------------------------

    def agree(self, operation: str, problem: str | None) -> None:
        """ValueError on all ranks if one gives a problem, naming that rank. Collective."""
        self.session.agree(operation, problem)

    def DataFrame(self, data: Any) -> DataFrame:
        """``weft.DataFrame(data, env=self)``."""
        from weft.frame import DataFrame

        return DataFrame(data, env=self)
