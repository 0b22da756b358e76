"""A version is taken for signed only if a trusted key signed exactly what its manifest lists."""

from __future__ import annotations

import base64
import hashlib
import json
import re

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from model_store import SignatureError, StoreError
from model_store.base.json_documents import MAX_DOCUMENT_BYTES
from model_store.signing.bundle import signed_bytes
from model_store.signing.keys import PrivateKey
from model_store.signing.signatures import sign, sign_with, verify_signature

KEY = PrivateKey.make()
OTHER = PrivateKey.make()
NOT_A_SIGNATURE = "is no signature in the model-signing format"


@pytest.fixture
def version(store, publish):
    """Return the directory of a version that KEY signed when it was published."""
    with store.draft("mnist") as draft:
        publish.fill(draft.path)
        number = draft.commit(publish.description, sign_with(KEY))
    return store.path("mnist", number)


@pytest.fixture
def bundle(version):
    """Return a function that changes the bundle of the version."""

    def change(edit) -> None:
        path = version / "model.sig"
        values = json.loads(path.read_bytes())
        edit(values)
        path.write_text(json.dumps(values))

    return change


@pytest.fixture
def statement(bundle):
    """Return a function that changes the statement of the version, and signs it again."""

    def change(edit, key=KEY) -> None:
        def resign(values) -> None:
            envelope = values["dsseEnvelope"]
            known = json.loads(base64.b64decode(envelope["payload"]))
            edit(known)
            payload = json.dumps(known).encode()
            envelope["payload"] = base64.b64encode(payload).decode()
            signature = key.sign(signed_bytes(payload))
            envelope["signatures"][0]["sig"] = base64.b64encode(signature).decode()

        bundle(resign)

    return change


@pytest.fixture
def refusal(version):
    """Return a function that verifies, and returns the message about the file at fault."""

    def verify(name: str = "model.sig", keys=(KEY.public,)) -> str:
        with pytest.raises(SignatureError, match=re.escape(f"{version / name}: ")) as caught:
            verify_signature(version, keys)
        return str(caught.value).removeprefix(f"{version / name}: ")

    return verify


def digest_of(values) -> None:
    """Make a statement's subject agree with its resources again."""
    digests = "".join(r["digest"] for r in values["predicate"]["resources"])
    found = hashlib.sha256(bytes.fromhex(digests)).hexdigest()
    values["subject"][0]["digest"]["sha256"] = found


def test_a_signed_version_is_accepted(store, version):
    """It is whole, it is signed by one of the keys, and the answer says by which."""
    store.verify("mnist", 1)

    assert KEY.public is verify_signature(version, (OTHER.public, KEY.public))


