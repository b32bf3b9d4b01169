"""Where AWS' own emulator of the functions' Runtime API lies, inside of its SAM tool; None where that is not installed."""

from __future__ import annotations

from pathlib import Path

EMULATOR = next(
    (Path(__file__).parents[2] / "build/tools/sam/lib").glob(
        "python*/site-packages/samcli/local/rapid/aws-lambda-rie-x86_64"
    ),
    None,
)
