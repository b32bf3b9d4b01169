"""Ranks under Slurm: `weft submit --launcher slurm`, and the job scripts of ``deploy/slurm``. See docs/hosts.md."""

from __future__ import annotations
