"""``weft run --restarts``: whether a job that has ended is started again, as which epoch and on which ranks."""

from __future__ import annotations

import dataclasses
import os
import re
import secrets
import sys
from typing import TYPE_CHECKING, Protocol

from weft import settings
from weft.hosts import HostShare, share_out

if TYPE_CHECKING:
    from weft.launcher import Launch

__all__ = ["Attempt", "Restarts"]


class Attempt(Protocol):
    """How an epoch has ended."""

    lost_hosts: set[str]

    @property
    def signalled(self) -> bool: ...
    @property
    def handed_over(self) -> bool: ...
    @property
    def saved(self) -> int: ...
    @property
    def may_try_again(self) -> bool: ...


class Restarts:
    """The epochs of one job. `launch` is how the next one is to be started."""

    def __init__(self, launch: Launch) -> None:
        self.launch = launch
        known = {**os.environ, **launch.environment}
        self._where = launch.checkpoint_dir or known.get("WEFT_CHECKPOINT_DIR") or ""
        given = known.get("WEFT_JOB")
        self._job = given or f"run-{secrets.token_hex(8)}"
        self._left = launch.restarts
        self._epoch = self._first_epoch(bool(given))

    def _first_epoch(self, named: bool) -> int:
        """An epoch above all that have left checkpoints of this job: they are to be gone on from."""
        given = os.environ.get("WEFT_EPOCH")
        if given:
            return settings.number("epoch", None, 0, 0)
        if not (named and self._where):
            return 0
        from weft.checkpoints.folder import job_folder

        try:
            files = job_folder(self._where, self._job).all_files()
        except OSError as problem:
            raise ValueError(f"the folder for checkpoints cannot be read: {problem}") from None
        matches = [re.fullmatch(r".*/(?:part|done)-e([0-9]+)-[^/]*", name) for name in files]
        return max((int(match[1]) for match in matches if match is not None), default=-1) + 1

    def variables(self) -> dict[str, str]:
        """What the ranks of the next epoch find in their environment."""
        found = {"WEFT_JOB": self._job}
        if self._where:
            found["WEFT_CHECKPOINT_DIR"] = self._where
        # Without either the ranks count for themselves, so that a script may join more than once.
        if self._where or self.launch.restarts:
            found["WEFT_EPOCH"] = str(self._epoch)
        return found

    def after(self, code: int, attempt: Attempt) -> str | None:
        """None where that was the end, else what to tell about the next epoch."""
        if code == 0:
            self._forget()
            return None
        if attempt.signalled:
            return None
        if attempt.handed_over and attempt.saved:
            # It got somewhere: that may happen as often as it likes.
            why = f"handed over with {attempt.saved} checkpoints"
        elif self._left and (attempt.handed_over or attempt.may_try_again):
            self._left -= 1
            why = f"failed, {self._left} more restarts"
        else:
            if self.launch.restarts:
                why = "its error is the program's own" if self._left else "all restarts are used"
                print(f"weft run: not started again: {why}", file=sys.stderr)
            return None
        launch = self._smaller(attempt.lost_hosts)
        if launch is None:
            return None
        self.launch = launch
        self._epoch += 1
        return f"epoch {self._epoch - 1} {why}; epoch {self._epoch} starts with {launch.ranks} ranks"

    def _smaller(self, lost: set[str]) -> Launch | None:
        """On the hosts that are left; None where there is none."""
        launch = self.launch
        if not launch.hosts:
            return dataclasses.replace(launch, ranks=launch.restart_ranks or launch.ranks)
        left = [(share.name, len(share.ranks)) for share in launch.hosts if share.name not in lost]
        slots = sum(count for _, count in left)
        if not slots:
            return None
        ranks = min(launch.restart_ranks or launch.ranks, slots)
        shares: list[HostShare] = share_out(left, ranks)
        return dataclasses.replace(launch, hosts=shares, ranks=ranks)

    def _forget(self) -> None:
        """A script that did not close its env has left its checkpoints, and the job is done."""
        if self._where:
            from weft.checkpoints.folder import job_folder

            try:
                job_folder(self._where, self._job).remove()
            except OSError as problem:
                print(f"weft run: the checkpoints of job {self._job} are left: {problem}", file=sys.stderr)
