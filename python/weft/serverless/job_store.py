"""Everything of one job, below one prefix of S3.

```
{prefix}/package/manifest.json, package/files/{name}     the program
{prefix}/job.json                                        the signed job, as init took it
{prefix}/epoch-{e}/ranks.json                            the ranks' events, read by the state machine
{prefix}/epoch-{e}/rank-{r}.claim                        which delivery took the rank: conditional, once
{prefix}/epoch-{e}/rank-{r}.json                         how it is doing, and in the end its report
{prefix}/epoch-{e}/rank-{r}.log, rank-{r}/{name}         its output, and the files that it left
{prefix}/epoch-{e}/handover.json                         it ended so that the next one goes on
{prefix}/checkpoints/...                                 what the ranks saved
{prefix}/result.json                                     the result: conditional, once a job
{prefix}/cancelled                                       asked to end
```
"""

from __future__ import annotations

import json
from typing import Any

from weft.serverless.aws import client, error_code

__all__ = ["JobStore", "rank_name"]


def rank_name(epoch: int, rank: int) -> str:
    return f"epoch-{epoch}/rank-{rank:05d}"


class JobStore:
    """Objects below ``s3://{bucket}/{prefix}/``. Thread-safe."""

    def __init__(self, storage: dict[str, str]) -> None:
        self.bucket = storage["bucket"]
        self.prefix = storage["prefix"].strip("/")
        self._s3 = client("s3")

    def key(self, name: str) -> str:
        return f"{self.prefix}/{name}"

    def uri(self, name: str) -> str:
        return f"s3://{self.bucket}/{self.key(name)}"

    def get(self, name: str) -> bytes | None:
        """An object's bytes, or None where it is not there."""
        try:
            return bytes(self._s3.get_object(Bucket=self.bucket, Key=self.key(name))["Body"].read())
        except Exception as problem:
            if error_code(problem) in ("NoSuchKey", "404", "NotFound"):
                return None
            raise

    def exists(self, name: str) -> bool:
        try:
            self._s3.head_object(Bucket=self.bucket, Key=self.key(name))
        except Exception as problem:
            if error_code(problem) in ("NoSuchKey", "404", "NotFound"):
                return False
            raise
        return True

    def put(self, name: str, data: bytes) -> None:
        self._s3.put_object(Bucket=self.bucket, Key=self.key(name), Body=data)

    def delete(self, name: str) -> None:
        self._s3.delete_object(Bucket=self.bucket, Key=self.key(name))

    def put_new(self, name: str, data: bytes) -> bool:
        """Puts an object that is not there yet, in one conditional request. False where another's is there. `data` must
        differ from all that others would put: an answer that was lost is made up for by looking at what is there."""
        try:
            self._s3.put_object(Bucket=self.bucket, Key=self.key(name), Body=data, IfNoneMatch="*")
        except Exception as problem:
            if error_code(problem) not in ("PreconditionFailed", "ConditionalRequestConflict", "412", "409"):
                raise
            return self.get(name) == data
        return True

    def get_json(self, name: str) -> Any:
        data = self.get(name)
        return None if data is None else json.loads(data)

    def put_json(self, name: str, value: Any) -> None:
        self.put(name, json.dumps(value).encode())

    def put_new_json(self, name: str, value: Any) -> bool:
        return self.put_new(name, json.dumps(value).encode())

    def list(self, folder: str) -> dict[str, int]:
        """Names (below the prefix) and sizes of all objects whose names begin with `folder`."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.key(folder))
        skip = len(self.prefix) + 1
        return {item["Key"][skip:]: item["Size"] for page in pages for item in page.get("Contents", ())}

    def copy_to(self, name: str, bucket: str, key: str) -> None:
        source = {"Bucket": self.bucket, "Key": self.key(name)}
        self._s3.copy_object(Bucket=bucket, Key=key, CopySource=source)
