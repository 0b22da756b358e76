"""The queue's policy: what is let in, and what makes up the next batch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from app.host.batching.admission import OverloadedError
from app.host.batching.batch_queue import BatchQueue
from app.host.batching.cost_model import BatchCostModel
from app.host.batching.jobs import Job

NEVER = 1e9
"""A deadline that no test reaches."""


def make_job(images: int = 1, *, name: str = "", version: int = 1, deadline: float = NEVER) -> Job:
    return Job(np.zeros((images, 1, 1, 1), np.uint8), version, 0.0, deadline, name)


def make_queue(*jobs: Job, capacity: int = 1000, max_batch: int = 4) -> BatchQueue:
    queue = BatchQueue(capacity, max_batch)
    for job in jobs:
        queue.admit(job, now=0.0)
    return queue


def batches(queue: BatchQueue) -> list[str]:
    """Empty the queue; a batch reads as its pieces: the job's name and its range of images."""
    written = []
    while (batch := queue.take(now=0.0)[0]) is not None:
        written.append(" ".join(f"{p.job.reply_to}{p.start}-{p.stop}" for p in batch.pieces))
    return written


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ({}, []),
        ({"a": 1}, ["a0-1"]),
        ({"a": 1, "b": 1, "c": 1}, ["a0-1 b0-1 c0-1"]),
        ({"a": 1, "b": 1, "c": 1, "d": 1, "e": 1}, ["a0-1 b0-1 c0-1 d0-1", "e0-1"]),
        ({"a": 4}, ["a0-4"]),
        ({"a": 10}, ["a0-4", "a4-8", "a8-10"]),
        ({"a": 2, "b": 2}, ["a0-2 b0-2"]),
        ({"a": 1, "b": 2, "c": 2}, ["a0-1 b0-2 c0-1", "c1-2"]),
        ({"a": 6, "b": 1}, ["b0-1", "a0-4", "a4-6"]),
        ({"a": 1, "b": 6}, ["a0-1", "b0-4", "b4-6"]),
        ({"a": 6, "b": 6}, ["a0-2 b0-2", "a2-4 b2-4", "a4-6 b4-6"]),
        ({"a": 3, "b": 3, "c": 3}, ["a0-2 b0-2", "a2-3 b2-3 c0-2", "c2-3"]),
    ],
    ids=lambda value: ", ".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_everything_that_waits_becomes_the_next_batch(sizes, expected):
    """With room for four: half of it to each job in turn, what is left to the first."""
    queue = make_queue(*(make_job(size, name=name) for name, size in sizes.items()))

    assert expected == batches(queue)


@pytest.mark.parametrize("waiting", [1, 2, 5], ids="{} wait".format)
def test_a_batch_may_be_one_image(waiting):
    """Where the largest batch is one, every image is a batch of its own."""
    jobs = [make_job(name=name) for name in "abcde"[:waiting]]

    assert [f"{job.reply_to}0-1" for job in jobs] == batches(make_queue(*jobs, max_batch=1))


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ({"a": 5}, ["a0-4", "a4-5"]),
        ({"a": 3, "b": 2}, ["a0-2 b0-2", "a2-3"]),
        ({"a": 1, "b": 1, "c": 1}, ["a0-1 b0-1 c0-1"]),
        ({"a": 30, "b": 1}, ["a0-7 b0-1", "a7-15", "a15-23", "a23-30"]),
    ],
    ids=lambda value: ", ".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_batches_are_cut_by_what_they_cost(sizes, expected):
    """Five images are cheaper as four and one than padded to eight; no batch is over the limit."""
    queue = make_queue(*(make_job(size, name=name) for name, size in sizes.items()), max_batch=64)
    queue.plan(1, BatchCostModel({1: 0.001, 4: 0.002, 8: 0.0038, 64: 0.0304}))

    assert (8, expected) == (queue.limit(1), batches(queue))


def test_versions_are_cut_each_by_its_own_costs():
    """One that gains nothing by batches is run image by image; a version that is gone is not."""
    queue = make_queue(*(make_job(4, name=name, version=v) for v, name in ((1, "a"), (2, "b"))))
    queue.plan(1, BatchCostModel({1: 1.0, 4: 4.0}))
    queue.plan(2, BatchCostModel({1: 1.0, 4: 1.0}))
    queue.forget(3)

    assert ["a0-1", "b0-4", "a1-2", "a2-3", "a3-4"] == batches(queue)
    queue.forget(1)
    assert 4 == queue.limit(1)


