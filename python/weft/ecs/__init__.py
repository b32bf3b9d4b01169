"""Ranks as tasks of ECS, on Fargate or EC2: `weft submit --launcher ecs`. See docs/hosts.md."""

from __future__ import annotations
