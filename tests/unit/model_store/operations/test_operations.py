"""What operators do to versions, and what the store says afterwards."""

from __future__ import annotations

import getpass
import socket

import pytest

from model_store import StoreError, VersionNotFoundError
from model_store.operations import operations
from model_store.operations.evaluation import Evaluation

MODEL = "mnist"


@pytest.fixture
def passed(publish, trial):
    """Return a function that publishes versions and records that they passed their golden check."""

    def publish_passed(n: int = 1) -> int:
        for _ in range(n):
            version = publish()
            trial(version)
        return version

    return publish_passed


def rewrite(store, version: int) -> None:
    """Put another version in its place."""
    directory = store.path(MODEL, version)
    other = store.manifest(MODEL, version).model_copy(update={"files": ()})
    digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    text = other.model_copy(update={"digest": digest}).model_dump_json()
    (directory / "manifest.json").write_text(text)


def default(store) -> int | None:
    return Evaluation(store, MODEL).default


def test_the_newest_good_version_is_promoted_without_a_pin(store, passed):
    """The next one that is published will take over."""
    passed(2)

    change = operations.promote(store, MODEL, 2, by="ann", reason="better on sevens")

    audit = change.by, change.action, change.version, change.reason
    assert ("ann", "promote", 2, "better on sevens") == audit
    control = store.control(MODEL)
    assert (None, {"stable": 2}) == (control.pinned, control.labels)


def test_an_older_version_is_pinned_when_promoted(store, passed):
    """Else the policy would choose the newest."""
    passed(2)

    operations.promote(store, MODEL, 1)

    assert (1, {"stable": 1}) == (store.control(MODEL).pinned, store.control(MODEL).labels)


@pytest.mark.parametrize(("own", "service"), [("1", None), (None, "1"), ("1", "latest")])
def test_a_version_that_the_policy_leaves_out_is_pinned_when_promoted(store, passed, own, service):
    """The model's own policy goes before the service's."""
    passed(2)
    operations.policy(store, MODEL, own)

    operations.promote(store, MODEL, 2, policy=service)

    assert 2 == store.control(MODEL).pinned


def test_promoting_moves_a_pin(store, passed):
    """What is pinned by hand stays so."""
    passed(2)
    operations.pin(store, MODEL, 1)

    operations.promote(store, MODEL, 2)

    assert 2 == store.control(MODEL).pinned


def test_promoting_the_canary_ends_it(store, passed):
    """It answers everything now."""
    passed(2)
    operations.canary(store, MODEL, 10, 2)

    operations.promote(store, MODEL, 2)

    assert None is store.control(MODEL).canary


def test_promoting_another_version_leaves_the_canary(store, passed):
    """The two have nothing to do with each other."""
    passed(3)
    operations.canary(store, MODEL, 10, 3)

    operations.promote(store, MODEL, 2)

    assert 10 == store.control(MODEL).canary.percent


def test_an_untried_version_is_promoted_only_by_force(store, publish):
    """The sentence says how a version is tried."""
    publish()

    with pytest.raises(StoreError, match="mnist version 1 has not passed a trial yet: a running"):
        operations.promote(store, MODEL, 1)
    assert [] == store.history(MODEL)

    operations.promote(store, MODEL, 1, force=True)
    assert {"stable": 1} == store.control(MODEL).labels


def test_a_trial_passed_with_other_files_does_not_count(store, passed):
    """A version is what its digest says."""
    passed()
    rewrite(store, 1)

    with pytest.raises(StoreError, match="has not passed a trial yet"):
        operations.promote(store, MODEL, 1)


def test_a_quarantined_version_is_promoted_only_by_force(store, passed):
    """Force takes it out of quarantine, too."""
    passed()
    operations.quarantine(store, MODEL, 1, reason="bad sevens")

    with pytest.raises(StoreError, match=r"is quarantined \(bad sevens\); release it first"):
        operations.promote(store, MODEL, 1)

    operations.promote(store, MODEL, 1, force=True)
    assert {} == store.control(MODEL).quarantined


