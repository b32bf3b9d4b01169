"""The function `init`: refuses what cannot run, with a way out, and writes one event a rank."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from weft.serverless import flat, package
from weft.serverless.aws import client, error_code, split_uri
from weft.serverless.event import MAX_HANDOVERS, EventError, Job, RankEvent, sign, verify
from weft.serverless.job_store import JobStore
from weft.serverless.secret_store import job_secret, plain

__all__ = ["Refused", "prepare"]

#: Seconds within which the rendezvous server must answer, all tries together.
RENDEZVOUS_SECONDS = 20.0


class Refused(RuntimeError):
    """A job that cannot run as it is; the message says what to do."""


def _variable(name: str, what: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise Refused(f"this function lacks {name} ({what}): deploy it with `weft deploy aws`")
    return value


def _flat_package(payload: flat.FlatPayload) -> package.Package:
    """What lies on S3 now is what all ranks run."""
    s3 = client("s3")

    def fetch(key: str) -> bytes:
        try:
            return bytes(s3.get_object(Bucket=payload.bucket, Key=key)["Body"].read())
        except Exception as problem:
            if error_code(problem) in ("NoSuchKey", "NoSuchBucket", "404"):
                raise Refused(f"there is no s3://{payload.bucket}/{key}: upload it, or mend S3_OBJECT_NAME") from None
            raise

    if not payload.whole_folder:
        return package.of_bytes({payload.script.rsplit("/", 1)[-1]: fetch(payload.object_name)})
    folder = payload.object_name.rstrip("/") + "/"
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=payload.bucket, Prefix=folder)
    keys = [item["Key"] for page in pages for item in page.get("Contents", ()) if not item["Key"].endswith("/")]
    if len(keys) > package.MAX_FILES:
        raise Refused(f"s3://{payload.bucket}/{folder} has {len(keys)} files; at most {package.MAX_FILES} are fetched")
    return package.of_bytes({key[len(folder) :]: fetch(key) for key in keys})


def _from_flat(value: dict[str, Any], execution: str) -> Job:
    """The job of a flat payload, its program taken from where it lies and signed here."""
    if os.environ.get("WEFT_FLAT_PAYLOADS", "accept") != "accept":
        raise Refused(
            "flat payloads are not taken by this deployment: use `weft submit`, or deploy with FlatPayloads=accept"
        )
    payload = flat.parse(value, execution)
    storage = {"bucket": _variable("WEFT_BUCKET", "the deployment's bucket"), "prefix": f"weft-jobs/{payload.job}"}
    store = JobStore(storage)
    known = store.get_json("job.json")
    if known is not None:
        # A redelivery or a later epoch: what is run must not change.
        return Job.from_json(known)
    script = payload.script if payload.whole_folder else payload.script.rsplit("/", 1)[-1]
    made = _flat_package(payload)
    for name, content in made.files.items():
        store.put(f"package/files/{name}", content)
    store.put("package/manifest.json", made.manifest)
    secret = {"secretsmanager": _variable("WEFT_SECRET_NAME", "the secret's name")}
    key = os.environ.get("WEFT_RENDEZVOUS_KEY_NAME")
    return sign(
        Job(
            job=payload.job,
            world_size=payload.world_size,
            script=script,
            manifest=made.digest,
            storage=storage,
            rendezvous=payload.rendezvous or _variable("WEFT_RENDEZVOUS_ADDRESS", "RENDEZVOUS_HOST is missing"),
            rendezvous_key={"secretsmanager": key} if key else None,
            secret=secret,
            arguments=payload.arguments,
            environment=payload.environment,
            publish=payload.publish,
        ),
        job_secret(secret, payload.job),
    )


def _check_world(job: Job) -> None:
    """All ranks must run at once: a rank that waits for another's function would wait for ever."""
    most = int(os.environ.get("WEFT_MAX_WORLD") or 0)
    if most and job.world_size > most:
        raise Refused(
            f"a world of {job.world_size} is above the deployment's bound of {most}: deploy with MaxWorldSize"
        )
    name = _variable("WEFT_EXECUTOR_FUNCTION", "the executor's name")
    functions = client("lambda")
    configuration = functions.get_function_configuration(FunctionName=name)
    if job.memory is not None and job.memory != configuration.get("MemorySize"):
        raise Refused(
            f"the job wants functions of {job.memory} MB and {name} has {configuration.get('MemorySize')}: run "
            f"`weft deploy aws --memory {job.memory}`, or leave --memory out"
        )
    reserved = functions.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")
    limit, what = reserved, f"{name}'s reserved concurrency"
    if reserved is None:
        limits = functions.get_account_settings()["AccountLimit"]
        limit, what = limits["UnreservedConcurrentExecutions"], "the account's unreserved concurrency"
    if job.world_size > limit:
        raise Refused(
            f"a world of {job.world_size} cannot run at once: {what} is {limit}. Ask for a higher quota 'Concurrent "
            "executions' of Lambda, or take a smaller world"
        )


