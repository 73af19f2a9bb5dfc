"""Digests: of bytes, of files and folders, of plain values, and of the code that a step uses."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

CHUNK = 1 << 20


def digest_value(value: Any) -> str:
    """SHA-256 of a JSON-able value; the order of keys does not matter."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return digest_bytes(text.encode())


def digest_bytes(content: bytes) -> str:
    """SHA-256 of some bytes."""
    return hashlib.sha256(content).hexdigest()


def digest_file(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def digest_folder(folder: Path) -> str:
    """SHA-256 over the relative names and digests of all files below ``folder``."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return digest_value([[path.relative_to(folder).as_posix(), digest_file(path)] for path in files])


def digest_files(paths: Iterable[Path], root: Path) -> str:
    """SHA-256 over some files' names relative to ``root`` and their digests."""
    return digest_value(sorted([path.relative_to(root).as_posix(), digest_file(path)] for path in paths))
