"""The flat payload of the paper: upper-case keys, all texts. Existing payloads run unchanged.

`parse` looks at what is there and refuses by name what cannot be done. The script's arguments are those of
``examples/scaling_join.py``; a script of another kind finds the whole payload in its environment.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass
from typing import Any

from weft.serverless.event import EventError

__all__ = ["KEYS", "FlatPayload", "is_flat", "parse"]

KEYS = (
    "S3_BUCKET", "S3_OBJECT_NAME", "SCRIPT", "S3_OBJECT_TYPE", "SCALING", "WORLD_SIZE", "ITERATIONS", "CYLON_OPERATION",
    "ROWS", "UNIQUENESS", "RANK", "RENDEZVOUS_HOST", "RENDEZVOUS_PORT", "RESOLVE_RENDEZVOUS_HOST", "REDIS_HOST",
    "REDIS_PORT", "REDIS_NAMESPACE", "OUTPUT_SCALING_FILENAME", "OUTPUT_SUMMARY_FILENAME", "S3_STOPWATCH_OBJECT_NAME",
    "S3_SUMMARY_OBJECT_NAME", "CYLON_LOG_LEVEL", "FMI_OPTIONS", "FMI_MAX_TIMEOUT",
)  # fmt: skip

_LOG_LEVELS = {"debug": "debug", "info": "info", "warn": "warning", "warning": "warning", "error": "error"}


@dataclass(frozen=True)
class FlatPayload:
    """A payload that can be run. `whole_folder` tells whether `object_name` is a prefix or one object."""

    bucket: str
    object_name: str
    whole_folder: bool
    script: str
    world_size: int
    rendezvous: str | None
    arguments: tuple[str, ...]
    environment: dict[str, str]
    publish: dict[str, str]
    job: str


def is_flat(value: Any) -> bool:
    """Whether this is such a payload and not a job of Weft's."""
    return isinstance(value, dict) and "version" not in value and "S3_BUCKET" in value


def _number(value: dict[str, str], key: str, low: float, default: str | None = None) -> str:
    text = value.get(key) or default
    if text is None:
        raise EventError(f"event: {key} is missing")
    try:
        good = low <= float(text) < math.inf
    except ValueError:
        good = False
    if not good:
        raise EventError(f"event: {key} is a number of at least {low:g}, not {text!r}")
    return text


def _count(value: dict[str, str], key: str, default: str | None = None) -> int:
    text = _number(value, key, 1, default)
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise EventError(f"event: {key} is a whole number of at most 18 digits, not {text!r}")
    return int(text)


def _job_name(value: dict[str, str], execution: str) -> str:
    """The execution's own name: a redelivered payload of one execution is the same job, another run is another."""
    if re.fullmatch(r"[A-Za-z0-9._-]{1,80}", execution):
        return execution
    return "flat-" + hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:24]


def _scaling_arguments(value: dict[str, str]) -> list[str]:
    scaling = {"s": "strong", "w": "weak", "strong": "strong", "weak": "weak"}.get(value.get("SCALING", "w"))
    if scaling is None:
        raise EventError(f"event: SCALING is 's' or 'w', not {value['SCALING']!r}")
    operation = value.get("CYLON_OPERATION", "join") or "join"
    if operation != "join":
        raise EventError(
            f"event: CYLON_OPERATION {operation!r}: the script does 'join'; give a script of your own for others"
        )
    arguments = ["--scaling", scaling, "--rows", str(_count(value, "ROWS"))]
    arguments += ["--iterations", str(_count(value, "ITERATIONS", "1"))]
    return [*arguments, "--unique", _number(value, "UNIQUENESS", 1e-9, "0.9")]


def parse(value: dict[str, Any], execution: str) -> FlatPayload:
    """EventError names the key that is missing, unknown or cannot be taken."""
    for key, content in value.items():
        if key not in KEYS:
            raise EventError(f"event: {key!r} is not known; the keys are {' '.join(KEYS)}")
        if not isinstance(content, str):
            raise EventError(f"event: {key} is a text, not {type(content).__name__}")
    for key in ("S3_BUCKET", "S3_OBJECT_NAME", "SCRIPT"):
        if not value.get(key):
            raise EventError(f"event: {key} is missing")
    kind = value.get("S3_OBJECT_TYPE", "file")
    if kind not in ("file", "folder"):
        raise EventError(f"event: S3_OBJECT_TYPE is 'file' or 'folder', not {kind!r}")
    arguments, publish = _scaling_arguments(value), {}
    named = (("--csv", "OUTPUT_SUMMARY_FILENAME", "S3_SUMMARY_OBJECT_NAME", "summary.csv"),
             ("--stopwatch", "OUTPUT_SCALING_FILENAME", "S3_STOPWATCH_OBJECT_NAME", "stopwatch.csv"))  # fmt: skip
    for option, file_key, object_key, default in named:
        name = (value.get(file_key) or default).rsplit("/", 1)[-1]
        if value.get(file_key) or value.get(object_key):
            arguments += [option, name]
        if value.get(object_key):
            publish[name] = f"s3://{value['S3_BUCKET']}/{value[object_key].lstrip('/')}"
    rendezvous = None
    if value.get("RENDEZVOUS_HOST"):
        rendezvous = f"{value['RENDEZVOUS_HOST']}:{_count(value, 'RENDEZVOUS_PORT')}"
    environment = {key: content for key, content in value.items() if key != "RANK"}
    environment["WEFT_ENVIRONMENT_TAG"] = "lambda"
    if value.get("CYLON_LOG_LEVEL"):
        level = _LOG_LEVELS.get(value["CYLON_LOG_LEVEL"].lower())
        if level is None:
            raise EventError(
                f"event: CYLON_LOG_LEVEL {value['CYLON_LOG_LEVEL']!r}: it is one of {', '.join(_LOG_LEVELS)}"
            )
        environment["WEFT_LOG"] = level
    if value.get("FMI_MAX_TIMEOUT"):
        # In milliseconds there.
        seconds = max(1.0, float(_number(value, "FMI_MAX_TIMEOUT", 1)) / 1000)
        environment["WEFT_CONNECT_TIMEOUT"] = f"{seconds:g}"
    return FlatPayload(
        bucket=value["S3_BUCKET"],
        object_name=value["S3_OBJECT_NAME"].strip("/"),
        whole_folder=kind == "folder",
        script=value["SCRIPT"],
        world_size=_count(value, "WORLD_SIZE"),
        rendezvous=rendezvous,
        arguments=tuple(arguments),
        environment=environment,
        publish=publish,
        job=_job_name(value, execution),
    )
