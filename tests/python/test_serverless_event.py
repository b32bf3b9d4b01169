"""Events of the functions: the schema, what is refused, signatures, the paper's flat payloads."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from weft.serverless import flat
from weft.serverless.event import EventError, Job, RankEvent, sign, verify

SCHEMA = json.loads((Path(__file__).parents[2] / "deploy/aws/event.schema.json").read_text())
SECRET = "ab" * 32

JOB: dict[str, Any] = {
    "version": 1,
    "job": "join-1",
    "world_size": 4,
    "script": "folder/main.py",
    "manifest": "0" * 64,
    "storage": {"bucket": "b", "prefix": "weft-jobs/join-1"},
    "rendezvous": "host.example:7077",
    "secret": {"secretsmanager": "weft/JobSecret"},
}

MORE = {
    "rendezvous_key": {"kms": "AQID"},
    "arguments": ["--rows", "10"],
    "environment": {"WEFT_LOG": "info", "MINE": "1"},
    "input": "s3://in/put",
    "output": "s3://out/put",
    "publish": {"a.csv": "s3://b/c"},
    "max_epochs": 5,
    "memory": 6144,
    "network": "vpc",
    "signature": "f" * 64,
}

PAPER = {
    "S3_BUCKET": "bucket",
    "S3_OBJECT_NAME": "scripts/scaling_join.py",
    "SCRIPT": "scaling_join.py",
    "S3_OBJECT_TYPE": "file",
    "SCALING": "w",
    "WORLD_SIZE": "4",
    "ITERATIONS": "10",
    "CYLON_OPERATION": "join",
    "ROWS": "9100000",
    "UNIQUENESS": "0.9",
    "RANK": "0",
    "RENDEZVOUS_HOST": "rendezvous.example",
    "RENDEZVOUS_PORT": "10000",
    "RESOLVE_RENDEZVOUS_HOST": "true",
    "REDIS_HOST": "redis.example",
    "REDIS_PORT": "6379",
    "REDIS_NAMESPACE": "ns",
    "OUTPUT_SCALING_FILENAME": "/tmp/stopwatch.csv",
    "OUTPUT_SUMMARY_FILENAME": "/tmp/summary.csv",
    "S3_STOPWATCH_OBJECT_NAME": "results/stopwatch.csv",
    "S3_SUMMARY_OBJECT_NAME": "results/summary.csv",
    "CYLON_LOG_LEVEL": "INFO",
    "FMI_OPTIONS": "",
    "FMI_MAX_TIMEOUT": "60000",
}


def allows(value: Any, definition: str = "job") -> bool:
    schema = {**SCHEMA, "$ref": f"#/$defs/{definition}"}
    schema.pop("oneOf")
    return jsonschema.Draft202012Validator(schema).is_valid(value)


def test_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("value", [JOB, {**JOB, **MORE}])
def test_job_there_and_back(value):
    job = Job.from_json(value)
    assert job.to_json() == {**{"max_epochs": 3, "network": "public"}, **value}
    assert Job.from_json(json.loads(json.dumps(job.to_json()))) == job
    assert allows(value) and allows(job.to_json())
    event = RankEvent(job, 3, 2)
    assert RankEvent.from_json(event.to_json()) == event and allows(event.to_json(), "rank")


BAD = [
    ("version", 2),
    ("job", ""),
    ("job", "a/b"),
    ("job", "x" * 81),
    ("world_size", 0),
    ("world_size", 10001),
    ("world_size", "4"),
    ("script", "../main.py"),
    ("script", "a/../../main.py"),
    ("script", "/etc/passwd"),
    ("script", "a//b"),
    ("script", "./a"),
    ("script", ""),
    ("manifest", "xyz"),
    ("version", True),
    ("signature", {}),
    ("signature", "é"),
    ("storage", {"bucket": "b"}),
    ("storage", {"bucket": 1, "prefix": "x"}),
    ("storage", {"bucket": "b", "prefix": "../x"}),
    ("rendezvous", "nohost"),
    ("secret", {"clear": "abc"}),
    ("secret", "abc"),
    ("arguments", ["a", 1]),
    ("arguments", "text"),
    ("environment", {"1X": "a"}),
    ("environment", {"A": 1}),
    ("input", "/local/path"),
    ("publish", {"../x": "s3://b/c"}),
    ("publish", {"x": "http://b/c"}),
    ("max_epochs", 0),
    ("memory", 20000),
    ("network", "private"),
    ("unknown", 1),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_bad_fields_are_named(name, value):
    with pytest.raises(EventError, match=name):
        Job.from_json({**JOB, name: value})
    assert not allows({**JOB, name: value})


@pytest.mark.parametrize("name", [name for name in JOB if name != "version"])
def test_missing_fields_are_named(name):
    less = {key: value for key, value in JOB.items() if key != name}
    with pytest.raises(EventError, match=f"'{name}' is missing"):
        Job.from_json(less)
    assert not allows(less)


@pytest.mark.parametrize(
    "name", ["WEFT_SECRET", "WEFT_SECRET_FILE", "WEFT_RANK", "AWS_SECRET_ACCESS_KEY", "PATH", "LD_PRELOAD"]
)
def test_variables_of_the_executor_are_not_the_callers(name):
    with pytest.raises(EventError, match=name):
        Job.from_json({**JOB, "environment": {name: "x"}})


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"job": JOB, "rank": 4, "epoch": 0},
        {"job": JOB, "rank": 0, "epoch": 1003},
        {"job": JOB, "rank": True, "epoch": 0},
        [],
        None,
    ],
)
def test_bad_rank_events(value):
    with pytest.raises(EventError):
        RankEvent.from_json(value)


def test_a_signature_covers_everything():
    job = sign(Job.from_json(JOB), SECRET)
    verify(job, SECRET)
    with pytest.raises(EventError, match="signature"):
        verify(job, "cd" * 32)
    for name, value in {**MORE, "world_size": 5, "script": "other.py", "manifest": "1" * 64}.items():
        if name == "signature":
            continue
        changed = Job.from_json({**job.to_json(), name: value})
        with pytest.raises(EventError, match="signature"):
            verify(changed, SECRET)
    with pytest.raises(EventError, match="signature"):
        verify(dataclasses.replace(job, signature=""), SECRET)


def test_the_papers_payload():
    assert allows(PAPER, "flat") and flat.is_flat(PAPER) and not flat.is_flat(JOB)
    assert set(PAPER) == set(flat.KEYS) == set(SCHEMA["$defs"]["flat"]["properties"])
    found = flat.parse(PAPER, "execution-1")
    assert (found.world_size, found.rendezvous, found.job) == (4, "rendezvous.example:10000", "execution-1")
    assert found.arguments == (
        *("--scaling", "weak", "--rows", "9100000", "--iterations", "10", "--unique", "0.9"),
        *("--csv", "summary.csv", "--stopwatch", "stopwatch.csv"),
    )
    assert found.publish == {
        "summary.csv": "s3://bucket/results/summary.csv",
        "stopwatch.csv": "s3://bucket/results/stopwatch.csv",
    }
    assert found.environment["WEFT_LOG"] == "info" and found.environment["WEFT_CONNECT_TIMEOUT"] == "60"
    assert found.environment["REDIS_NAMESPACE"] == "ns" and "RANK" not in found.environment


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("S3_BUCKET", ""),
        ("S3_OBJECT_TYPE", "zip"),
        ("SCALING", "x"),
        ("CYLON_OPERATION", "sort"),
        ("ROWS", "many"),
        ("ROWS", "0"),
        ("WORLD_SIZE", "0"),
        ("UNIQUENESS", "-1"),
        ("CYLON_LOG_LEVEL", "loud"),
        ("OTHER", "x"),
        ("ROWS", 5),
        ("ROWS", "1e5"),
        ("ROWS", "inf"),
        ("WORLD_SIZE", "1.5"),
        ("UNIQUENESS", "inf"),
    ],
)
def test_bad_keys_are_named(key, value):
    with pytest.raises(EventError, match=key):
        flat.parse({**PAPER, key: value}, "e")
