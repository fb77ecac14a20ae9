"""Futures drawn anew: nothing hidden is shown, and what is drawn follows the workload's law, given what is shown."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from families_soc import CUT, LONE, NOISY, PAIR, QUEUED, REDRAWN, STOPPED, TRACED, chip
from ganttlet.core.errors import InputError
from ganttlet.soc_dag import layout as at
from ganttlet.soc_dag.batch import SoCDAGVectorEnv
from ganttlet.soc_dag.dispatch import CAN_BE_LATE, RULES
from ganttlet.soc_dag.future import longer_duration
from ganttlet.soc_dag.instance import Workload
from ganttlet.soc_dag.solution import validate
from ganttlet.soc_dag.view import SoCView
from ganttlet.soc_dag.world import draw_duration
from reference.play import assert_same, legal_actions
from reference.soc_strategies import workloads

ROWS = 6
MODES = (
    {"action": "pe"},
    {"action": "pe", "wait": True, "stale_estimates": True},
    {"action": "task", "wait": True, "window": 3},
    {"action": "joint", "wait": True, "window": 4},
    {"action": "joint", "wait": True, "binding": "late"},
)
GIVEN = {"noisy": NOISY, "redrawn": REDRAWN, "queued": QUEUED, "traced": TRACED, "cut": CUT, "stopped": STOPPED}


def make(workload, rows, **options):
    env = SoCDAGVectorEnv(rows, instance=workload, autoreset_mode="Disabled", **options)
    env.reset(seed=0)
    return env


def wander(env, steps, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        env.step(legal_actions(env.action_masks(), rng))
    return env


def advice(env):
    """What every rule does, late or not."""
    found = {name: env.advise(name, seed=5) for name in RULES}
    if env._wait:
        found |= {f"{name}, late": env.advise(name, late=True) for name in CAN_BE_LATE}
    return found


def view_of(env, row):
    """All that a method written in Python may know."""
    view = SoCView(env, row)
    names = ("now", "entered", "boundaries", "ready", "state", "pe", "running", "expected", "up_at", "queued", "free")
    facts = {name: np.array(getattr(view, name)) for name in names}
    facts["jobs"] = np.array([list(job) for job in view.jobs])
    facts["finish"] = np.where(facts["state"] == at.DONE, view.finish, -1)
    for pe in range(view.workload.n_pes):
        facts[f"queue {pe}"] = np.array([(task, view.arrival_of_data(task)) for task in view.queue(pe)])
    for task in view.ready:
        facts[f"data {task}"] = view.data(task).copy()
    return facts


def hidden_apart(env, row):
    """The state of a row without what a new future changes."""
    state = at.State(*(part[row].copy() for part in env._state))
    state.log_job[state.totals[at.INJECTED] : state.totals[at.ACCEPTED], 0] = 0
    state.pes[state.pes[:, at.RUNS] >= 0, at.ENDS] = 0
    state.totals[[at.WORLD, at.NEXT]] = 0
    return tuple(state)


def hidden(env, row):
    """What comes of it: the next attempt, ends of running tasks, applications that wait for a place."""
    totals, pes, log_job = env._state.totals[row], env._state.pes[row], env._state.log_job[row]
    waiting = log_job[totals[at.INJECTED] : totals[at.ACCEPTED], 0]
    return int(totals[at.NEXT]), tuple(pes[pes[:, at.RUNS] >= 0, at.ENDS]), tuple(waiting)


def compare(workload, options, steps, seed):
    """Give copies of one row other futures; return how many of these tell from one another at once."""
    env = wander(make(workload, ROWS, **options), steps, seed)
    saved = env.snapshot([seed % ROWS] * ROWS)
    env.restore(saved)
    plain = {key: part.copy() for key, part in env.live_observation.items()}
    advised, view, state = advice(env), view_of(env, 0), hidden_apart(env, 0)
    env.restore(saved, resample_future=seed)
    assert_same({key: part.copy() for key, part in env.live_observation.items()}, plain)
    assert_same(advice(env), advised)
    for row in range(ROWS):
        assert_same(view_of(env, row), view)
        assert_same(hidden_apart(env, row), state)
        totals, pes = env._state.totals[row], env._state.pes[row]
        if totals[at.STATUS] != at.OVER:
            assert totals[at.NEXT] > totals[at.NOW]
            running = pes[pes[:, at.RUNS] >= 0]
            assert (running[:, at.ENDS] > np.maximum(running[:, at.UP_AT], totals[at.NOW])).all()
    return len({hidden(env, row) for row in range(ROWS)})


@pytest.mark.parametrize("options", MODES, ids=lambda options: "-".join(map(str, options.values())))
def test_no_rule_and_no_observation_shows_the_future(options):
    told = [
        compare(Workload.from_dict(workload), options, steps, seed)
        for workload in GIVEN.values()
        for seed in range(3)
        for steps in (0, 1, 2, 4, 7, 11)
    ]
    # The futures did differ, most often in several ways.
    assert np.mean(np.array(told) > 2) > 0.3


@settings(max_examples=60, deadline=None, derandomize=True)
@given(workload=workloads(), options=st.sampled_from(MODES), steps=st.integers(0, 14), seed=st.integers(0, 99))
def test_no_rule_and_no_observation_of_small_workloads_shows_the_future(workload, options, steps, seed):
    compare(workload, options, steps, seed)


# Laws.


def distance(drawn, expected):
    """Return the greatest distance of two empirical distribution functions."""
    at_most = np.union1d(drawn, expected)
    one, other = (np.searchsorted(np.sort(part), at_most, "right") / len(part) for part in (drawn, expected))
    return float(np.abs(one - other).max())


@pytest.mark.parametrize("kind", [0, 1], ids=["gaussian", "lognormal"])
@pytest.mark.parametrize(
    ("mean", "std", "worked"),
    [(40, 0.3, 0), (40, 0.3, 25), (40, 0.3, 55), (3, 1.5, 0), (3, 1.5, 1), (3, 1.5, 6), (1, 0.8, 1), (200, 10.0, 90)],
)
def test_longer_durations_follow_the_law_of_durations_that_are_longer(kind, mean, std, worked):
    all_of_them = np.array([draw_duration(4, job, 0, mean, std, kind) for job in range(40_000)])
    expected = all_of_them[all_of_them > worked]
    drawn = np.array([longer_duration((k + 0.5) / 4000, worked, mean, std, kind) for k in range(4000)])
    assert len(expected) > 300
    assert drawn.min() > worked
    assert distance(drawn, expected) < 1.7 / math.sqrt(len(expected)) + 1 / 4000
    assert (np.diff(drawn) >= 0).all()


@pytest.mark.parametrize("kind", [0, 1])
def test_longer_durations_at_the_ends_of_the_law(kind):
    for u in (0.0, 0.5, 1.0 - 2.0**-53):
        assert longer_duration(u, 10**6, 10, 0.01, kind) == 10**6 + 1
        assert longer_duration(u, 0, 1, 1e-9, kind) == 1
        assert longer_duration(u, 6, 9, 1e-9, kind) == 9
        assert 2 <= longer_duration(u, 1, 2**28, 10.0, kind) <= 2**29


MANY = 4000


def sampled(workload, actions, **options):
    """Play ``actions`` in one row, and give MANY copies of it other futures."""
    env = make(workload, MANY, **options)
    for action in actions:
        env.step(np.full(MANY, action))
    env.restore(env.snapshot([0] * MANY), resample_future=17)
    return env


def long_task(noise, **scenario):
    """Two PEs and tasks of mean 100; the second arrives at 80."""
    return Workload.from_dict(
        chip(
            {"a": [100, 100]},
            [1, 1],
            {"lone": LONE},
            arrivals="trace",
            trace=((0, 0), (80, 0)),
            std={"a": 0.3},
            noise=noise,
            **{"capacity": 2, "seed": 3, **scenario},
        )
    )


@pytest.mark.parametrize("noise", ["gaussian", "lognormal"])
@pytest.mark.parametrize("pauses", [(), ((0, 20, 50),), ((0, 60, 95),), ((1, 10, 90),)])
def test_rest_of_a_running_task(noise, pauses):
    """At 80 it has worked for 80 ticks, less what pauses took; it goes on by the law of what is left of them."""
    env = sampled(long_task(noise, outages=pauses), [0])
    assert (env._state.totals[:, at.NOW] == 80).all()
    own = [(begin, until) for pe, begin, until in pauses if pe == 0]
    worked = 80 - sum(min(until, 80) - begin for begin, until in own)
    pause = sum(until - begin for begin, until in own)
    noises = ["gaussian", "lognormal"].index(noise)
    law = np.array([draw_duration(8, job, 0, 100, 0.3, noises) for job in range(20_000)])
    law = law[law > worked]
    env.step(np.full(MANY, 1))
    ends = env._state.log_finish[:, 0, 0]
    assert env.done.all()
    assert ends.mean() == pytest.approx(pause + law.mean(), abs=4 * law.std() / math.sqrt(MANY))
    assert distance(ends - pause, law) < 0.035


def test_tasks_that_have_not_begun_are_drawn_as_ever():
    env = sampled(long_task("gaussian"), [0])
    env.step(np.full(MANY, 1))
    took = env._state.log_finish[:, 1, 0] - env._state.log_start[:, 1, 0]
    assert took.mean() == pytest.approx(100, abs=4 * 30 / math.sqrt(MANY))
    assert took.std() == pytest.approx(30, rel=0.06)
    both = np.corrcoef(took, env._state.log_finish[:, 0, 0])[0, 1]
    assert abs(both) < 4 / math.sqrt(MANY)


def stream(**scenario):
    facts = {"scale": 12.0, "capacity": 3, "jobs": 9, "seed": 1, **scenario}
    return Workload.from_dict(chip({"a": [5, 9], "b": [4, 4], "d": [2, 3]}, [1, 1], {"pair": PAIR}, **facts))


@pytest.mark.parametrize("full", ["block", "redraw", "queue"])
@pytest.mark.parametrize("actions", [[], [0], [0, 1, 0]])
def test_next_arrival(full, actions):
    """A source without memory starts anew at every instant, a tick from now on."""
    env = sampled(stream(full=full), actions)
    gaps = env._state.totals[:, at.NEXT] - env._state.totals[:, at.NOW] - 1
    mean = 1 / math.expm1(1 / 12.0)
    assert gaps.min() == 0
    assert gaps.mean() == pytest.approx(mean, abs=4 * 12 / math.sqrt(MANY))
    law = np.floor(np.random.default_rng(0).exponential(12.0, 40_000))
    assert distance(gaps, law) < 0.03


def test_a_source_that_is_known_to_bring_more_before_its_end():
    """Before the warm-up is over no job counts, and yet the run goes on: one must arrive until the source closes."""
    workload = stream(length=30, warmup=10, jobs=None, prefill=True, scale=20.0)
    env = sampled(workload, [0])
    assert (env._state.totals[:, [at.NOW, at.COUNTING]] == 0).all()
    law = np.floor(np.random.default_rng(1).exponential(20.0, 80_000)) + 1
    assert distance(env._state.totals[:, at.NEXT], law[law < 30]) < 0.03
    # Without a warm-up the jobs that are here count, and the source may have closed.
    env = sampled(stream(length=30, jobs=None, prefill=True, scale=20.0), [0])
    closed = env._state.totals[:, at.NEXT] == at.NEVER
    assert closed.mean() == pytest.approx(np.mean(law >= 30), abs=4 * 0.5 / math.sqrt(MANY))
    assert env._state.totals[~closed, at.NEXT].max() == 29


@pytest.mark.parametrize("scenario", [{}, {"end": "cut"}, {"full": "redraw"}])
def test_the_mask_of_waiting_tells_whether_an_attempt_is_to_come(scenario):
    """Where nothing else moves and there is room: waiting is legal if, and only if, the source is open."""
    told = {True: 0, False: 0}
    for seed in range(40):
        workload = replace(stream(length=14, jobs=None, **scenario), seed=seed)
        env = make(workload, 50, wait=True)
        totals = env._state.totals[0].copy()
        if totals[at.STATUS] == at.OVER or totals[at.IN_SYSTEM] == workload.capacity or totals[at.NOW] > 8:
            continue
        shows = bool(env.action_masks()[0, -1])
        told[shows] += 1
        env.restore(env.snapshot([0] * 50), resample_future=seed)
        assert ((env._state.totals[:, at.NEXT] < workload.length) == shows).all()
        # Without the action nothing tells it.
        env = make(workload, 50)
        env.restore(env.snapshot([0] * 50), resample_future=seed)
        assert 0 < (env._state.totals[:, at.NEXT] < workload.length).sum() < 50
    assert min(told.values()) > 3


def test_applications_that_wait_for_a_place_are_drawn_anew():
    workload = Workload.from_dict(
        chip(
            {"a": [90, 90], "b": [70, 50], "d": [1, 1]},
            [1, 1],
            {"lone": LONE, "pair": PAIR},
            probability=[1, 3],
            arrivals="periodic",
            scale=10.0,
            capacity=1,
            full="queue",
            jobs=30,
        )
    )
    env = make(workload, MANY)
    while (env._state.totals[0, at.ACCEPTED] - env._state.totals[0, at.INJECTED]) < 3:
        env.step(env.live_mask.argmax(axis=1))
    saved, first = env.snapshot([0] * MANY), int(env._state.totals[0, at.INJECTED])
    assert saved.state[0][0, at.NEXT] < at.NEVER
    env.restore(saved, resample_future=2)
    waiting, known = env._state.log_job[:, first : first + 3, 0], env._state.log_job[:, :first, 0]
    assert waiting.mean(axis=0) == pytest.approx([0.75] * 3, abs=4 * 0.44 / math.sqrt(MANY))
    assert (known == known[0]).all()
    assert (env._state.totals[:, at.NEXT] == saved.state[0][0, at.NEXT]).all()
    traced = replace(workload, arrivals="trace", trace=np.array([(0, 0), (1, 1), (2, 0), (3, 1)]), jobs=4)
    env = make(traced, ROWS)
    while env._state.totals[0, at.ACCEPTED] < 4:
        env.step(env.live_mask.argmax(axis=1))
    env.restore(env.snapshot([0] * ROWS), resample_future=2)
    assert (env._state.log_job[:, :4, 0] == [0, 1, 0, 1]).all()


RUNS = 1200
FLOW = {
    "noisy": {**NOISY, "jobs": 6},
    "redrawn": {**REDRAWN, "jobs": 20, "length": 60},
    "cut": CUT,
    "stopped": STOPPED,
    "warm": {**NOISY, "jobs": 12, "length": 45, "warmup": 15, "cooldown": 12, "full": "queue"},
}


@pytest.mark.parametrize("options", [{"action": "pe"}, {"action": "joint", "wait": True, "binding": "late"}])
@pytest.mark.parametrize("name", FLOW)
def test_on_average_a_future_drawn_anew_is_like_the_own(name, options):
    """Given what is shown the own future and one drawn anew have one law, so that all means agree, midway and late."""
    workload = Workload.from_dict(FLOW[name])
    env = SoCDAGVectorEnv(RUNS, instance=workload, autoreset_mode="Disabled", **options)
    env.reset(seed=0, options={"instance": [replace(workload, seed=seed) for seed in range(RUNS)]})
    start = env.snapshot()

    def outcome(after):
        env.restore(start)
        steps = 0
        while not env.done.all():
            if steps == after:
                env.restore(env.snapshot(), resample_future=after)
            env.step(env.advise("etf"))
            steps += 1
        totals = env._state.totals
        found = [env.objective_values(objective) for objective in ("latency", "makespan", "energy", "missed")]
        return np.array([*found, *(totals[:, column] for column in (at.NOW, at.ACCEPTED, at.COMPLETED, at.DECISIONS))])

    own = outcome(-1)
    for after in (0, 4, 9):
        change = outcome(after) - own
        error = change.std(axis=1) / math.sqrt(RUNS)
        assert (np.abs(change.mean(axis=1)) <= 4 * error + 1e-9).all()
        assert (error > 0).any()


# What a run of another future is good for.


def finish(env):
    while not env.done.all():
        env.step(env.live_mask.argmax(axis=1))


def refused():
    return pytest.raises(InputError, match=r"another future than its instance has; read its objectives")


def test_the_solution_of_another_future_is_refused_and_its_objectives_are_not():
    workload = Workload.from_dict(NOISY)
    env = wander(make(workload, 4, render_mode="ansi"), 3)
    env.restore(env.snapshot([1]), [2], resample_future=5)
    assert env.instance(2) == workload
    env.copy_rows([2], [3])
    later = env.snapshot([3])
    finish(env)
    for row in (2, 3):
        with refused():
            env.solution(row)
    assert env.objective_values("latency")[2] == env.objective_values("latency")[3] > 0
    assert all(env.render())
    for row in (0, 1):
        assert validate(workload, env.solution(row)).feasible
    env.restore(later, [0])
    with refused():
        env.solution(0)
    env.restore(later, [0], resample_future=1)
    with refused():
        env.solution(0)
    finish(env)
    env.reset(options={"reset_mask": np.array([False, False, True, False])})
    with refused():
        env.last_solution(2)
    assert env.solution(2).end == 0 or len(env.solution(2).app)
    finish(env)
    assert validate(workload, env.solution(2)).feasible


def test_a_run_that_is_over_has_no_other_future():
    workload = Workload.from_dict(NOISY)
    env = make(workload, 2)
    finish(env)
    run, state = env.solution(1), env.snapshot().state
    env.restore(env.snapshot(), resample_future=5)
    assert_same(env.snapshot().state, state)
    assert env.solution(1) == run


@pytest.mark.parametrize("seed", [0, 1, 5, 2**62])
def test_the_workloads_own_seed_brings_another_future_too(seed):
    env = make(replace(Workload.from_dict(NOISY), seed=seed), 1)
    env.restore(env.snapshot(), resample_future=seed)
    with refused():
        env.solution(0)
