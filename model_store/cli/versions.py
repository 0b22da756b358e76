"""Commands that say which versions are loaded, and which of them is the default."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from model_store.cli.options import changing, examples, force_option, service_policy_option
from model_store.cli.printing import print_change
from model_store.control.version_policy import POLICY_FORMS, policy_of
from model_store.operations import operations

if TYPE_CHECKING:
    from model_store.stores.protocol import Store

UNSET = "default"


@click.command(
    epilog=examples('promote 4 --reason "better on sevens"', "promote 4 --force --model letters")
)
@click.argument("version", type=int)
@click.option("--force", is_flag=True, help="Even if it is quarantined or has not passed a trial.")
@service_policy_option
@changing
def promote(
    version: int,
    store: Store,
    model: str,
    reason: str | None,
    service_policy: str,
    *,
    force: bool,
    as_json: bool,
) -> None:
    """Make VERSION the default one, and stable.

    It is pinned only if need be: if another version is, or if the policy would choose another.
    """
    policy = policy_of(service_policy, model)
    change = operations.promote(store, model, version, force=force, policy=policy, reason=reason)
    print_change(store, model, change, as_json=as_json, policy=policy)


@click.command(epilog=examples('rollback --reason "slow"', "rollback --to 2"))
@click.option("--to", type=int, help="Version to go back to.  [default: the one before]")
@service_policy_option
@changing
def rollback(
    to: int | None,
    store: Store,
    model: str,
    reason: str | None,
    service_policy: str,
    *,
    as_json: bool,
) -> None:
    """Go back to the version before, and pin it.

    The version before is the newest one below the default version that passed a trial. What is
    published later does not take over until it is promoted, or the pin is taken away.
    """
    policy = policy_of(service_policy, model)
    change = operations.rollback(store, model, to, policy=policy, reason=reason)
    print_change(store, model, change, as_json=as_json, policy=policy)


@click.command(epilog=examples('pin 3 --reason "until the audit is over"'))
@click.argument("version", type=int)
@changing
def pin(version: int, store: Store, model: str, reason: str | None, *, as_json: bool) -> None:
    """Make VERSION the default one, whatever is published."""
    change = operations.pin(store, model, version, reason=reason)
    print_change(store, model, change, as_json=as_json)


@click.command(epilog=examples("unpin"))
@service_policy_option
@changing
def unpin(
    store: Store, model: str, reason: str | None, service_policy: str, *, as_json: bool
) -> None:
    """Let the policy choose the default version again."""
    change = operations.unpin(store, model, reason=reason)
    policy = policy_of(service_policy, model)
    print_change(store, model, change, as_json=as_json, policy=policy)


@click.command(epilog=examples('quarantine 4 --reason "confuses 4 and 9"'))
@click.argument("version", type=int)
@changing
def quarantine(
    version: int, store: Store, model: str, reason: str | None, *, as_json: bool
) -> None:
    """Keep VERSION from being loaded until it is released, or its files change."""
    change = operations.quarantine(store, model, version, reason=reason)
    print_change(store, model, change, as_json=as_json)


@click.command(epilog=examples('release 4 --reason "the disk was full"'))
@click.argument("version", type=int)
@changing
def release(version: int, store: Store, model: str, reason: str | None, *, as_json: bool) -> None:
    """Let VERSION be tried again; also after a trial that failed."""
    change = operations.release(store, model, version, reason=reason)
    print_change(store, model, change, as_json=as_json)


@click.command(
    epilog=examples("label candidate 4", "label candidate 2 --force", "label candidate --remove")
)
@click.argument("name")
@click.argument("version", type=int, required=False)
@click.option("--remove", is_flag=True, help="Take the label away.")
@force_option
@changing
def label(
    name: str,
    version: int | None,
    store: Store,
    model: str,
    reason: str | None,
    *,
    remove: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Point the label NAME at VERSION, so that it is loaded and can be asked for by name."""
    if remove is (version is not None):
        raise click.UsageError("give a version, or --remove")
    change = operations.label(store, model, name, version, force=force, reason=reason)
    print_change(store, model, change, as_json=as_json)


@click.command(epilog=examples("policy latest:2", "policy 2,5", f"policy {UNSET}"))
@click.argument("policy")
@changing
def policy(policy: str, store: Store, model: str, reason: str | None, *, as_json: bool) -> None:
    change = operations.policy(store, model, None if policy == UNSET else policy, reason=reason)
    print_change(store, model, change, as_json=as_json)


policy.help = (
    f"Decide which versions are loaded.\n\nPOLICY is {POLICY_FORMS}; "
    f"{UNSET} leaves it to the service's setting."
)


@click.command(epilog=examples('unload --reason "not needed at night"'))
@changing
def unload(store: Store, model: str, reason: str | None, *, as_json: bool) -> None:
    """Load no version of the model; requests for it are refused."""
    change = operations.unload(store, model, reason=reason)
    print_change(store, model, change, as_json=as_json)


@click.command(epilog=examples("load"))
@changing
def load(store: Store, model: str, reason: str | None, *, as_json: bool) -> None:
    """Load the model's versions again."""
    change = operations.load(store, model, reason=reason)
    print_change(store, model, change, as_json=as_json)


COMMANDS = (promote, rollback, pin, unpin, quarantine, release, label, policy, unload, load)
