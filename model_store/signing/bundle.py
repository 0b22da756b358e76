"""A signature as the OpenSSF model-signing format has it.

A Sigstore bundle holds a DSSE envelope, whose payload is an in-toto statement: the files of a model
and their digests. Nothing here says whose signature is good.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    model_validator,
)
from pydantic.alias_generators import to_camel

from model_store.base.json_documents import Sha256  # noqa: TC001 - pydantic needs it at run time

if TYPE_CHECKING:
    from collections.abc import Iterable

BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://model_signing/signature/v1.0"


def _decode(found: object) -> bytes:
    if isinstance(found, bytes):  # made here; JSON has none
        return found
    if not isinstance(found, str):
        raise ValueError("base64 text is expected")  # noqa: TRY004 - pydantic takes no TypeError
    try:
        return base64.b64decode(found, validate=True)
    except ValueError as exc:
        raise ValueError("base64 text is expected") from exc


Base64 = Annotated[
    bytes,
    BeforeValidator(_decode),
    PlainSerializer(lambda data: base64.b64encode(data).decode(), return_type=str),
]


class _Part(BaseModel):
    """Of the bundle, which is not signed: the tool that defines the format takes no more fields."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True
    )


class KeyHint(_Part):
    """Which key signed; says nothing that has to be believed."""

    model_config = ConfigDict(extra="ignore")  # older signatures hold the key itself

    hint: str | None = None
    """SHA-256 of the public key in PEM."""


class VerificationMaterial(_Part):
    """What a verifier needs beside its keys."""

    public_key: KeyHint
    tlog_entries: tuple[Any, ...] = ()
    timestamp_verification_data: Any = None

    @model_validator(mode="before")
    @classmethod
    def _is_of_a_key(cls, found: Any) -> Any:
        for kind in ("certificate", "x509CertificateChain"):
            if isinstance(found, dict) and kind in found:
                raise ValueError(f"holds a {kind}; a signature of a bare key is expected")
        return found


class EnvelopeSignature(_Part):
    """One signature of an envelope."""

    sig: Base64
    keyid: str | None = None


class Envelope(_Part):
    """A payload and the signature over it."""

    payload: Base64
    payload_type: Literal["application/vnd.in-toto+json"]
    signatures: tuple[EnvelopeSignature]


class Bundle(_Part):
    """The whole of model.sig."""

    media_type: Literal["application/vnd.dev.sigstore.bundle.v0.3+json"]
    verification_material: VerificationMaterial
    dsse_envelope: Envelope

    @classmethod
    def of(cls, payload: bytes, signature: bytes, key_id: str) -> Bundle:
        """Put a signed payload into a bundle."""
        return cls(
            media_type=BUNDLE_TYPE,
            verification_material=VerificationMaterial(public_key=KeyHint(hint=key_id)),
            dsse_envelope=Envelope(
                payload=payload,
                payload_type=PAYLOAD_TYPE,
                signatures=(EnvelopeSignature(sig=signature, keyid=""),),
            ),
        )


class _SignedPart(BaseModel):
    """Of the statement: whoever signed it may say more than this version of the format asks."""

    model_config = ConfigDict(frozen=True, extra="ignore", validate_by_name=True)


class Resource(_SignedPart):
    """One file; its name is a path relative to the model, with forward slashes."""

    name: str
    algorithm: Literal["sha256"]
    digest: Sha256


class Serialization(_SignedPart):
    """How a model became a list of resources."""

    method: Literal["files"]
    hash_type: Literal["sha256"]
    allow_symlinks: bool = False
    ignore_paths: tuple[str, ...] = ()


class Predicate(_SignedPart):
    """Every file that is covered, in the order that the subject's digest is over."""

    serialization: Serialization
    resources: tuple[Resource, ...]


class SubjectDigest(_SignedPart):
    """SHA-256 over the digests of all resources, one after the other."""

    sha256: Sha256


class Subject(_SignedPart):
    """The model as a whole; the name is for people."""

    name: str
    digest: SubjectDigest


class Statement(_SignedPart):
    """What is signed."""

    type: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    predicate_type: Literal["https://model_signing/signature/v1.0"] = Field(alias="predicateType")
    subject: tuple[Subject]
    predicate: Predicate

    @classmethod
    def of(cls, name: str, resources: tuple[Resource, ...], ignored: tuple[str, ...]) -> Statement:
        """State that a model of this name consists of these files, besides those ignored."""
        return cls(
            type=STATEMENT_TYPE,
            predicate_type=PREDICATE_TYPE,
            subject=(Subject(name=name, digest=SubjectDigest(sha256=_digest(resources))),),
            predicate=Predicate(
                serialization=Serialization(
                    method="files", hash_type="sha256", ignore_paths=ignored
                ),
                resources=resources,
            ),
        )

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if self.subject[0].digest.sha256 != _digest(self.predicate.resources):
            raise ValueError("the subject's digest is not that of the resources")
        return self


def signed_bytes(payload: bytes) -> bytes:
    """Return the bytes that an envelope's signature covers: payload, type and both lengths."""
    return b"DSSEv1 %d %s %d %s" % (
        len(PAYLOAD_TYPE),
        PAYLOAD_TYPE.encode(),
        len(payload),
        payload,
    )


def _digest(resources: Iterable[Resource]) -> str:
    return hashlib.sha256(bytes.fromhex("".join(r.digest for r in resources))).hexdigest()
