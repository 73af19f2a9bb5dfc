"""Signatures over a promotion: the model's files, its record, the promotion's, and the ledger's head at that moment.

They are made with an elliptic key of the user's by the OpenSSF's `model-signing`, offline, and lie in
``records/signatures/``. What is signed is a folder that is put together from the archive, so nothing is kept twice.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from outcrop.errors import RecordError
from outcrop.record.archives import SIGNATURES, Archive
from outcrop.record.drafts import drafted, write_whole
from outcrop.record.ledger import Head, check_head
from outcrop.record.records import Record

#: The files of a model that are signed, where its record names them.
SIGNED = ("weights.safetensors", "model.json")
KEY_REMEDY = "make one with `openssl ecparam -genkey -name prime256v1 -noout -out signing.pem`"


@dataclass(frozen=True)
class Statement:
    """What is signed beside the files: who, when, until when, and the ledger's head."""

    project: str
    promotion: str
    model: str
    signer: str
    signed: str
    expires: str
    length: int
    head: str


def fingerprint(key: Path, password: str | None = None) -> str:
    """SHA-256 of the public half of a private key, or of a public key, both PEM.

    Raises
    ------
    RecordError : the file holds no elliptic key that can be used.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

    try:
        content = key.read_bytes()
        if b"PRIVATE KEY" in content:
            private = serialization.load_pem_private_key(content, password.encode() if password else None)
            public = private.public_key() if isinstance(private, EllipticCurvePrivateKey) else None
        else:
            public = serialization.load_pem_public_key(content)  # type: ignore[assignment]
    except (OSError, ValueError, TypeError) as cause:
        raise RecordError("this is no key that can be read", where=key, remedy=KEY_REMEDY) from cause
    if not isinstance(public, EllipticCurvePublicKey):
        raise RecordError("this is no elliptic key", where=key, remedy=KEY_REMEDY)
    encoding, kind = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return sha256(public.public_bytes(encoding, kind)).hexdigest()


def sign(
    archive: Archive, promotion: str, files: dict[str, Path], key: Path, days: int, password: str | None = None
) -> Path:
    """Sign a promotion and the model that it is of; gives the signature's file.

    Parameters
    ----------
    promotion : id of its record
    files : the model's, by name
    key : private, PEM, on the curve P-256, P-384 or P-521
    days : after so many the signature expires

    Raises
    ------
    RecordError : the key cannot be used, or a file cannot be read or written.
    """
    from model_signing import signing

    record, now, head = archive.read(promotion), datetime.now(UTC), archive.head()
    expires = (now + timedelta(days=days)).isoformat(timespec="seconds")
    said = Statement(
        archive.project,
        promotion,
        record.inputs["challenger"],
        fingerprint(key, password),
        now.isoformat(timespec="seconds"),
        expires,
        head.length,
        head.hash,
    )
    statement, signature = _places(archive, promotion)
    write_whole(statement, json.dumps(vars(said), indent=1), "statement")
    with _assembled(archive, promotion, record, files) as folder, drafted(signature, "signature") as draft:
        signer = signing.Config().use_elliptic_key_signer(  # type: ignore[no-untyped-call]
            private_key=key, password=password
        )
        signer.sign(folder, draft)
    return signature


def check_signature(archive: Archive, promotion: str, files: dict[str, Path], key: Path) -> Iterator[str]:
    """What is wrong with the signature of a promotion, in words; ``key`` is the public one that must have signed."""
    from cryptography.exceptions import InvalidSignature
    from model_signing import verifying

    statement, signature = _places(archive, promotion)
    record = archive.read(promotion)
    try:
        said = Statement(**json.loads(statement.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        yield "the signature is absent" if not statement.is_file() else "the signed statement cannot be read"
        return
    if not signature.is_file():
        yield "the signature is absent"
        return
    try:
        with _assembled(archive, promotion, record, files) as folder:
            verifier = verifying.Config().use_elliptic_key_verifier(public_key=key)  # type: ignore[no-untyped-call]
            verifier.verify(folder, signature)
    except InvalidSignature:
        yield "the signature was not made with this key"
    except (ValueError, OSError, KeyError, TypeError) as cause:
        wrong = "Key mismatch" in str(cause)
        yield "the signature was made with another key" if wrong else f"the signature does not hold: {cause}"
    if (said.project, said.promotion, said.model) != (archive.project, promotion, record.inputs["challenger"]):
        yield "the signature is of another promotion"
    if datetime.now(UTC) > datetime.fromisoformat(said.expires):
        yield f"the signature expired on {said.expires[:10]}"
    yield from check_head(archive.ledger.readable(), Head(said.length, said.head), "the signature")


def _places(archive: Archive, promotion: str) -> tuple[Path, Path]:
    folder = archive.folder / SIGNATURES
    return folder / f"{promotion}.json", folder / f"{promotion}.sig"


@contextmanager
def _assembled(archive: Archive, promotion: str, record: Record, files: dict[str, Path]) -> Iterator[Path]:
    """The folder that is signed."""
    with TemporaryDirectory() as parent:
        folder = Path(parent) / "model"
        folder.mkdir()
        shutil.copyfile(_places(archive, promotion)[0], folder / "statement.json")
        shutil.copyfile(archive.place(promotion), folder / "promotion.json")
        shutil.copyfile(archive.place(record.inputs["challenger"]), folder / "record.json")
        for name, path in files.items():
            shutil.copyfile(path, folder / name)
        yield folder