def _check_program(job: Job, store: JobStore) -> None:
    manifest = store.get("package/manifest.json")
    if manifest is None:
        raise Refused(f"there is no {store.uri('package/manifest.json')}: submit the job again")
    entries = package.parse_manifest(manifest, job.manifest)
    if job.script not in entries:
        raise Refused(f"the script {job.script!r} is not in the package, which has: {', '.join(list(entries)[:20])}")
    there = store.list("package/files/")
    for name in entries:
        if f"package/files/{name}" not in there:
            raise Refused(f"the package lacks {name!r}: submit the job again")


def _check_rendezvous(job: Job) -> None:
    """A world of one joins a job of its own there, with the key that the ranks will use."""
    import weft

    key = plain(job.rendezvous_key) if job.rendezvous_key is not None else ""
    end = time.monotonic() + float(os.environ.get("WEFT_RENDEZVOUS_SECONDS") or RENDEZVOUS_SECONDS)
    while True:
        try:
            weft.init(
                backend="tcp", world_size=1, rendezvous=job.rendezvous, rendezvous_key=key, connect_timeout=5,
                job=f"probe-{os.urandom(8).hex()}", secret=os.urandom(32).hex(), threads=1,
            ).close()  # fmt: skip
            return
        except weft.AuthenticationFailed as problem:
            raise Refused(f"the rendezvous server {job.rendezvous} does not take its key: {problem}") from None
        except (weft.CommunicatorError, OSError, ValueError) as problem:
            if time.monotonic() > end:
                raise Refused(
                    f"the rendezvous server {job.rendezvous} does not answer ({problem}): is its service up, and does "
                    "its security group let the port in? `weft rendezvous` starts one by hand"
                ) from None
            time.sleep(1)


def prepare(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """``{"done": true, "result": ...}`` for a job that is done, else where the ranks' events lie."""
    value, epoch = event.get("event", {}), event.get("epoch", 0)
    job = _from_flat(value, str(event.get("execution", ""))) if flat.is_flat(value) else Job.from_json(value)
    most = job.max_epochs + MAX_HANDOVERS
    if type(epoch) is not int or not 0 <= epoch < most:
        raise EventError(f"event: 'epoch' is in [0, {most}), not {epoch!r}")
    verify(job, job_secret(job.secret, job.job))
    store = JobStore(job.storage)
    result = store.get_json("result.json")
    if result is not None:
        return {"done": True, "result": result}
    if store.exists("cancelled"):
        raise Refused(f"the job {job.job} was cancelled; submit it under another name")
    _check_world(job)
    _check_program(job, store)
    for name in ("input", "output"):
        uri = getattr(job, name)
        if uri is not None:
            split_uri(uri, name)
    _check_rendezvous(job)
    text = json.dumps(job.to_json(), sort_keys=True).encode()
    if not store.put_new("job.json", text):
        raise Refused(f"another job has the name {job.job!r}: submit this one under another name")
    events = [RankEvent(job, rank, epoch).to_json() for rank in range(job.world_size)]
    store.put_json(f"epoch-{epoch}/ranks.json", events)
    return {
        "done": False,
        "job": job.job,
        "epoch": epoch,
        "world_size": job.world_size,
        "storage": job.storage,
        "ranks": {"bucket": store.bucket, "key": store.key(f"epoch-{epoch}/ranks.json")},
    }
