"""The official model-signing tool and this package take and refuse the same signatures."""

from __future__ import annotations

import base64
import hashlib
import json
import runpy
import shutil
import sys
from typing import TYPE_CHECKING
from unittest import mock

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from model_store import Manifest, StoreError
from model_store.operations.starter import STARTER
from model_store.signing.bundle import signed_bytes
from model_store.signing.keys import PrivateKey, PublicKey
from model_store.signing.signatures import sign, verify_signature

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("model_signing", reason="the official tool comes with the dev extra")

CURVES = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
TAMPERINGS = {}


class Keys:
    """A pair of keys, and the files that the tool reads them from."""

    def __init__(self, directory: Path, curve: ec.EllipticCurve) -> None:
        self.key = PrivateKey(ec.generate_private_key(curve))
        self.private, self.public = directory / "private.pem", directory / "public.pem"
        self.private.write_bytes(self.key.pem())
        self.public.write_bytes(self.key.public.pem())


class Version:
    """A copy of the starter version."""

    def __init__(self, directory: Path) -> None:
        shutil.copytree(STARTER / "mnist" / "1", directory)
        self.path = directory
        self.signature = directory / "model.sig"

    def sign_here(self, keys: Keys) -> None:
        self.signature.write_bytes(sign(self.path, keys.key))

    def sign_there(self, keys: Keys) -> None:
        run_tool("sign", keys.private, self)

    def is_good_here(self, keys: Keys) -> bool:
        try:
            Manifest.read(self.path).verify(self.path)
            verify_signature(self.path, (PublicKey.read(keys.public),))
        except StoreError:
            return False
        return True

    def is_good_there(self, keys: Keys) -> bool:
        return 0 == run_tool("verify", keys.public, self, check=False)

    def change_bundle(self, edit) -> None:
        values = json.loads(self.signature.read_bytes())
        edit(values)
        self.signature.write_text(json.dumps(values))

    def change_statement(self, edit, keys: Keys) -> None:
        """Change what is signed, and sign it again."""

        def resign(values) -> None:
            envelope = values["dsseEnvelope"]
            statement = json.loads(base64.b64decode(envelope["payload"]))
            edit(statement)
            payload = json.dumps(statement).encode()
            envelope["payload"] = base64.b64encode(payload).decode()
            signature = keys.key.sign(signed_bytes(payload))
            envelope["signatures"][0]["sig"] = base64.b64encode(signature).decode()

        self.change_bundle(resign)


def run_tool(action: str, key: Path, version: Version, *, check: bool = True) -> int:
    """Run the tool's command line, in this process for speed; gives its exit code."""
    option = "--private_key" if action == "sign" else "--public_key"
    arguments = [action, "key", option, key, "--signature", version.signature, version.path]
    with (
        mock.patch.object(sys, "argv", ["model_signing", *map(str, arguments)]),
        pytest.raises(SystemExit) as caught,
    ):
        runpy.run_module("model_signing", run_name="__main__")
    code = caught.value.code or 0
    assert not (check and code)
    return code


@pytest.fixture
def keys(tmp_path) -> Keys:
    return Keys(tmp_path, CURVES["P-256"])


@pytest.fixture(params=["signed here", "signed by the tool"])
def version(request, tmp_path, keys) -> Version:
    version = Version(tmp_path / "version")
    if request.param == "signed here":
        version.sign_here(keys)
    else:
        version.sign_there(keys)
    return version


def tampering(change):
    """Name a way to make a signature bad."""
    TAMPERINGS[change.__name__.replace("_", " ")] = change
    return change


@tampering
def a_file_is_changed(version, _keys):
    with (version.path / "variables/variables.index").open("ab") as stream:
        stream.write(b"!")


@tampering
def a_file_is_changed_and_the_manifest_with_it(version, keys):
    a_file_is_changed(version, keys)
    text = Manifest.of(version.path).model_dump_json()
    (version.path / "manifest.json").write_text(text)


@tampering
def a_file_is_added(version, _keys):
    (version.path / "variables/more").write_text("more")


@tampering
def a_file_is_added_to_the_manifest_as_well(version, keys):
    a_file_is_added(version, keys)
    text = Manifest.of(version.path).model_dump_json()
    (version.path / "manifest.json").write_text(text)


@tampering
def a_file_is_removed(version, _keys):
    (version.path / "fingerprint.pb").unlink()


@tampering
def a_file_is_renamed(version, _keys):
    (version.path / "fingerprint.pb").rename(version.path / "fingerprint2.pb")


@tampering
def a_link_is_added(version, _keys):
    (version.path / "link").symlink_to("saved_model.pb")


