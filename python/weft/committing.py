"""The one conditional request by which output on S3 becomes visible.

Arrow's S3 file system cannot ask for ``If-None-Match`` and ``If-Match``; boto3, where it is installed, can. Without
boto3 the engine looks and then puts.
"""

from __future__ import annotations

import functools
import os
from urllib.parse import parse_qs

from weft import _core

__all__ = ["install", "put_if", "put_new"]


#: Options of Arrow's that can be said to boto3, or that do not matter for one put.
_OPTIONS = {"endpoint_override", "scheme", "region", "allow_bucket_creation", "allow_bucket_deletion"}


@functools.lru_cache(maxsize=8)
def _client(endpoint: str, scheme: str, region: str, environment: tuple[tuple[str, str], ...]) -> object | None:
    """boto3 looks at `environment` when it makes a client: another one, such as new credentials, needs another."""
    del environment
    try:
        import boto3.session
        from botocore.config import Config
    except ImportError:
        return None
    url = endpoint if "://" in endpoint or not endpoint else f"{scheme or 'https'}://{endpoint}"
    retries = {"mode": "standard", "total_max_attempts": 10}
    # A session of its own: boto3's keeps the credentials that it found first.
    made: object = boto3.session.Session().client(
        "s3",
        endpoint_url=url or None,
        region_name=region or None,
        config=Config(retries=retries, connect_timeout=5, read_timeout=30),
    )
    return made


def put_new(path: str, suffix: str, data: bytes) -> bool | None:
    """Puts the object ``bucket/key`` if there is none; see `put_if`."""
    return put_if(path, suffix, data, None)


def put_if(path: str, suffix: str, data: bytes, expected: bytes | None) -> bool | None:
    """Puts the object ``bucket/key`` if it has the bytes `expected` (None: if there is none): True; False where another
    one is there; None where boto3 is missing, or where the address has options that change who asks. `suffix` are the
    location's options as Arrow takes them (``?endpoint_override=...&region=...``)."""
    options = {name: values[-1] for name, values in parse_qs(suffix.lstrip("?")).items()}
    if set(options) - _OPTIONS:
        return None
    client = _client(
        options.get("endpoint_override", ""),
        options.get("scheme", ""),
        options.get("region", ""),
        tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith("AWS_"))),
    )
    if client is None:
        return None
    bucket, _, key = path.partition("/")
    try:
        condition = {"IfNoneMatch": "*"}
        if expected is not None:
            found = client.get_object(Bucket=bucket, Key=key)  # type: ignore[attr-defined]
            if found["Body"].read() != expected:
                return False
            condition = {"IfMatch": found["ETag"]}
        client.put_object(Bucket=bucket, Key=key, Body=data, **condition)  # type: ignore[attr-defined]
    except Exception as error:
        response = getattr(error, "response", None)
        code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
        if code in ("PreconditionFailed", "ConditionalRequestConflict", "412", "409"):
            return False
        # It went away since: S3 says so of a put with If-Match, too.
        if expected is not None and code in ("NoSuchKey", "404"):
            return False
        raise
    return True


@functools.cache
def install() -> None:
    """Gives `put_if` to the engine, once a process."""
    _core.set_conditional_put(put_if)
