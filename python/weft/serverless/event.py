"""The events of the functions: `Job` for the whole world and `RankEvent` for one rank.

``deploy/aws/event.schema.json`` documents both. A job is signed with a key that is derived from its secret, so that a
function runs only what somebody has asked for who knows it. `flat.py` maps the flat payloads of the paper to a job.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
import re
from dataclasses import dataclass, field
from typing import Any

from weft.serverless.aws import split_uri

__all__ = ["MAX_HANDOVERS", "EventError", "Job", "RankEvent", "sign", "verify"]

VERSION = 1
#: Epochs that may end by a hand-over, beside the attempts of `Job.max_epochs`.
MAX_HANDOVERS = 1000
#: The length that Step Functions allows for an execution's name.
_JOB = re.compile(r"[A-Za-z0-9._-]{1,80}")
_HEX = re.compile(r"[0-9a-f]{64}")
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: What the executor sets itself, or what would be a secret in the clear.
_OWN_VARIABLES = re.compile(
    r"AWS_.*|LD_.*|PATH|HOME|TMPDIR|PYTHONPATH|WEFT_(SECRET|RENDEZVOUS|RENDEZVOUS_KEY|JOB|EPOCH|RANK|WORLD_SIZE|STORE|"
    r"RESULTS|PROGRESS_FILE|FAILURE_FD|INPUT|OUTPUT|EPHEMERAL)(_FILE)?"
)


class EventError(ValueError):
    """An event that cannot be taken. The message names the field and the way out."""


def _need(condition: bool, message: str) -> None:
    if not condition:
        raise EventError(f"event: {message}")


def _is_name(value: Any) -> bool:
    """A relative path inside the package."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= 512
        and not value.startswith(("/", "\\"))
        and all(part not in ("", ".", "..") for part in value.split("/"))
        and "\0" not in value
        and "\\" not in value
    )


def _is_secret(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and len(value) == 1
        and next(iter(value)) in ("secretsmanager", "kms")
        and all(isinstance(text, str) and text for text in value.values())
    )