@pytest.mark.parametrize("curve", [ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_other_curves_sign_as_well(store, version, curve):
    """The curve decides how the message is hashed."""
    key = PrivateKey(ec.generate_private_key(curve))

    store.add_signature("mnist", 1, sign(version, key))

    assert key.public is verify_signature(version, (key.public,))


def test_a_signature_without_a_hint_is_tried_with_every_key(version, bundle, refusal):
    """Older signers leave it out."""
    bundle(lambda values: values["verificationMaterial"].update(publicKey={}))

    assert KEY.public is verify_signature(version, (OTHER.public, KEY.public))
    assert f"is no good signature of its payload by the key {OTHER.public.id[:12]}…" == refusal(
        keys=(OTHER.public,)
    )


def test_an_unsigned_version_is_refused(version, refusal):
    """Whatever its manifest says."""
    (version / "model.sig").unlink()

    assert "is missing: the version is not signed" == refusal()


def test_a_version_signed_by_another_key_is_refused(refusal):
    """The sentence names both keys, so that one can tell an old key from a stranger's."""
    found = refusal(keys=(OTHER.public,))

    signer, trusted = KEY.public.id[:12], OTHER.public.id[:12]
    assert f"is by the key '{signer}', which is none of those trusted: {trusted}…" == found


def test_without_a_trusted_key_nothing_is_accepted(refusal):
    """No key is not every key."""
    assert "none of those trusted: " in refusal(keys=())


def test_a_hint_proves_nothing(bundle, refusal):
    """Whoever names a trusted key must have it."""
    hint = OTHER.public.id
    bundle(lambda values: values["verificationMaterial"]["publicKey"].update(hint=hint))

    found = refusal(keys=(KEY.public, OTHER.public))

    assert f"is no good signature of its payload by the key {hint[:12]}…" == found


def test_a_changed_payload_is_refused(bundle, refusal):
    """A signature is over every byte of it."""

    def add_a_space(values) -> None:
        payload = base64.b64decode(values["dsseEnvelope"]["payload"]) + b" "
        values["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()

    bundle(add_a_space)

    assert refusal().startswith("is no good signature of its payload")


@pytest.mark.parametrize("name", ["metadata.json", "variables/variables.index", "manifest.json"])
def test_a_file_that_is_not_covered_is_refused(name, statement, refusal):
    """All of the version is signed, or it is not signed."""

    def leave_out(values) -> None:
        resources = values["predicate"]["resources"]
        values["predicate"]["resources"] = [r for r in resources if r["name"] != name]
        digest_of(values)

    statement(leave_out)

    assert "is not covered by the signature" == refusal(name)


def test_a_file_that_only_the_signature_knows_is_refused(statement, refusal):
    """It is another version's signature, or a file has gone."""

    def add(values) -> None:
        resources = values["predicate"]["resources"]
        resources.append(resources[0] | {"name": "weights.bin"})
        digest_of(values)

    statement(add)

    assert "is covered by the signature but not in the manifest" == refusal("weights.bin")


def test_a_file_is_covered_once(statement, refusal):
    """Of two digests for a file, each reader could believe another one."""

    def twice(values) -> None:
        values["predicate"]["resources"] *= 2
        digest_of(values)

    statement(twice)

    assert "covers a file more than once" == refusal()


def test_another_content_is_refused(statement, refusal):
    """The manifest's digest of a file is not the signed one."""

    def change(values) -> None:
        for resource in values["predicate"]["resources"]:
            if resource["name"] == "saved_model.pb":
                resource["digest"] = "ab" * 32
        digest_of(values)

    statement(change)

    assert refusal("saved_model.pb").endswith("…; the signature says abababababab…")


def test_the_signature_of_another_version_is_refused(store, publish, version, refusal):
    """A good signature does not make other files good."""
    publish()
    (version / "model.sig").write_bytes(sign(store.path("mnist", 2), KEY))

    assert "…; the signature says " in refusal("manifest.json")


def test_a_manifest_made_anew_is_refused(version, refusal):
    """A stranger can make a manifest that agrees with changed files, but not sign it."""
    values = json.loads((version / "manifest.json").read_text())
    (version / "manifest.json").write_text(json.dumps(values))

    assert "…; the signature says " in refusal("manifest.json")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "Invalid JSON"),
        (b"[]", "Input should be an object"),
        (b"\xff{}", "Invalid JSON"),
        (b"{}", "field mediaType: Field required"),
        (b"[" * 100_000, "Invalid JSON"),
        (
            b" " * (MAX_DOCUMENT_BYTES + 1),
            "cannot be read: it is 4194305 bytes long; at most 4194304 are read",
        ),
    ],
    ids=["empty", "a list", "no UTF-8", "an empty object", "deep", "huge"],
)
def test_what_is_no_bundle_is_refused(text, problem, version, refusal):
    """The sentence says what was found; nothing is parsed that is larger than a bundle can be."""
    (version / "model.sig").write_bytes(text)

    assert refusal().startswith(f"{NOT_A_SIGNATURE}: {problem}")


MATERIAL = "verificationMaterial"
ENVELOPE = "dsseEnvelope"
SIGNATURE = {"sig": "AAAA", "keyid": ""}


