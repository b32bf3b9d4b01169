"""`Checkpointing`: the methods of `Env` about checkpoints and stages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weft import _core
    from weft.checkpoints.keeper import Checkpoint, Keeper
    from weft.checkpoints.parts import Operator
    from weft.checkpoints.stage import Stage

__all__ = ["Checkpointing"]


class Checkpointing:
    """What is below `Env`."""

    _keeper: Keeper | None
    _opened_here: bool
    _rank: int
    _session: _core.Session | None

    def _kept(self, operation: str) -> Keeper:
        if self._keeper is not None:
            return self._keeper
        if not self._opened_here:
            raise ValueError(f"{operation}: checkpoints are kept by the env that weft.init has made, not by this one")
        if self._session is None:
            raise ValueError(f"{operation}: rank {self._rank}: this env is closed")
        raise ValueError(
            f"{operation}: there is no folder for checkpoints: give weft.init(checkpoint_dir=...), "
            "WEFT_CHECKPOINT_DIR, or `weft run --checkpoint-dir`"
        )

    def checkpoint(self, name: str, *frames: Any, state: Any = None, wait: bool = False) -> None:
        """Saves frames and a value, for `restore` by a later attempt at this job. Collective.

        A thread writes while the script goes on; the checkpoint is valid as soon as all ranks have written. What went
        wrong is raised, on all ranks, by the next call that has to do with checkpoints. The last two of a name are
        kept.

        Parameters
        ----------
        name
            1 to 100 of ``[A-Za-z0-9._-]``.
        frames
            Frames and Series that are bound to this env.
        state
            A JSON value, the same on all ranks.
        wait
            Return when it is valid.

        Raises
        ------
        HandOver
            This attempt is to end; the checkpoint is valid.
        OSError
            An earlier checkpoint could not be written.
        Superseded
            A later attempt at the job has written checkpoints.
        """
        keeper = self._kept("checkpoint")
        keeper.save("checkpoint", name, {str(i): frame for i, frame in enumerate(frames)}, state, wait)

    def restore(self, name: str) -> Checkpoint | None:
        """The last checkpoint of this name that is whole: its ``frames``, bound to this env, and its ``state``; None
        where there is none. Collective. On a world of another size the rows are shared out evenly; their order stays.
        One that is damaged is passed over, with a warning that says why."""
        from weft.checkpoints.keeper import Checkpoint

        found = self._kept("restore").restore("checkpoint", name)
        return None if found is None else Checkpoint(name, list(found[1].values()), found[0].state, found[0].epoch)

    def stage(self, name: str) -> Stage:
        """A part of the script that is run once a job, by whichever attempt comes so far.

        >>> with env.stage("joined") as s:
        ...     if s.todo:
        ...         s.flights = flights.merge(planes, on="tailnum")
        >>> s.flights.groupby("carrier").agg({"seats": "sum"}).show()

        What is set on `s` in the block (frames and Series bound to this env, JSON values that are the same on all
        ranks) is saved at its end, as by `checkpoint`, and is there at once where an earlier attempt has finished the
        stage: then `s.todo` is False. Collective where the block begins and ends. Names differ.
        """
        return self._kept("stage").stage(name)

    def boundary(self, operation: str) -> None:
        """A place at which the ranks may agree to hand over: where an operator over all ranks begins. Collective. Not
        for users."""
        if self._keeper is not None:
            self._keeper.boundary(operation)

    def long_operator(self, call: str, tells: Any, inputs: Sequence[_core.Table]) -> Operator | None:
        """An operator that can be done in parts begins; None where it is done as a whole. Collective. Not for
        users."""
        return None if self._keeper is None else self._keeper.parts.begin(call, tells, inputs)
