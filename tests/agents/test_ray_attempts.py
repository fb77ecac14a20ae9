"""Which rows are handed out, done again or failed when workers on Ray die, by a Ray that is none."""

import random
from collections import Counter

import pytest

from fake_ray import NEVER_RAN, NODE_DIED, PROCESS_DIED, ActorDiedError, FakeRay, OutOfMemoryError, Said, done, jobs_of
from ganttlet.core.errors import InputError
from ganttlet_agents.distributed import attempts
from ganttlet_agents.distributed.attempts import AHEAD, LOSSES, SHARD, WITHOUT_CORES, _Queue, attempt_all
from ganttlet_agents.evaluation.methods import parse_methods
from ganttlet_agents.evaluation.workers import LOADING


def all_done(actor, jobs):
    return [[done(index) for index in jobs]]


@pytest.fixture
def fake(monkeypatch, tmp_path):
    """Return a function that attempts ``count`` jobs and returns index -> error of the rows, and the Ray."""

    def fake(play=all_done, count=20, workers=2, timeout=None, **how):
        ray = FakeRay(monkeypatch, play, **how)
        rows = []
        for job, attempt in attempt_all(jobs_of(tmp_path, count), "job_shop", [], count=workers, timeout=timeout):
            rows.append((job.index, attempt.error))
        assert sorted(index for index, _ in rows) == list(range(count))
        assert set(ray.killed) == {actor.number for actor in ray.actors}
        return dict(rows), ray

    return fake


def test_a_queue_keeps_the_order_and_hands_what_must_be_alone_out_alone():
    queue = _Queue(iter("abcdefgh"))
    assert queue.take(3) == ["a", "b", "c"]
    queue.give_back("bc")
    queue.give_back_alone("xy")
    assert queue.has(4)
    assert [queue.take(4) for _ in range(4)] == [["x"], ["y"], ["b", "c", "d", "e"], ["f", "g", "h"]]
    assert not queue
    assert queue.take(4) == []
    queue.give_back("z")
    assert queue.has(1)
    assert not queue.has(2)


def test_jobs_are_drawn_as_they_are_needed():
    drawn = []
    queue = _Queue(drawn.append(index) or index for index in range(100))
    queue.take(2)
    assert queue.has(3)
    assert len(drawn) == 5


def test_no_jobs_need_no_worker(fake):
    _, ray = fake(count=0)
    assert ray.actors == []


def test_one_job_gets_one_worker_whatever_is_asked_for(fake):
    _, ray = fake(count=1, workers=4)
    assert len(ray.actors) == 1


def test_shards_grow_with_what_was_done_and_two_are_handed_out_ahead(fake):
    _, ray = fake(count=600, workers=1)
    sizes = [len(shard) for shard in ray.shards]
    assert sizes[:3] == [1] * AHEAD + [2]
    assert max(sizes) == SHARD
    assert [index for shard in ray.shards for index in shard] == list(range(600))


def test_what_a_worker_does_not_reach_is_handed_out_again(fake):
    rows, ray = fake(lambda actor, jobs: [[done(jobs[0])]], count=30)
    assert not any(rows.values())
    assert len(ray.actors) == 2


@pytest.mark.parametrize("seed", range(60))
def test_no_row_is_lost_or_doubled_however_nodes_die(fake, seed):
    rng = random.Random(seed)
    left = LOSSES - 1

    def play(actor, jobs):
        nonlocal left
        done_jobs = jobs[: rng.randint(1, len(jobs))]
        cut = rng.randint(0, len(done_jobs))
        items = [[done(index) for index in part] for part in (done_jobs[:cut], done_jobs[cut:]) if part]
        if left and rng.random() < 0.4:
            left -= 1
            # Anywhere: before the first answer, between two, or after the last and before its end was heard.
            return [*items[: rng.randint(0, len(items))], NODE_DIED]
        return items

    rows, _ = fake(play, count=40, workers=3)
    assert not any(rows.values())


@pytest.mark.parametrize("seed", range(20))
def test_only_jobs_that_kill_fail_and_after_two_deaths(fake, seed):
    rng = random.Random(seed)
    killers = set(rng.sample(range(40), 3))
    deaths = Counter()

    def play(actor, jobs):
        items = []
        for index in jobs:
            if index in killers:
                deaths[index] += 1
                return [*items[: rng.randint(0, len(items))], PROCESS_DIED]
            items.append([done(index)])
        return items

    rows, _ = fake(play, count=40, workers=3)
    failed = {index: error for index, error in rows.items() if error}
    assert set(failed) == killers
    assert all(error.startswith("it ended its worker process 2 times: The actor is dead") for error in failed.values())
    # Once among others, when it may have been another's doing, and once alone.
    assert set(deaths.values()) <= {1, 2}


def test_a_job_whose_node_is_lost_again_and_again_fails(fake):
    def play(actor, jobs):
        return [NODE_DIED] if 3 in jobs else all_done(actor, jobs)

    rows, _ = fake(play)
    assert {index for index, error in rows.items() if error} == {3}
    assert rows[3].startswith(f"its node was lost {LOSSES} times")