@dataclass(frozen=True)
class Job:
    """A job as it is signed and sent. Secrets are references, never in the clear.

    storage
        ``{"bucket": ..., "prefix": ...}``: where everything of this job lies.
    manifest
        SHA-256 of ``{prefix}/package/manifest.json``, which in turn has that of each file.
    publish
        Names of result files, and the S3 addresses to which they are copied when the job is done.
    """

    job: str
    world_size: int
    script: str
    manifest: str
    storage: dict[str, str]
    rendezvous: str
    secret: dict[str, str]
    rendezvous_key: dict[str, str] | None = None
    arguments: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    input: str | None = None
    output: str | None = None
    publish: dict[str, str] = field(default_factory=dict)
    max_epochs: int = 3
    memory: int | None = None
    network: str = "public"
    signature: str = ""

    def __post_init__(self) -> None:
        self._check_texts()
        _need(_is_secret(self.secret), '\'secret\' is {"secretsmanager": name} or {"kms": ciphertext}')
        if self.rendezvous_key is not None:
            _need(_is_secret(self.rendezvous_key), '\'rendezvous_key\' is {"secretsmanager": name} or {"kms": text}')
        for name, low, high in (("world_size", 1, 10_000), ("max_epochs", 1, 20)):
            value = getattr(self, name)
            _need(
                type(value) is int and low <= value <= high, f"'{name}' is a number in [{low}, {high}], not {value!r}"
            )
        if self.memory is not None:
            good = type(self.memory) is int and 128 <= self.memory <= 10240
            _need(good, f"'memory' is in MB, 128 to 10240, not {self.memory!r}")
        _need(self.network in ("public", "vpc"), f"'network' is 'public' or 'vpc', not {self.network!r}")
        self._check_environment()
        for name, uri in (
            ("input", self.input),
            ("output", self.output),
            *(("publish", uri) for uri in self.publish.values()),
        ):
            if uri is not None:
                try:
                    split_uri(uri, "address")
                except (ValueError, AttributeError) as problem:
                    raise EventError(f"event: '{name}': {problem}") from None

    def _check_texts(self) -> None:
        _need(
            isinstance(self.job, str) and bool(_JOB.fullmatch(self.job)),
            f"'job' is 1 to 80 of [A-Za-z0-9._-], not {self.job!r}",
        )
        _need(
            _is_name(self.script),
            f"'script' is a file of the package, without '..' and not absolute, not {self.script!r}",
        )
        _need(
            isinstance(self.manifest, str) and bool(_HEX.fullmatch(self.manifest)),
            "'manifest' is a SHA-256 in 64 hex digits",
        )
        storage = self.storage
        good = isinstance(storage, dict) and set(storage) == {"bucket", "prefix"}
        good = good and isinstance(storage["bucket"], str) and bool(storage["bucket"]) and _is_name(storage["prefix"])
        _need(good, "'storage' has 'bucket' and 'prefix'")
        match = _ADDRESS.fullmatch(self.rendezvous) if isinstance(self.rendezvous, str) else None
        _need(match is not None and 0 < int(match[2]) < 65536, f"'rendezvous' is host:port, not {self.rendezvous!r}")
        good = all(isinstance(text, str) and "\0" not in text for text in self.arguments)
        _need(good, "'arguments' is a list of texts")
        good = isinstance(self.signature, str) and (not self.signature or bool(_HEX.fullmatch(self.signature)))
        _need(good, "'signature' is 64 hex digits")

    def _check_environment(self) -> None:
        _need(isinstance(self.environment, dict), "'environment' is an object of texts")
        for name, value in self.environment.items():
            good = isinstance(value, str) and bool(_VARIABLE.fullmatch(name)) and "\0" not in value
            _need(good, f"'environment': {name!r} is no variable with a text")
            _need(not _OWN_VARIABLES.fullmatch(name), f"'environment': {name} is not the caller's to set")
        good = isinstance(self.publish, dict) and all(_is_name(name) for name in self.publish)
        _need(good, "'publish' is an object of file names and s3:// addresses")

    @classmethod
    def from_json(cls, value: Any) -> Job:
        """The job of a parsed JSON object; EventError for anything that is not one."""
        _need(isinstance(value, dict), f"it is an object, not {type(value).__name__}")
        version = value.get("version")
        _need(type(version) is int and version == VERSION, f"'version' is {VERSION}, not {version!r}")
        fields = {item.name: item for item in dataclasses.fields(cls)}
        for name in value:
            _need(name == "version" or name in fields, f"{name!r} is not known")
        for name, item in fields.items():
            required = item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
            _need(not required or name in value, f"'{name}' is missing")
        given = {name: content for name, content in value.items() if name != "version"}
        if "arguments" in given:
            _need(isinstance(given["arguments"], list), "'arguments' is a list of texts")
            given["arguments"] = tuple(given["arguments"])
        return cls(**given)

    def to_json(self) -> dict[str, Any]:
        """What `from_json` takes; fields that were left out are left out."""
        value: dict[str, Any] = {"version": VERSION}
        for item in dataclasses.fields(self):
            content = getattr(self, item.name)
            if content is not None and content not in ((), {}, ""):
                value[item.name] = list(content) if isinstance(content, tuple) else content
        return value


@dataclass(frozen=True)
class RankEvent:
    """What one executor gets: the job, unchanged since it was signed, and which rank of which epoch it is."""

    job: Job
    rank: int
    epoch: int

    @classmethod
    def from_json(cls, value: Any) -> RankEvent:
        _need(isinstance(value, dict) and set(value) == {"job", "rank", "epoch"}, "it has 'job', 'rank' and 'epoch'")
        job = Job.from_json(value["job"])
        rank, epoch = value["rank"], value["epoch"]
        _need(type(rank) is int and 0 <= rank < job.world_size, f"'rank' is in [0, {job.world_size}), not {rank!r}")
        most = job.max_epochs + MAX_HANDOVERS
        _need(type(epoch) is int and 0 <= epoch < most, f"'epoch' is in [0, {most}), not {epoch!r}")
        return cls(job, rank, epoch)

    def to_json(self) -> dict[str, Any]:
        return {"job": self.job.to_json(), "rank": self.rank, "epoch": self.epoch}


def _digest(job: Job, secret: str) -> str:
    value = job.to_json()
    value.pop("signature", None)
    text = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    key = hmac.new(bytes.fromhex(secret), b"weft event signature", hashlib.sha256).digest()
    return hmac.new(key, text, hashlib.sha256).hexdigest()


def sign(job: Job, secret: str) -> Job:
    """The job with its signature; `secret` is the job's, in 64 hex digits."""
    return dataclasses.replace(job, signature=_digest(job, secret))


def verify(job: Job, secret: str) -> None:
    """EventError where the job was changed since it was signed, or was signed with another secret."""
    if not hmac.compare_digest(_digest(job, secret), job.signature):
        raise EventError(
            f"event: the signature of job {job.job} is wrong: it was changed on its way, or signed with another "
            "secret; start it with `weft submit`"
        )