def test_a_new_job_waits_for_no_bulk_that_has_begun():
    """However many large jobs take turns, a single image is the next batch."""
    queue = make_queue(*(make_job(200, name=f"bulk {n}") for n in range(4)), max_batch=16)
    for _ in range(8):
        queue.take(now=0.0)
    queue.admit(make_job(name="single"), now=0.0)
    batch, _ = queue.take(now=0.0)

    assert ["single"] == [p.job.reply_to for p in batch.pieces]


def test_bulk_that_has_begun_has_every_other_batch_beside_a_few_singles():
    """And the singles that come meanwhile go with it."""
    queue = make_queue(make_job(40, name="bulk"), max_batch=8)
    queue.take(now=0.0)
    batches = []
    for _ in range(4):
        queue.admit(make_job(name="single"), now=0.0)
        batch, _ = queue.take(now=0.0)
        batches.append([(p.job.reply_to, p.stop - p.start) for p in batch.pieces])

    assert [
        [("single", 1)],
        [("single", 1), ("bulk", 7)],
        [("single", 1)],
        [("single", 1), ("bulk", 7)],
    ] == batches


def test_half_a_batch_of_new_jobs_goes_with_bulk():
    """They are no longer few."""
    queue = make_queue(make_job(40, name="bulk"), max_batch=8)
    queue.take(now=0.0)
    for _ in range(4):
        queue.admit(make_job(name="single"), now=0.0)
    batch, _ = queue.take(now=0.0)

    assert 8 == batch.size


@pytest.mark.parametrize("max_batch", [1, 2, 8])
def test_bulk_that_has_begun_goes_on_beside_any_number_of_singles(max_batch):
    """It has half of every batch, or every other batch where one holds a single image."""
    queue = make_queue(make_job(20, name="bulk"), max_batch=max_batch)
    queue.take(now=0.0)
    taken = 0
    for _ in range(8):
        for _ in range(2 * max_batch):
            queue.admit(make_job(name="single"), now=0.0)
        batch, _ = queue.take(now=0.0)
        taken += sum(p.stop - p.start for p in batch.pieces if p.job.reply_to == "bulk")

    assert min(20 - max_batch, 8 * max_batch // 2) == taken


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [([3], False), ([4], True), ([1] * 4, False), ([8, 1], False), ([1, 8], False)],
    ids=["less than a batch", "a batch", "small ones", "one beside bulk", "one before bulk"],
)
def test_a_further_stream_is_for_a_full_batch(sizes, expected):
    """Not while small jobs come: their way through a web worker wants a core to itself."""
    queue = make_queue(*(make_job(size, name=str(index)) for index, size in enumerate(sizes)))

    assert expected is queue.should_add_stream(0.05, streams=1)


def test_small_jobs_have_the_streams_that_web_workers_leave():
    """A machine may have cores for both."""
    queue = BatchQueue(1000, max_batch=4, core_sparing_streams=3)
    for index in range(4):
        queue.admit(make_job(name=str(index)), now=0.0)

    assert [True, True, False] == [queue.should_add_stream(0.05, streams) for streams in (1, 2, 3)]


def test_a_queue_that_is_half_full_has_all_streams():
    """Small jobs or not: requests are about to be refused."""
    queue = make_queue(make_job(8, name="bulk"), make_job(1, name="one"), capacity=20)
    calm = queue.should_add_stream(0.05, streams=1)
    queue.admit(make_job(2, name="more"), 0.0)

    assert (False, True) == (calm, queue.should_add_stream(0.05, streams=1))


def test_bulk_work_has_all_streams_again_a_while_after_the_last_small_job():
    """A tenth of a second."""
    queue = make_queue(make_job(8, name="bulk"))
    queue.admit(make_job(1, name="one"), 5.0)
    queue.admit(make_job(1, name="two"), 5.05)

    assert [False, False, True] == [
        queue.should_add_stream(now, streams=1) for now in (5.05, 5.14, 5.151)
    ]


def test_versions_take_turns_and_never_meet():
    """A swap does not hold the older version's work up, and no batch mixes the two."""
    jobs = [
        make_job(12, name="old", version=1),
        make_job(6, name="new", version=2),
        make_job(1, name="newer", version=2),
    ]
    queue = make_queue(*jobs)

    assert ["old0-4", "newer0-1", "old4-8", "new0-4", "old8-12", "new4-6"] == batches(queue)


