"""Checkpoints, stages and hand-over: `Env.checkpoint`, `Env.restore`, `Env.stage`. See docs/checkpoints.md.

`folder` is the file system, `manifest` what makes a checkpoint valid, `writing` the thread that writes and publishes,
`reading` the way back, `keeper` what all ranks do together, `stage` the body that is run once, `handover` the wish to
end.
"""

from __future__ import annotations
