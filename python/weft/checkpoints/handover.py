"""Whether this rank is asked to hand over to the next epoch: by SIGTERM, or because its time is nearly up."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

__all__ = ["Watch"]

#: Seconds that are left, at least, for what is still to be written.
RESERVE = 1.0
#: What is left doubles with every attempt that saved nothing, at most so often.
DOUBLINGS = 6


class Watch:
    """From when it is made until `close`. ``WEFT_DEADLINE`` has the seconds since 1970 at which somebody, a launcher or
    its host, will end this process. The wall clock is asked once, here; what is left goes by one that never jumps."""

    def __init__(self) -> None:
        text = os.environ.get("WEFT_DEADLINE")
        try:
            #: Seconds that there are in all.
            self._time = float(text) - time.time() if text else 0.0
            self._deadline = time.monotonic() + self._time if text else None
        except ValueError:
            raise ValueError(f"weft.init: WEFT_DEADLINE={text!r} is no number of seconds since 1970") from None
        self._signalled = False
        self._installed = False
        # A handler of the script's own goes first, and only the main thread can have one.
        ours = threading.current_thread() is threading.main_thread()
        there = signal.getsignal(signal.SIGTERM)
        if ours and (there is signal.SIG_DFL or isinstance(getattr(there, "__self__", None), Watch)):
            signal.signal(signal.SIGTERM, self._on_signal)
            self._installed = True

    def _on_signal(self, _: int, __: Any) -> None:
        # It may come twice, from Slurm and from who started this process. What ends a script that does not get to a
        # boundary is SIGKILL.
        self._signalled = True

    def reason(self, seconds: float = 0.0, work: float = 0.0, fruitless: int = 0) -> str:
        """Why this rank is to hand over; empty where it is not. `seconds`: what is needed to write a checkpoint.
        `work`: until the next boundary, where that is known. `fruitless`: how many attempts before this one saved
        nothing. The reason may be that their time ran out before a boundary that is later than was reckoned: each
        makes the next one hand over earlier, down to half of its time, so that they do not all end the same way."""
        if self._signalled:
            return "SIGTERM"
        if self._deadline is not None:
            left = self._deadline - time.monotonic()
            wanted = RESERVE + 2 * seconds + work
            if left < max(wanted, min(wanted * 2 ** min(fruitless, DOUBLINGS), self._time / 2)):
                return f"its time limit, {max(left, 0.0):.1f} s away"
        return ""

    def close(self, handed_over: bool) -> None:
        """SIGTERM ends the process again; not one that has `handed_over` and is about to end with the code for that,
        which on a busy host may take longer than there is time."""
        if self._installed and not handed_over and signal.getsignal(signal.SIGTERM) == self._on_signal:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self._installed = False