def test_a_batch_says_its_version_and_size():
    """The engine need not add up the pieces."""
    queue = make_queue(make_job(3, version=7), make_job(9, version=7))
    batch, expired = queue.take(now=0.0)

    assert (7, 4, []) == (batch.batch_key, batch.size, expired)


def test_an_empty_queue_gives_no_batch():
    """Nothing waits, nothing is taken."""
    assert (None, []) == make_queue().take(now=0.0)


def test_the_bound_counts_images():
    """What fits exactly is let in; one image more is refused, with what waits and the limit."""
    queue = make_queue(make_job(6), make_job(4), capacity=10)

    with pytest.raises(OverloadedError, match=r"^10 images are waiting; the limit is 10$"):
        queue.admit(make_job(1), now=0.0)
    assert 10 == queue.waiting


def test_a_batch_makes_room():
    """The bound counts images that wait, not those that are being computed."""
    queue = make_queue(make_job(10), capacity=10)
    queue.take(now=0.0)

    queue.admit(make_job(4), now=0.0)
    assert 10 == queue.waiting


def test_nothing_is_measured_at_first():
    """Before the first batch the wait is taken for nothing, and no deadline is refused for it."""
    queue = make_queue(make_job(900, deadline=0.0))

    assert (900, 0.0) == (queue.waiting, queue.wait_s())


def test_the_wait_follows_from_the_measured_rate():
    """A hundred images at fifty a second wait two seconds."""
    queue = make_queue(make_job(100))
    queue.record(images=10, seconds=0.2)

    assert pytest.approx(2.0) == queue.wait_s()


def test_the_measured_rate_follows_the_present():
    """After twenty batches at another pace, most of the estimate is the new pace."""
    queue = make_queue(make_job(100))
    queue.record(images=10, seconds=0.2)
    for _ in range(20):
        queue.record(images=10, seconds=0.1)

    assert 1.0 < queue.wait_s() < 1.05


def test_a_deadline_that_cannot_be_met_is_refused():
    """The sentence gives both times; the wait of what is in the queue is when to come again."""
    queue = make_queue(*(make_job(name=str(number)) for number in range(100)))
    queue.record(images=10, seconds=0.2)

    with pytest.raises(
        OverloadedError, match=r"^an answer takes about 2\.02 s; the deadline is in 2\.60 s$"
    ) as caught:
        queue.admit(make_job(deadline=12.6), now=10.0)
    assert pytest.approx(2.0) == caught.value.retry_after_s
    queue.admit(make_job(deadline=12.8), now=10.0)


def test_bulk_jobs_end_in_the_order_in_which_they_came():
    """Those that come later make none of them later, however many they are."""
    jobs = (make_job(40, name=str(n)) for n in range(3))
    queue = make_queue(*jobs, capacity=5000, max_batch=8)
    ended = []
    for later in range(30):
        queue.admit(make_job(40, name=str(3 + later)), now=0.0)
        batch, _ = queue.take(now=0.0)
        ended += [p.job.reply_to for p in batch.pieces if p.stop == 40]

    assert ["0", "1", "2", "3", "4"] == ended[:5]


@pytest.mark.parametrize("begun", [0, 1, 3], ids="{} batches before".format)
@pytest.mark.parametrize("images", [1, 5, 32, 100, 1000])
@pytest.mark.parametrize(
    "sizes",
    [(), (1,) * 200, (1000,), (1000, 1000), (1000, *(1,) * 20), (*(64,) * 10, *(1,) * 50)],
    ids=["nothing", "singles", "bulk", "much bulk", "bulk and singles", "batches and singles"],
)
def test_a_job_waits_for_the_batches_until_its_last_image(sizes, images, begun):
    """Bulk work before it counts only as far as it comes before it: right to two batches."""
    queue = make_queue(
        *(make_job(size, name=str(n)) for n, size in enumerate(sizes)), capacity=9999, max_batch=64
    )
    for _ in range(begun):
        queue.take(now=0.0)
    queue.record(images=1, seconds=1.0)
    estimate_s = queue.answer_s(1, images)
    job = make_job(images, name="new")
    queue.admit(job, now=0.0)
    computed = 0
    while job.remaining:
        computed += queue.take(now=0.0)[0].size

    assert pytest.approx(computed, abs=2 * 64) == estimate_s


