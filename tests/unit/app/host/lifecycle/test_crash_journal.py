"""What a host leaves for the next one: which version it was loading, and which one ended it."""

from __future__ import annotations

import faulthandler

import pytest

from app.config.run_dir import HOST_CRASH, HOST_JOURNAL
from app.host.lifecycle.crash_journal import HostJournal

DIGEST = "a" * 64
OTHER = "b" * 64


@pytest.fixture
def make_journal(tmp_path, clock):
    """Return a function that starts the next host."""
    return lambda: HostJournal(tmp_path, clock)


def crash(tmp_path, text="Fatal Python error: Segmentation fault\n\nThread 1:\n"):
    (tmp_path / HOST_CRASH).write_text(text)


def make_journal_and_die(make_journal, computing=DIGEST):
    """Run a host that ends in the middle of a load; what is returned keeps it from going on."""
    journal = make_journal()
    journal.computing(computing)
    block = journal.loading(DIGEST)
    block.__enter__()
    return block


def test_a_host_that_ended_well_leaves_nothing(make_journal):
    """What was loaded and computed is held against no version."""
    journal = make_journal()
    with journal.loading(DIGEST):
        pass
    journal.computing(DIGEST)
    following = make_journal()

    assert (0, False) == (following.interruptions(DIGEST), following.has_strikes)


def test_a_load_that_was_interrupted_is_counted(make_journal):
    """Until the version is loaded."""
    held = [make_journal_and_die(make_journal) for _ in range(2)]
    following = make_journal()
    counted = following.interruptions(DIGEST)
    following.loaded(DIGEST)

    assert (2, 2, 0) == (len(held), counted, make_journal().interruptions(DIGEST))


def test_a_crash_is_blamed_on_the_version_that_computed(make_journal, tmp_path):
    """Two of them are enough to give it up; the sentence names the signal."""
    for _ in range(2):
        make_journal().computing(DIGEST)
        crash(tmp_path)
    following = make_journal()

    reason = "the model host crashed (Segmentation fault); that ended the model host 2 times"
    assert (reason, None) == (following.verdict(DIGEST), following.verdict(OTHER))


def test_a_crash_during_a_load_is_blamed_on_the_version_that_was_loaded(make_journal, tmp_path):
    """Rather than on the one that serves."""
    held = []
    for _ in range(2):
        held.append(make_journal_and_die(make_journal, OTHER))
        crash(tmp_path)
    following = make_journal()

    assert (None, True) == (following.verdict(OTHER), following.verdict(DIGEST) is not None)


def test_a_host_that_was_killed_is_no_versions_fault(make_journal):
    """However often: the interpreter writes of its own faults only."""
    for _ in range(5):
        make_journal().computing(DIGEST)

    assert not make_journal().has_strikes


def test_strikes_are_forgotten_after_an_hour(make_journal, clock):
    """Two accidents in a month are no reason."""
    make_journal().strike(DIGEST, "it hung")
    clock.tick(3700)
    journal = make_journal()
    journal.strike(DIGEST, "it hung")

    assert make_journal().verdict(DIGEST) is None


def test_what_was_given_up_is_struck_off(make_journal):
    """Once released, a version begins anew."""
    journal = make_journal()
    for _ in range(2):
        journal.strike(DIGEST, "it hung")
    journal.forget(DIGEST)

    assert make_journal().verdict(DIGEST) is None


@pytest.mark.parametrize("content", [b"", b"{", b'{"strikes": 3}'])
def test_a_journal_that_was_cut_off_is_begun_anew(make_journal, tmp_path, content):
    """The disk may have been full."""
    (tmp_path / HOST_JOURNAL).write_bytes(content)

    assert not make_journal().has_strikes


def test_without_a_directory_to_write_the_host_goes_on(tmp_path, clock):
    """The journal is a help, and no need."""
    journal = HostJournal(tmp_path / "gone", clock)
    journal.catch_crashes()
    with journal.loading(DIGEST):
        journal.computing(DIGEST)
    journal.strike(DIGEST, "it hung")

    assert journal.has_strikes


def test_the_interpreter_writes_of_crashes(make_journal, tmp_path):
    """From then on."""
    journal = make_journal()
    journal.catch_crashes()
    catches = faulthandler.is_enabled()
    journal.close()

    assert (True, False) == (catches, faulthandler.is_enabled())
    assert (tmp_path / HOST_CRASH).exists()