def test_a_rollback_pins_the_version_before(store, passed, publish):
    """What is published later does not undo it."""
    passed(3)

    change = operations.rollback(store, MODEL, reason="slow")
    passed()
    publish()

    assert (2, "slow") == (change.version, change.reason)
    assert (2, {"stable": 2}) == (store.control(MODEL).pinned, store.control(MODEL).labels)
    assert 2 == default(store)


def test_a_second_rollback_goes_further_back(store, passed):
    """The version before is that below the pinned one."""
    passed(3)
    operations.rollback(store, MODEL)

    assert 1 == operations.rollback(store, MODEL).version


def test_a_rollback_passes_over_bad_and_untried_versions(store, passed, publish):
    """Neither a quarantined one, nor an untried one, nor one whose files changed."""
    passed()
    publish()
    passed(3)
    operations.quarantine(store, MODEL, 3)
    rewrite(store, 4)

    assert 1 == operations.rollback(store, MODEL).version


def test_a_rollback_looks_below_what_serves_and_not_what_is_untried(store, passed, publish):
    """The newest version does not serve before its trial."""
    passed(2)
    publish()

    assert 1 == operations.rollback(store, MODEL).version


def test_a_rollback_to_nothing_is_refused(store, passed):
    """The sentence says what to do."""
    passed()

    with pytest.raises(StoreError, match="no version of mnist below 1 has passed a trial; name"):
        operations.rollback(store, MODEL)


def test_a_rollback_goes_where_it_is_told(store, publish):
    """An untried version is tried before it serves; a quarantined one would never be."""
    publish()
    publish()
    publish()
    operations.quarantine(store, MODEL, 1, reason="bad")

    assert 2 == operations.rollback(store, MODEL, 2).version
    with pytest.raises(StoreError, match="is quarantined"):
        operations.rollback(store, MODEL, 1)


def test_a_pin_holds_until_it_is_taken_away(store, passed):
    """Then the newest good version is the default again."""
    passed(2)
    operations.pin(store, MODEL, 1)
    assert 1 == default(store)

    change = operations.unpin(store, MODEL)

    assert (2, 1) == (default(store), change.version)


def test_a_quarantined_version_is_not_pinned(store, publish):
    """It would not be loaded."""
    publish()
    operations.quarantine(store, MODEL, 1)

    with pytest.raises(StoreError, match=r"is quarantined \(no reason was given\)"):
        operations.pin(store, MODEL, 1)


def test_unpinning_nothing_is_refused(store, publish):
    """It would suggest that something changed."""
    publish()

    with pytest.raises(StoreError, match="no version of mnist is pinned"):
        operations.unpin(store, MODEL)


def test_a_quarantine_says_what_when_and_by_whom(store, publish):
    """It is about the files as they are."""
    publish()

    operations.quarantine(store, MODEL, 1, by="ann", reason="bad sevens")

    entry = store.control(MODEL).quarantined[1]
    assert ("ann", "bad sevens") == (entry.by, entry.reason)
    assert store.manifest(MODEL, 1).digest == entry.digest


def test_a_quarantine_is_void_for_other_files(store, publish):
    """A version that was published anew under its number is another one."""
    publish()
    operations.quarantine(store, MODEL, 1)
    assert [] == Evaluation(store, MODEL).good

    rewrite(store, 1)

    assert [1] == Evaluation(store, MODEL).good


@pytest.mark.parametrize("manifest", [None, "{", '{"files": [], "digest": "' + "0" * 64 + '"}'])
def test_what_has_no_readable_manifest_can_be_quarantined(store, publish, manifest):
    """Then it stays out whatever comes of its files."""
    publish()
    path = store.path(MODEL, 1) / "manifest.json"
    path.unlink() if manifest is None else path.write_text(manifest)

    operations.quarantine(store, MODEL, 1)

    control = store.control(MODEL)
    assert None is control.quarantined[1].digest
    assert control.is_quarantined(1, "0" * 64)


