"""The events of the functions, from who is not trusted: a job, a rank's event, the paper's flat payload. Each is taken, and then
means what it says, or is an EventError."""

from __future__ import annotations

import json
import sys
from typing import Any

import atheris
from json_mutation import mutator

with atheris.instrument_imports(include=["weft.serverless"]):
    from weft.serverless import flat
    from weft.serverless.event import EventError, Job, RankEvent, sign, verify

SECRET = "ab" * 32


def _same(left: Any, right: Any) -> bool:
    """Equal, and of equal types: JSON's 1, 1.0 and true are three things."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return bool(left == right)


def _check(job: Job, value: dict[str, Any]) -> None:
    there = job.to_json()
    again = Job.from_json(json.loads(json.dumps(there)))
    assert again == job, "it is another one after a round trip"
    for name, content in value.items():
        assert _same(there.get(name, content), content), f"{name} is not what was said"
        assert name in there or content is None or content in ([], {}, ""), f"{name} is lost"
    signed = sign(job, SECRET)
    verify(signed, SECRET)
    try:
        verify(job, SECRET)
        assert job.signature == signed.signature
    except EventError:
        assert job.signature != signed.signature


def one_input(data: bytes) -> None:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return
    try:
        if flat.is_flat(value):
            payload = flat.parse(value, "execution")
            assert flat.parse(dict(reversed(value.items())), "execution") == payload
            assert payload.bucket == value["S3_BUCKET"] and payload.world_size >= 1
        elif isinstance(value, dict) and "rank" in value:
            event = RankEvent.from_json(value)
            assert _same(RankEvent.from_json(event.to_json()).to_json(), event.to_json())
            assert (event.rank, event.epoch) == (value["rank"], value["epoch"])
            _check(event.job, value["job"])
        else:
            _check(Job.from_json(value), value)
    except EventError as problem:
        # A log takes it.
        assert len(str(problem)) < 100_000
        str(problem).encode(errors="backslashreplace")


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input, custom_mutator=mutator(lambda data, size: atheris.Mutate(data, size)))
    atheris.Fuzz()
