"""A job's secret: from Secrets Manager, or wrapped by KMS in the payload. Never sent or printed in the clear.

One secret of a deployment serves all its jobs: each job's own is derived from it and the job's name.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from weft.serverless.aws import client, error_code

__all__ = ["SecretError", "job_secret", "plain", "wrap"]

#: What KMS binds a wrapped secret to.
_CONTEXT = {"weft": "job-secret"}


class SecretError(RuntimeError):
    """A secret that cannot be had. The message never holds it."""


def plain(reference: dict[str, str]) -> str:
    """The text behind ``{"secretsmanager": name}`` or ``{"kms": base64}``."""
    kind, value = next(iter(reference.items()))
    try:
        if kind == "secretsmanager":
            return str(client("secretsmanager").get_secret_value(SecretId=value)["SecretString"])
        data = client("kms").decrypt(CiphertextBlob=base64.b64decode(value), EncryptionContext=_CONTEXT)
        return bytes(data["Plaintext"]).decode()
    except ImportError:
        raise
    except Exception as problem:
        name = value if kind == "secretsmanager" else "that the payload wraps"
        raise SecretError(
            f"the secret {name!r} cannot be had from {kind} ({error_code(problem) or type(problem).__name__}): check "
            "its name, and that the function's role may read it"
        ) from None


def wrap(secret: str, key: str) -> dict[str, str]:
    """The reference that carries `secret`, encrypted under the KMS key `key`."""
    data = client("kms").encrypt(KeyId=key, Plaintext=secret.encode(), EncryptionContext=_CONTEXT)
    return {"kms": base64.b64encode(data["CiphertextBlob"]).decode()}


def job_secret(reference: dict[str, str], job: str) -> str:
    """The 64 hex digits that the ranks of this job share."""
    return hmac.new(plain(reference).encode(), b"weft job " + job.encode(), hashlib.sha256).hexdigest()
