"""Clients of AWS, and S3's addresses. The one place that loads boto3."""

from __future__ import annotations

import functools
import os
from typing import Any

__all__ = ["client", "error_code", "in_words", "split_uri"]


def client(service: str) -> Any:
    """A client that tries again where a service is busy. Endpoints, region and credentials are AWS' own settings."""
    return _client(service, tuple((name, value) for name, value in os.environ.items() if name.startswith("AWS_")))


@functools.cache
def _client(service: str, settings: tuple[tuple[str, str], ...]) -> Any:
    try:
        import boto3
        from botocore.config import Config
    except ImportError:
        raise ImportError("this needs boto3: pip install 'weft[aws]'") from None
    retries = {"mode": "standard", "total_max_attempts": 10}
    config = Config(retries=retries, connect_timeout=5, read_timeout=30)
    # A session of its own: the default one keeps the credentials that it saw first.
    return boto3.session.Session().client(service, config=config)


def error_code(error: BaseException) -> str:
    """The code of an answer of AWS, such as ``"NoSuchKey"`` or ``"404"``; empty for other errors."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


#: What the user can do about errors of the AWS library that do not say it.
_WAYS_OUT = {
    "NoRegionError": "set AWS_DEFAULT_REGION, or region in ~/.aws/config",
    "NoCredentialsError": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
}


def in_words(error: BaseException) -> str:
    """One line for an error that AWS or its library has answered with; empty for other errors."""
    kinds = type(error).__mro__
    if not error_code(error) and not any(kind.__module__.startswith("botocore.") for kind in kinds):
        return ""
    ways = [_WAYS_OUT[kind.__name__] for kind in kinds if kind.__name__ in _WAYS_OUT]
    return ": ".join([str(error).rstrip("."), *ways])


def split_uri(uri: str, what: str) -> tuple[str, str]:
    """Bucket and key of ``s3://bucket/key``."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket or any(part == ".." for part in key.split("/")):
        raise ValueError(f"{what} {uri!r} is no s3://bucket/key")
    return bucket, key.strip("/")
