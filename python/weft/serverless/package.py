"""A script or a folder of scripts as files with a manifest: what a job runs, and nothing else.

The manifest is ``{"version":1,"files":{name:{"sha256":...,"bytes":...}}}``; its own SHA-256 is in the signed job.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Package", "PackageError", "check_name", "of_bytes", "pack", "parse_manifest", "unpack"]

#: Bounds of what is fetched by every rank at every start.
MAX_FILES = 2000
MAX_BYTES = 200 << 20
#: Never part of a program.
_SKIPPED = {"__pycache__", ".git", ".venv", ".mypy_cache", ".pytest_cache", ".ruff_cache"}


class PackageError(ValueError):
    """Files that cannot be a job's, or that are not the ones that the job names."""


@dataclass(frozen=True)
class Package:
    """Files by name, and the manifest's bytes, whose hash goes into the signed job."""

    files: dict[str, bytes]
    manifest: bytes

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.manifest).hexdigest()


def check_name(name: Any) -> str:
    """`name` if it is a path below the package; PackageError otherwise."""
    if not isinstance(name, str) or not 0 < len(name) <= 512 or "\\" in name or "\0" in name:
        raise PackageError(f"package: {name!r} is no file name")
    if name.startswith("/") or any(part in ("", ".", "..") for part in name.split("/")):
        raise PackageError(f"package: {name!r}: names are relative, without '.', '..' and '//'")
    return name


def of_bytes(files: dict[str, bytes]) -> Package:
    """The package of these files."""
    if len(files) > MAX_FILES or sum(map(len, files.values())) > MAX_BYTES:
        raise PackageError(
            f"package: {len(files)} files of {sum(map(len, files.values()))} bytes; at most {MAX_FILES} files and "
            f"{MAX_BYTES >> 20} MiB: put data on S3 and name it by --input"
        )
    entries = {
        check_name(name): {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        for name, content in sorted(files.items())
    }
    manifest = json.dumps({"version": 1, "files": entries}, sort_keys=True, separators=(",", ":"))
    return Package(files, manifest.encode())


def pack(path: Path) -> tuple[Package, str | None]:
    """The package of one script, and the script's name; or that of a folder, and None. Links out of it are refused."""
    if path.is_file():
        return of_bytes({path.name: path.read_bytes()}), path.name
    if not path.is_dir():
        raise FileNotFoundError(f"there is no script or folder {str(path)!r}")
    root = path.resolve()
    files: dict[str, bytes] = {}
    for folder, names, leaves in os.walk(root):
        names[:] = sorted(name for name in names if name not in _SKIPPED)
        for leaf in (*names, *leaves):
            entry = Path(folder, leaf)
            if entry.is_symlink() and not entry.resolve().is_relative_to(root):
                raise PackageError(f"package: {str(entry)!r} is a link out of the folder")
        for leaf in leaves:
            entry = Path(folder, leaf)
            if leaf.endswith(".pyc"):
                continue
            if not stat.S_ISREG(entry.stat().st_mode):
                raise PackageError(f"package: {str(entry)!r} is no regular file")
            files[entry.relative_to(root).as_posix()] = entry.read_bytes()
    if not files:
        raise PackageError(f"package: there is no file in {str(path)!r}")
    return of_bytes(files), None


def parse_manifest(data: bytes, digest: str) -> dict[str, dict[str, Any]]:
    """The entries by file name; PackageError where the manifest is not the one that was signed, or is none."""
    if hashlib.sha256(data).hexdigest() != digest:
        raise PackageError("package: the manifest is not the one that the signed job names; submit the job again")
    try:
        value = json.loads(data)
        files = value["files"]
        if value["version"] != 1 or not isinstance(files, dict) or len(files) > MAX_FILES:
            raise ValueError("version or files")
        for name, entry in files.items():
            check_name(name)
            if len(entry["sha256"]) != 64 or not 0 <= entry["bytes"] <= MAX_BYTES:
                raise ValueError(name)
    except (ValueError, KeyError, TypeError, UnicodeDecodeError) as problem:
        raise PackageError(f"package: the manifest is damaged: {problem}") from None
    return files


def unpack(entries: dict[str, dict[str, Any]], fetch: Callable[[str], bytes], folder: Path) -> None:
    """Writes each file of the manifest into the new directory `folder`; what has another hash is refused."""
    folder.mkdir(parents=True)
    for name, entry in entries.items():
        content = fetch(check_name(name))
        if len(content) != entry["bytes"] or hashlib.sha256(content).hexdigest() != entry["sha256"]:
            raise PackageError(f"package: {name!r} is not the file that the manifest names; submit the job again")
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