@pytest.mark.parametrize(
    ("where", "value", "problem"),
    [
        (("mediaType",), "text/plain", "mediaType: Input should be 'application/vnd.dev.sigstore."),
        ((MATERIAL,), {}, f"{MATERIAL}.publicKey: Field required"),
        ((MATERIAL,), {"certificate": {}}, f"{MATERIAL}: holds a certificate; a signature"),
        ((MATERIAL, "publicKey", "hint"), 3, f"{MATERIAL}.publicKey.hint: Input should be a val"),
        ((ENVELOPE,), {}, f"{ENVELOPE}.payload: Field required"),
        ((ENVELOPE, "payload"), "###", f"{ENVELOPE}.payload: base64 text is expected"),
        ((ENVELOPE, "payload"), 7, f"{ENVELOPE}.payload: base64 text is expected"),
        ((ENVELOPE, "payloadType"), "x", f"{ENVELOPE}.payloadType: Input should be 'application/"),
        ((ENVELOPE, "signatures"), [], f"{ENVELOPE}.signatures.0: Field required"),
        ((ENVELOPE, "signatures"), [SIGNATURE] * 2, f"{ENVELOPE}.signatures: Tuple should have"),
        ((ENVELOPE, "signatures"), [{}], f"{ENVELOPE}.signatures.0.sig: Field required"),
        (("more",), 1, "more: Extra inputs are not permitted (found 1)"),
    ],
)
def test_a_malformed_bundle_names_the_field(where, value, problem, bundle, refusal):
    """And says what was found and what is expected."""

    def put(values) -> None:
        for name in where[:-1]:
            values = values[name]
        values[where[-1]] = value

    bundle(put)

    assert refusal().startswith(f"{NOT_A_SIGNATURE}: field {problem}")


@pytest.mark.parametrize(
    ("where", "value", "problem"),
    [
        (("_type",), "x", "_type: Input should be 'https://in-toto.io/Statement/v1' (found 'x')"),
        (
            ("predicateType",),
            "https://slsa.dev/provenance/v1",
            "predicateType: Input should be 'https://model_signing/signature/v1.0' (found 'https://",
        ),
        (("subject",), [], "subject.0: Field required"),
        (("predicate",), {}, "predicate.serialization: Field required"),
        (
            ("predicate", "serialization", "method"),
            "shards",
            "predicate.serialization.method: Input should be 'files' (found 'shards')",
        ),
        (
            ("predicate", "serialization", "hash_type"),
            "blake3",
            "predicate.serialization.hash_type: Input should be 'sha256' (found 'blake3')",
        ),
        (
            ("predicate", "resources", 0, "algorithm"),
            "md5",
            "predicate.resources.0.algorithm: Input should be 'sha256' (found 'md5')",
        ),
        (
            ("predicate", "resources", 0, "digest"),
            "xyz",
            "predicate.resources.0.digest: String should match pattern",
        ),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_another_statement_is_refused_though_it_is_signed(
    where, value, problem, statement, refusal
):
    """A trusted key may sign other things than versions."""

    def put(values) -> None:
        for name in where[:-1]:
            values = values[name]
        values[where[-1]] = value

    statement(put)

    assert refusal().startswith(f"{NOT_A_SIGNATURE}: field {ENVELOPE}.payload.{problem}")


def test_a_statement_that_contradicts_itself_is_refused(statement, refusal):
    """The digest of the whole is that of the parts, in their order."""
    statement(lambda values: values["predicate"]["resources"].reverse())

    found = refusal()
    assert found.startswith(f"{NOT_A_SIGNATURE}: field {ENVELOPE}.payload: the subj")


def test_a_signed_payload_that_is_no_json_is_refused(bundle, refusal):
    """A trusted key may sign anything."""

    def put(values) -> None:
        envelope = values[ENVELOPE]
        envelope["payload"] = base64.b64encode(b"plain text").decode()
        signature = KEY.sign(signed_bytes(b"plain text"))
        envelope["signatures"][0]["sig"] = base64.b64encode(signature).decode()

    bundle(put)

    assert refusal().startswith(f"{NOT_A_SIGNATURE}: field {ENVELOPE}.payload: Invalid JSON")


def test_more_than_the_format_asks_may_be_signed(version, statement):
    """Later versions of the format add to the predicate."""
    statement(lambda values: values["predicate"].update(model_card="README.md"))

    verify_signature(version, (KEY.public,))


def test_a_damaged_version_is_not_signed(version):
    """A signature says that the manifest is right."""
    (version / "manifest.json").write_text("{}")

    with pytest.raises(StoreError, match=r"manifest\.json: field files: Field required"):
        sign(version, KEY)
