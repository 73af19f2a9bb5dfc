"""The frozen parameters of the simulator, as one number: no result may be improved by changing them unseen."""

import hashlib
from pathlib import Path

#: What the parameters are written in.
KINDS = (".csv", ".yaml")


def parameters_digest() -> str:
    """SHA-256 over the names and bytes of the simulator's tables, in the order of their names."""
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.suffix in KINDS):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