def test_a_released_version_is_good_again(store, publish):
    """Whoever quarantined it."""
    publish()
    operations.quarantine(store, MODEL, 1, by="glyph-serve")

    operations.release(store, MODEL, 1)

    assert [1] == Evaluation(store, MODEL).good


def test_releasing_what_is_free_is_refused(store, publish):
    """The sentence names what is quarantined."""
    publish()
    publish()
    operations.quarantine(store, MODEL, 2)

    with pytest.raises(StoreError, match=r"1 is not quarantined \(these are: 2\)"):
        operations.release(store, MODEL, 1)


def test_a_label_needs_a_passed_trial_or_force(store, passed, publish):
    """A forced label is how an old version comes to be tried."""
    passed()
    publish()

    operations.label(store, MODEL, "candidate", 1)
    with pytest.raises(StoreError, match="mnist version 2 has not passed a trial yet"):
        operations.label(store, MODEL, "candidate", 2)
    assert {"candidate": 1} == store.control(MODEL).labels

    operations.label(store, MODEL, "candidate", 2, force=True)
    assert {"candidate": 2} == store.control(MODEL).labels


def test_a_label_can_be_taken_away(store, passed):
    """The others stay."""
    passed()
    for name in ("one", "two"):
        operations.label(store, MODEL, name, 1)

    operations.label(store, MODEL, "one", None)

    assert {"two": 1} == store.control(MODEL).labels
    with pytest.raises(StoreError, match=r"mnist has no label one \(it has: two\)"):
        operations.label(store, MODEL, "one", None)


@pytest.mark.parametrize("use", ["canary", "shadow"])
def test_a_label_in_use_is_not_taken_away(store, passed, use):
    """A share of the traffic of nothing is no share."""
    passed()
    getattr(operations, use)(store, MODEL, 10, 1)

    with pytest.raises(StoreError, match=f"the {use} of mnist runs on the label {use}; end it"):
        operations.label(store, MODEL, use, None)


def test_a_canary_is_a_label_and_a_share(store, passed):
    """It can be moved, made larger, and ended; the label stays."""
    passed(2)
    operations.canary(store, MODEL, 1, 1, sticky_header="X-User")
    share = store.control(MODEL).canary
    assert ("canary", 1, "X-User") == (share.label, share.percent, share.sticky_header)

    operations.canary(store, MODEL, 50, 2)
    operations.canary(store, MODEL, 60)
    control = store.control(MODEL)
    assert (60, None, 2) == (
        control.canary.percent,
        control.canary.sticky_header,
        control.labels["canary"],
    )

    operations.canary(store, MODEL, 0)
    assert (None, {"canary": 2}) == (store.control(MODEL).canary, store.control(MODEL).labels)


def test_a_shadow_is_a_label_and_a_share(store, passed):
    """It does not touch the canary."""
    passed(2)
    operations.canary(store, MODEL, 10, 1)
    operations.shadow(store, MODEL, 2.5, 2, label="next")

    control = store.control(MODEL)
    assert ("next", 2.5, 10) == (
        control.shadow.label,
        control.shadow.percent,
        control.canary.percent,
    )
    operations.shadow(store, MODEL, 0)
    assert (None, 10) == (store.control(MODEL).shadow, store.control(MODEL).canary.percent)