def test_a_single_image_is_let_in_where_bulk_is_not():
    """A thousand images wait twenty seconds for their last; one image is in the next batch."""
    queue = make_queue(make_job(1000, name="bulk"), capacity=5000)
    queue.record(images=50, seconds=1.0)
    with pytest.raises(OverloadedError, match=r"^an answer takes about 40\.00 s"):
        queue.admit(make_job(1000, name="more", deadline=1.0), now=0.0)

    queue.admit(make_job(name="single", deadline=1.0), now=0.0)


@pytest.mark.parametrize("end", ["cancelled", "failed", "expired", "computed"])
def test_bulk_that_ended_is_not_waited_for(end):
    """However it ended, the next job has the queue for itself."""
    bulk = make_job(100, name="bulk", deadline=1.0)
    queue = make_queue(bulk, max_batch=64)
    queue.record(images=1, seconds=1.0)
    if end == "cancelled":
        queue.cancel("bulk")
    elif end == "failed":
        queue.discard(bulk)
    elif end == "expired":
        queue.take(now=2.0)
    else:
        batches(queue)

    assert 5.0 == queue.answer_s(1, 5)


def test_a_request_of_many_images_counts_its_own_time():
    """With nothing before it, one that takes two seconds is not let in for one."""
    queue = make_queue()
    queue.record(images=10, seconds=0.2)

    with pytest.raises(OverloadedError, match=r"^an answer takes about 2\.00 s"):
        queue.admit(make_job(100, deadline=11.0), now=10.0)
    queue.admit(make_job(100, deadline=12.7), now=10.0)


def test_a_full_queue_says_when_to_come_again():
    """The wait of what is in it is the time after which there is room."""
    queue = make_queue(make_job(10), capacity=10)
    queue.record(images=1, seconds=0.3)

    with pytest.raises(OverloadedError) as caught:
        queue.admit(make_job(), now=0.0)
    assert pytest.approx(3.0) == caught.value.retry_after_s


def test_expired_jobs_are_given_back_and_never_taken():
    """Work that nobody waits for any more makes room for work that somebody does."""
    late, later, live = (make_job(3, deadline=deadline) for deadline in (1, 2, 3))
    queue = make_queue(late, later, live)
    batch, expired = queue.take(now=2.5)

    assert [late, later] == expired
    assert [live] == [piece.job for piece in batch.pieces]
    assert 0 == queue.waiting


def test_a_job_is_alive_at_its_deadline():
    """Only when the deadline has passed is a job dropped."""
    queue = make_queue(make_job(deadline=5.0))

    assert 1 == queue.take(now=5.0)[0].size


def test_a_job_may_expire_between_its_pieces():
    """The rest of a job that got half its answers in time is dropped as well."""
    job = make_job(6, deadline=1.0)
    queue = make_queue(job)
    queue.take(now=0.0)

    assert (None, [job]) == queue.take(now=2.0)
    assert 0 == queue.waiting


def test_the_jobs_of_every_lane_expire():
    """Two versions whose jobs are all late give no batch, and all of the jobs."""
    jobs = [make_job(version=version, deadline=1.0) for version in (1, 2)]

    assert (None, jobs) == make_queue(*jobs).take(now=2.0)


def test_a_discarded_job_leaves_the_queue():
    """The pieces that a failed job still had waiting are never taken."""
    failed, other = make_job(6, name="a"), make_job(2, name="b")
    queue = make_queue(failed, other)
    queue.take(now=0.0)
    queue.discard(failed)

    assert 0 == queue.waiting
    assert [] == batches(queue)


def test_a_job_taken_to_the_end_is_discarded_without_a_trace():
    """A job that failed on its last piece has nothing waiting."""
    job = make_job(2)
    queue = make_queue(job)
    queue.take(now=0.0)
    queue.admit(make_job(3), now=0.0)
    queue.discard(job)

    assert 3 == queue.waiting


def test_many_cancelled_jobs_leave_the_queue_at_once():
    """There is room for others before any turn comes to those who left."""
    jobs = [make_job(2, name=f"job {n}") for n in range(5)]
    queue = make_queue(*jobs, capacity=10)
    cancelled = [queue.cancel(f"job {n}") for n in (3, 0, 4, 1)]
    left = queue.waiting
    queue.admit(make_job(8, name="new"), now=0.0)

    assert [jobs[n] for n in (3, 0, 4, 1)] == cancelled
    assert 2 == left
    assert ["job 2", "new"] == queue.pending_replies()
    assert ["job 20-2 new0-2", "new2-6", "new6-8"] == batches(queue)