@pytest.mark.parametrize("seed", range(20))
def test_a_job_that_was_with_a_dead_worker_is_alone_from_then_on(fake, seed):
    rng = random.Random(seed)
    killers, suspects = set(rng.sample(range(40), 3)), set()

    def play(actor, jobs):
        assert len(jobs) == 1 or not suspects.intersection(jobs)
        if rng.random() < 0.05:
            return [NODE_DIED]
        met = [place for place, index in enumerate(jobs) if index in killers]
        if not met:
            return all_done(actor, jobs)
        suspects.update(jobs)
        return [PROCESS_DIED]

    rows, _ = fake(play, count=40, workers=3)
    assert {index for index, error in rows.items() if error} == killers


def test_a_worker_that_hangs_when_all_is_answered_costs_nothing(fake):
    def play(actor, jobs):
        return [*all_done(actor, jobs), *([Said([], 1e9)] if actor.number == 0 else [])]

    rows, _ = fake(play, timeout=1.0)
    assert not any(rows.values())


def test_a_worker_that_dies_when_all_is_answered_costs_nothing(fake):
    def play(actor, jobs):
        return (
            [*all_done(actor, jobs), NODE_DIED if actor.number == 0 else PROCESS_DIED]
            if actor.number < 2
            else (all_done(actor, jobs))
        )

    rows, _ = fake(play)
    assert not any(rows.values())


def test_what_memory_ends_is_the_jobs_own_doing(fake):
    killed = OutOfMemoryError("Task was killed due to the node running low on memory.")
    rows, _ = fake(lambda actor, jobs: [killed] if 3 in jobs else all_done(actor, jobs))
    assert rows[3] == f"it ended its worker process 2 times: {killed}"


@pytest.mark.parametrize("error", [NODE_DIED, NEVER_RAN])
def test_many_workers_of_a_lost_node_are_asked_for_again_after_a_pause(fake, error):
    # Ray places workers there until it knows, 30 s later.
    def begin(actor):
        return error if ray_is_blind(actor) else ("node", {})

    begun = []

    def ray_is_blind(actor):
        begun.append(attempts.time.monotonic())
        return begun[-1] < begun[0] + 30.0

    rows, ray = fake(begin=begin, workers=16)
    assert not any(rows.values())
    assert len(ray.actors) < 16 * 40


def test_workers_that_can_never_begin_end_the_run(fake):
    with pytest.raises(InputError, match=f"for {WITHOUT_CORES:g} s all workers have been lost before they began"):
        fake(begin=lambda actor: NEVER_RAN)
    broken = ActorDiedError("The actor is dead because its process died: no module named x")
    with pytest.raises(InputError, match=r"workers die before they begin; the last one's reason: .* named x"):
        fake(begin=lambda actor: broken)


def test_a_cluster_without_cores_is_waited_for_so_long(fake):
    def play(actor, jobs):
        ray = attempts.time
        # An hour of work first: the wait counts from the last answer on.
        return [Said([done(jobs[0])], ray.monotonic() + 3600.0)] if actor.number == 0 else all_done(actor, jobs)

    never = Said(("node", {}), float("inf"))
    with pytest.raises(InputError, match="no node with cores for 300 s; --resume goes on"):
        start_without_cores(fake, never)
    rows, _ = fake(play, workers=1, count=3)
    assert not any(rows.values())


def start_without_cores(fake, never):
    def begin(actor):
        import ray

        ray.cluster_resources = dict
        return never

    fake(begin=begin)


def test_a_row_is_late_from_the_moment_it_begins(fake):
    def play(actor, jobs):
        now = attempts.time.monotonic()
        # Loaded in 100 s, then solved: 3 never ends, the others take 0.9 s.
        first = jobs[0]
        return [Said([(first, None)], now + 100.0), Said([done(first)], now + (1e9 if first == 3 else 100.9))]

    rows, _ = fake(play, timeout=1.0, count=6)
    assert {index: error for index, error in rows.items() if error} == {3: "timed out after 1 s"}


def test_a_row_that_loads_for_ever_is_given_up(fake):
    def play(actor, jobs):
        return [Said([done(jobs[0])], 1e9)] if jobs[0] == 2 else [[done(jobs[0])]]

    rows, _ = fake(play, timeout=1.0, count=4)
    assert {index: error for index, error in rows.items() if error} == {2: f"loading took more than {LOADING:g} s"}


def test_an_answer_that_is_there_when_the_time_is_over_counts(monkeypatch, tmp_path):
    def play(actor, jobs):
        now = attempts.time.monotonic()
        return [[(jobs[0], None)], Said([done(jobs[0])], now + 0.5)]

    ray = FakeRay(monkeypatch, play)
    rows = []
    for _, attempt in attempt_all(jobs_of(tmp_path, 12), "job_shop", [], count=3, timeout=1.0):
        rows.append(attempt.error)
        ray.sleep(5.0)  # a disk that is slow to take the row
    assert rows == [None] * 12


def test_a_run_that_is_closed_ends_its_workers(monkeypatch, tmp_path):
    ray = FakeRay(monkeypatch, all_done)
    found = attempt_all(jobs_of(tmp_path, 50), "job_shop", [], count=2, timeout=None)
    next(found)
    found.close()
    assert ray.killed == [0, 1]


def test_gpus_are_asked_for_where_a_method_may_use_one(monkeypatch, tmp_path):
    for words, asked in (("rule:spt policy:job_shop", 0.0), ("policy:job_shop:device=auto", 0.5)):
        ray = FakeRay(monkeypatch, all_done)
        methods = parse_methods(words, "job_shop")
        list(attempt_all(jobs_of(tmp_path, 2), "job_shop", methods, count=4, timeout=None))
        assert ray.asked["num_gpus"] == asked