@pytest.mark.parametrize("use", [operations.canary, operations.shadow])
def test_a_share_needs_a_version_that_passed_or_force(store, publish, use):
    """As every label does; and one that points nowhere is named."""
    publish()

    with pytest.raises(StoreError, match="mnist has no label x; name the version that is to get"):
        use(store, MODEL, 10, label="x")
    with pytest.raises(StoreError, match="has not passed a trial yet"):
        use(store, MODEL, 10, 1)

    use(store, MODEL, 10, 1, force=True)
    assert [1] == list(store.control(MODEL).labels.values())


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (lambda s: operations.canary(s, MODEL, 101, 1), "canary is not possible: field percent: "),
        (lambda s: operations.shadow(s, MODEL, -1, 1), r"field percent: .* \(found -1\)"),
        (
            lambda s: operations.canary(s, MODEL, 1, 1, sticky_header="a b"),
            "field sticky_header: .*'a b'",
        ),
        (lambda s: operations.label(s, MODEL, "a b", 1), r"field control.labels.a b.\[key\]: "),
        (lambda s: operations.policy(s, MODEL, "newest"), "'newest' is no policy; latest, "),
    ],
    ids=["percent", "negative", "header", "label", "policy"],
)
def test_what_is_not_valid_never_gets_into_the_store(store, passed, act, sentence):
    """The field and what was found are named."""
    passed()

    with pytest.raises(StoreError, match=sentence):
        act(store)

    assert 1 == len(store.history(MODEL))


def test_a_policy_of_ones_own(store, publish):
    """None gives it back to the service's setting."""
    publish()
    operations.policy(store, MODEL, "latest:2")
    assert "latest:2" == store.control(MODEL).policy

    operations.policy(store, MODEL, None)
    assert None is store.control(MODEL).policy


def test_a_model_is_unloaded_and_loaded(store, publish):
    """Nothing else changes."""
    publish()
    operations.unload(store, MODEL)
    assert store.control(MODEL).unloaded

    operations.load(store, MODEL)
    assert not store.control(MODEL).unloaded


@pytest.mark.parametrize(
    "act",
    [
        operations.promote,
        operations.rollback,
        operations.pin,
        operations.quarantine,
        lambda store, model, version: operations.label(store, model, "x", version),
        lambda store, model, version: operations.canary(store, model, 5, version),
    ],
)
def test_a_missing_version_is_answered_with_the_present_ones(store, publish, act):
    """Nothing is written."""
    publish()

    with pytest.raises(VersionNotFoundError, match=r"mnist has no version 7 \(it has: 1\)"):
        act(store, MODEL, 7)

    assert [] == store.history(MODEL)


def test_who_it_was_is_known_without_being_told(store, publish):
    """Login name and host."""
    publish()

    assert f"{getpass.getuser()}@{socket.gethostname()}" == operations.unload(store, MODEL).by


def test_who_it_was_may_have_no_name(store, publish, monkeypatch):
    """As in a container."""
    publish()

    def fail():
        raise KeyError("getpwuid(): uid not found: 1234")

    monkeypatch.setattr(getpass, "getuser", fail)

    assert f"unknown@{socket.gethostname()}" == operations.unload(store, MODEL).by


def test_the_default_version_is_the_newest_that_was_tried(store, passed, publish, trial):
    """One that nobody tried yet does not serve; where none was tried, the newest is taken."""
    assert None is default(store)
    publish()
    publish()
    assert 2 == default(store)
    trial(1)
    assert 1 == default(store)
    passed()
    assert 3 == default(store)


def test_a_quarantined_pin_does_not_count(store, passed):
    """A trial that failed goes before what was wished."""
    passed(2)
    operations.pin(store, MODEL, 1)

    operations.quarantine(store, MODEL, 1)

    assert 2 == default(store)


def test_what_is_needed_has_its_reasons(store, passed):
    """All that serves, and all that was named."""
    passed(5)
    operations.policy(store, MODEL, "latest:2")
    operations.label(store, MODEL, "old", 1)
    operations.pin(store, MODEL, 2)

    assert {
        1: ["labelled old"],
        2: ["the default version", "pinned"],
        4: ["wanted by the policy latest:2"],
        5: ["wanted by the policy latest:2"],
    } == Evaluation(store, MODEL, "all").needed()