def test_a_job_is_cancelled_while_a_batch_computes_it():
    """Once: the rest of it is not taken, and nobody is to get what was."""
    job = make_job(6, name="a")
    queue = make_queue(job)
    queue.take(now=0.0)

    assert job is queue.cancel("a")
    assert queue.cancel("a") is None
    assert (0, True, True) == (queue.waiting, queue.idle(1), job.dropped)
    assert [] == batches(queue)


def test_a_version_is_idle_when_its_last_job_is_finished():
    """Jobs that are being computed count, until their answer is noted."""
    jobs = [make_job(version=1), make_job(version=1), make_job(version=2)]
    queue = make_queue(*jobs)
    batches(queue)
    queue.finish(jobs[0])
    idle_too_soon = queue.idle(1)
    queue.finish(jobs[1])

    assert (False, True, False) == (idle_too_soon, queue.idle(1), queue.idle(2))


def test_a_version_that_never_had_a_job_is_idle():
    """So is one whose books were dropped, twice if need be."""
    queue = make_queue()
    queue.forget(3)

    assert queue.idle(3)


def test_answers_are_joined_in_order():
    """The pieces' answers, which come in any, make one array; a lone piece's is given as it is."""
    first, second = np.array([[1], [2]], np.float32), np.array([[3]], np.float32)
    next_batch_size, whole = make_job(3), make_job(2)
    next_batch_size.pieces |= {2: second, 0: first}
    whole.pieces[0] = first

    assert [[1], [2], [3]] == next_batch_size.probabilities().tolist()
    assert whole.probabilities() is first


def make_background_job(images: int = 1, *, name: str = "", key: str = "aside") -> Job:
    return Job(np.zeros((images, 1, 1, 1), np.uint8), key, 0.0, NEVER, name, background=True)


def test_the_background_has_its_turn_when_nothing_else_waits():
    """However long it has waited."""
    queue = make_queue()
    queue.admit_to_background(make_background_job(name="aside"))
    queue.admit(make_job(8, name="a"), 0.0)
    queue.admit(make_job(name="b", version=2), 0.0)

    assert ["a0-4", "b0-1", "a4-8", "aside0-1"] == batches(queue)


def test_the_background_makes_nobody_wait():
    """It counts neither for the bound, nor for the time that others wait, nor for more streams."""
    queue = make_queue(capacity=8)
    queue.record(1, 1.0)
    queue.admit_to_background(make_background_job(8, name="aside"))

    assert (0, 8, 0.0) == (queue.waiting, queue.waiting_in_background, queue.wait_s())
    assert 1.0 == queue.answer_s(1, 1)
    assert not queue.should_add_stream(1.0, streams=1)
    queue.admit(make_job(8, name="all that may wait"), 0.0)


def test_the_background_is_bounded():
    """As much may wait there as in the foreground."""
    queue = make_queue(capacity=8)

    asked = [queue.admit_to_background(make_background_job(4, name=name)) for name in "abc"]
    assert [True, True, False] == asked
    assert ["a0-2 b0-2", "a2-4 b2-4"] == batches(queue)
    assert queue.admit_to_background(make_background_job(8, name="d"))


def test_the_background_rests_after_a_batch_while_callers_come():
    """Of the time it has one part in two hundred, so that hardly a caller finds it at work."""
    queue = make_queue()
    for name in "ab":
        queue.admit_to_background(make_background_job(name=name, key=name))
    queue.admit(make_job(name="caller"), 10.0)
    queue.take(10.0)
    first, _ = queue.take(10.0)
    at_work = queue.background_due(10.05)
    queue.record_in_background(0.0002, 10.0)
    rested = [queue.background_due(now) for now in (10.0, 10.0399, 10.0401)]

    assert ("a", False, [False, False, True]) == (first.batch_key, at_work, rested)
    assert queue.take(10.0399) == (None, [])
    assert "b" == queue.take(10.0401)[0].batch_key