@tampering
def the_signature_is_gone(version, _keys):
    version.signature.unlink()


@tampering
def the_signature_is_empty(version, _keys):
    version.signature.write_text("")


@tampering
def the_signature_is_no_json(version, _keys):
    version.signature.write_text("signed, me")


@tampering
def the_key_is_another(_version, keys):
    keys.public.write_bytes(PrivateKey.make().public.pem())


@tampering
def the_hint_is_of_another_key(version, _keys):
    hint = {"hint": PrivateKey.make().public.id}
    version.change_bundle(lambda values: values["verificationMaterial"].update(publicKey=hint))


@tampering
def the_signature_is_of_another_key(version, _keys):
    def edit(values):
        payload = base64.b64decode(values["dsseEnvelope"]["payload"])
        signature = PrivateKey.make().sign(signed_bytes(payload))
        values["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(signature).decode()

    version.change_bundle(edit)


@tampering
def the_payload_is_changed(version, _keys):
    def edit(values):
        payload = base64.b64decode(values["dsseEnvelope"]["payload"]) + b" "
        values["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()

    version.change_bundle(edit)


@tampering
def the_bundle_is_of_another_version_of_the_format(version, _keys):
    kind = "application/vnd.dev.sigstore.bundle+json;version=0.2"
    version.change_bundle(lambda values: values.update(mediaType=kind))


@tampering
def the_payload_is_of_another_type(version, _keys):
    version.change_bundle(lambda v: v["dsseEnvelope"].update(payloadType="application/json"))


@tampering
def the_bundle_has_no_envelope(version, _keys):
    version.change_bundle(lambda values: values.pop("dsseEnvelope"))


@tampering
def the_envelope_has_no_signature(version, _keys):
    version.change_bundle(lambda values: values["dsseEnvelope"].update(signatures=[]))


@tampering
def the_bundle_says_more_than_the_format_knows(version, _keys):
    version.change_bundle(lambda values: values.update(more=1))


@tampering
def the_statement_is_of_another_type(version, keys):
    version.change_statement(lambda v: v.update(_type="https://in-toto.io/Statement/v0.1"), keys)


@tampering
def the_predicate_is_of_another_type(version, keys):
    kind = "https://slsa.dev/provenance/v1"
    version.change_statement(lambda values: values.update(predicateType=kind), keys)


@tampering
def a_file_is_not_covered(version, keys):
    def edit(values):
        resources = values["predicate"]["resources"]
        del resources[3]
        digests = "".join(resource["digest"] for resource in resources)
        found = hashlib.sha256(bytes.fromhex(digests)).hexdigest()
        values["subject"][0]["digest"]["sha256"] = found

    version.change_statement(edit, keys)


@tampering
def the_subject_is_not_the_sum_of_its_files(version, keys):
    version.change_statement(lambda v: v["predicate"]["resources"].reverse(), keys)


@tampering
def there_are_two_subjects(version, keys):
    version.change_statement(lambda values: values.update(subject=values["subject"] * 2), keys)


@tampering
def files_are_cut_in_an_unknown_way(version, keys):
    def edit(values):
        values["predicate"]["serialization"]["method"] = "slices"

    version.change_statement(edit, keys)


@pytest.mark.parametrize("curve", CURVES)
def test_the_tool_takes_what_is_signed_here(curve, tmp_path):
    """On every curve that the format has."""
    version, keys = Version(tmp_path / "version"), Keys(tmp_path, CURVES[curve])
    version.sign_here(keys)

    assert version.is_good_there(keys)


@pytest.mark.parametrize("curve", CURVES)
def test_what_the_tool_signs_is_taken_here(curve, tmp_path):
    """On every curve that the format has."""
    version, keys = Version(tmp_path / "version"), Keys(tmp_path, CURVES[curve])
    version.sign_there(keys)

    assert version.is_good_here(keys)


@pytest.mark.parametrize("name", TAMPERINGS)
def test_what_the_tool_refuses_is_refused_here(name, version, keys):
    """Whoever signed it."""
    assert (True, True) == (version.is_good_here(keys), version.is_good_there(keys))

    TAMPERINGS[name](version, keys)

    assert (False, False) == (version.is_good_here(keys), version.is_good_there(keys))


def test_files_that_the_tool_leaves_out_are_not_signed(tmp_path, keys):
    """It covers none of git's; a version that has one is not covered whole."""
    version = Version(tmp_path / "version")
    (version.path / ".gitattributes").write_text("*.pb binary")
    (version.path / "manifest.json").write_text(Manifest.of(version.path).model_dump_json())
    version.sign_there(keys)

    assert (False, True) == (version.is_good_here(keys), version.is_good_there(keys))
