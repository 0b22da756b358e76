"""Commands that make keys and sign versions, and the option that checks signatures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from model_store.cli.options import examples, json_option, model_option, store_option
from model_store.cli.printing import print_json
from model_store.signing.key_paths import key_paths
from model_store.signing.signatures import sign as sign_version

if TYPE_CHECKING:
    from model_store.signing.keys import PublicKey
    from model_store.stores.protocol import Store


def _read_keys(
    _ctx: click.Context, _param: click.Parameter, texts: tuple[str, ...]
) -> tuple[PublicKey, ...]:
    if not texts:
        return ()
    from model_store.signing.keys import read_public_keys  # noqa: PLC0415 - slow, and seldom needed

    try:
        paths = key_paths(",".join(texts))
    except ValueError as exc:
        raise click.BadParameter(str(exc)) from exc
    return read_public_keys(paths)


public_key_option = click.option(
    "--public-key",
    "keys",
    envvar="GLYPH_PUBLIC_KEYS",
    show_envvar=True,
    multiple=True,
    type=click.Path(),
    callback=_read_keys,
    help="PEM file; a version must be signed with one of the keys given.",
)


@click.command(epilog=examples("sign 3 --key keys/private.pem"))
@click.argument("version", type=int)
@click.option(
    "--key",
    envvar="GLYPH_SIGNING_KEY",
    show_envvar=True,
    required=True,
    type=click.Path(path_type=Path),
    help="PEM file with the private key.",
)
@store_option
@model_option
@json_option
def sign(version: int, key: Path, store: Store, model: str, *, as_json: bool) -> None:
    """Sign VERSION, after its digests were recomputed; a signature that is there is replaced."""
    from model_store.signing.keys import PrivateKey  # noqa: PLC0415 - slow, and seldom needed

    private = PrivateKey.read(key)
    store.verify(model, version)
    store.add_signature(model, version, sign_version(store.fetch(model, version), private))
    if as_json:
        print_json({"version": version, "signed_by": private.public.id})
    else:
        click.echo(f"{model} {version}: signed by {private.public}")


@click.command(epilog=examples("keygen --out keys"))
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory to write them into; it is made if need be.",
)
@json_option
def keygen(out: Path, *, as_json: bool) -> None:
    """Make a pair of keys: one that signs versions, and the public one for servers."""
    from model_store.signing import keys  # noqa: PLC0415 - slow, and seldom needed

    public = keys.write_pair(out)
    private_path, public_path = out / keys.PRIVATE_KEY, out / keys.PUBLIC_KEY
    if as_json:
        written = {"private": str(private_path), "public": str(public_path)}
        print_json({"key": public.id} | written)
        return
    click.echo(f"key {public}")
    click.echo(f"  to sign with, for nobody else   {private_path}")
    click.echo(f"  for servers, GLYPH_PUBLIC_KEYS  {public_path}")


COMMANDS = (sign, keygen)