def test_the_background_does_not_rest_when_nobody_comes():
    """A tenth of a second after the last caller it has all the time, until the next one."""
    queue = make_queue()
    queue.admit(make_job(name="caller"), 10.0)
    queue.take(10.0)
    for name in "abc":
        queue.admit_to_background(make_background_job(name=name, key=name))
    queue.take(10.0)
    queue.record_in_background(60.0, 10.0)
    quiet = [queue.background_due(now) for now in (10.0999, 10.1001)]
    queue.take(10.2)
    queue.record_in_background(60.0, 10.2)
    still = queue.background_due(10.3)
    queue.admit(make_job(name="another"), 10.4)
    queue.take(10.4)

    assert ([False, True], True) == (quiet, still)
    assert not queue.background_due(10.4)


def test_nothing_is_due_in_an_empty_background():
    """Whoever asks may sleep."""
    queue = make_queue()
    queue.admit_to_background(make_background_job())
    queue.take(0.0)

    assert not queue.background_due(NEVER)


def test_a_cancelled_job_in_the_background_makes_room_there():
    """And its backlog does not wait for a batch that has nothing in it."""
    queue = make_queue(capacity=8)
    queue.admit_to_background(make_background_job(8, name="aside"))
    queue.cancel("aside")

    assert (0, 0, True) == (queue.waiting, queue.waiting_in_background, queue.idle("aside"))
    assert [] == batches(queue)


class Traffic(RuleBasedStateMachine):
    """Jobs come, time passes, batches are cut and models fail, in any order.

    The machine keeps simple books of its own: every image of an admitted job is taken once and in
    order, or its job has failed or expired, which happens once and ends it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.queue = BatchQueue(capacity=30, max_batch=5)
        self.now = 0.0
        self.taken: dict[Job, int] = {}
        """How many images of each unfinished job were taken."""

    @rule(size=st.integers(1, 20), version=st.integers(1, 3), patience=st.integers(0, 9))
    def come(self, size, version, patience):
        job = make_job(size, name=object(), version=version, deadline=self.now + patience)
        full = self.waiting() + size > self.queue.capacity
        late = self.queue.answer_s(version, size) > 0.75 * patience
        try:
            self.queue.admit(job, self.now)
        except OverloadedError:
            assert full or late
        else:
            assert (False, False) == (full, late)
            self.taken[job] = 0

    @rule(data=st.data())
    def cancel(self, data):
        if not self.taken:
            return
        job = data.draw(st.sampled_from(list(self.taken)))
        assert job is self.queue.cancel(job.reply_to)
        del self.taken[job]

    @rule(seconds=st.integers(1, 4))
    def pass_time(self, seconds):
        self.now += seconds

    @rule(seconds=st.integers(0, 2), fails=st.booleans())
    def compute(self, seconds, fails):
        batch, expired = self.queue.take(self.now)
        for job in expired:
            assert job.deadline < self.now
            assert job.dropped
            self.end(job)
        if batch is None:
            assert 0 == self.waiting()
            return
        assert batch.size == sum(p.stop - p.start for p in batch.pieces) <= self.queue.max_batch
        for piece in batch.pieces:
            self.take(piece, batch.batch_key)
        self.queue.record(batch.size, seconds)
        failed = batch.pieces[0].job if fails else None
        if failed is not None:
            self.queue.discard(failed)
        for job in {piece.job for piece in batch.pieces}:
            if job is failed or self.taken[job] == len(job.images):
                self.end(job)

    def take(self, piece, version):
        job = piece.job
        assert version == job.batch_key
        assert self.now <= job.deadline
        assert self.taken[job] == piece.start < piece.stop <= len(job.images)
        self.taken[job] = job.answered = piece.stop

    def end(self, job):
        del self.taken[job]  # fails where the job has ended before
        self.queue.finish(job)

    def waiting(self):
        return sum(len(job.images) - taken for job, taken in self.taken.items())

    @invariant()
    def books_agree(self):
        assert self.waiting() == self.queue.waiting
        for version in (1, 2, 3):
            unfinished = any(job.batch_key == version for job in self.taken)
            assert self.queue.idle(version) is not unfinished

    def teardown(self):
        for _ in range(31):
            self.compute(seconds=0, fails=False)
        assert {} == self.taken


class TestTraffic(Traffic.TestCase):
    """Whatever happens, every image is answered or refused exactly once and in order."""

    settings = settings(max_examples=40, stateful_step_count=30)
