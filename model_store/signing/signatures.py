"""Sign a version, and check a version's signature, as the official model-signing tool does.

The signature covers every file of the version, the manifest among them. A check compares it with
the manifest; that the files are those of the manifest is `Manifest.verify`'s to say.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from model_store.base.errors import InvalidDocumentError, SignatureError
from model_store.base.json_documents import parse_document, read_bytes, read_document
from model_store.signing.bundle import Bundle, Resource, Statement, signed_bytes
from model_store.version.manifest import MANIFEST, SIGNATURE, Manifest
from model_store.version.metadata import METADATA, Metadata

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from model_store.signing.keys import PrivateKey, PublicKey
    from model_store.version.drafts import SignHook


def sign_with(key: PrivateKey) -> SignHook:
    """Return the hook that signs a draft when it is finished."""
    return partial(_write_signature, key)


def sign(directory: Path, key: PrivateKey) -> bytes:
    """Return the signature of a version whose files are those of its manifest.

    Raises:
        InvalidDocumentError, CorruptVersionError: If the manifest or the metadata is broken.
    """
    metadata = read_document(directory / METADATA, Metadata)
    resources = tuple(
        Resource(name=name, algorithm="sha256", digest=digest)
        for name, digest in sorted(_digests(directory).items(), key=_place)
    )
    statement = Statement.of(f"{metadata.model}/{metadata.version}", resources, (SIGNATURE,))
    payload = statement.model_dump_json(by_alias=True).encode()
    bundle = Bundle.of(payload, key.sign(signed_bytes(payload)), key.public.id)
    return bundle.model_dump_json(by_alias=True, exclude_none=True).encode()


def verify_signature(directory: Path, keys: Collection[PublicKey]) -> PublicKey:
    """Check that a version is signed with one of the keys, exactly as its manifest lists it.

    Returns:
        The key whose signature it is.

    Raises:
        SignatureError: If it is not signed, or by another key, or its signature is malformed or
            covers other files or other content.
        InvalidDocumentError, CorruptVersionError: If the manifest is broken.
    """
    path = directory / SIGNATURE
    if not os.path.lexists(path):
        raise SignatureError(path, "is missing: the version is not signed")
    with _explained(path):
        bundle = read_document(path, Bundle)
    signer = _signer(path, bundle, keys)
    with _explained(path, "dsseEnvelope.payload"):
        statement = parse_document(path, bundle.dsse_envelope.payload, Statement)
    _compare(directory, statement.predicate.resources)
    return signer


def _write_signature(key: PrivateKey, draft: Path) -> None:
    (draft / SIGNATURE).write_bytes(sign(draft, key))


def _signer(path: Path, bundle: Bundle, keys: Collection[PublicKey]) -> PublicKey:
    """Find the key whose signature it is; the hint only says which one to try."""
    hint = bundle.verification_material.public_key.hint or ""
    hinted = [key for key in keys if hint in ("", key.id)]
    if not hinted:
        problem = f"is by the key {hint[:12]!r}, which is none of those trusted: {_names(keys)}"
        raise SignatureError(path, problem)
    (signature,) = bundle.dsse_envelope.signatures
    message = signed_bytes(bundle.dsse_envelope.payload)
    for key in hinted:
        if key.verifies(signature.sig, message):
            return key
    raise SignatureError(path, f"is no good signature of its payload by the key {_names(hinted)}")


def _names(keys: Iterable[PublicKey]) -> str:
    return " or ".join(str(key) for key in keys)


def _compare(directory: Path, resources: Sequence[Resource]) -> None:
    listed = _digests(directory)
    covered = {resource.name: resource.digest for resource in resources}
    if len(covered) != len(resources):
        raise SignatureError(directory / SIGNATURE, "covers a file more than once")
    for name in sorted(listed.keys() - covered.keys()):
        raise SignatureError(directory / name, "is not covered by the signature")
    for name in sorted(covered.keys() - listed.keys()):
        raise SignatureError(
            directory / name, "is covered by the signature but not in the manifest"
        )
    for name, digest in sorted(listed.items()):
        if digest != covered[name]:
            problem = f"has SHA-256 {digest[:12]}…; the signature says {covered[name][:12]}…"
            raise SignatureError(directory / name, problem)


def _digests(directory: Path) -> dict[str, str]:
    """Return path -> SHA-256 of every file: those of the manifest, and the manifest itself."""
    digests = {entry.path: entry.sha256 for entry in Manifest.read(directory).files}
    return digests | {MANIFEST: hashlib.sha256(read_bytes(directory / MANIFEST)).hexdigest()}


def _place(item: tuple[str, str]) -> PurePosixPath:
    """Sort as the format does: by the parts of the path."""
    return PurePosixPath(item[0])


@contextlib.contextmanager
def _explained(path: Path, prefix: str = "") -> Iterator[None]:
    try:
        yield
    except InvalidDocumentError as exc:
        field = ".".join(filter(None, (prefix, exc.field)))
        where = f"field {field}: " if field else ""
        raise SignatureError(
            path, f"is no signature in the model-signing format: {where}{exc.problem}"
        ) from exc
