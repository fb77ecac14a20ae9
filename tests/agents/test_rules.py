"""Rules: exactly the reference makespans, the plain-Python twin under every timing, and randomised best-of-K."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from ganttlet.core.errors import InputError
from ganttlet.job_shop import JobShopInstance, resolve, validate
from ganttlet.job_shop.env import JobShopVectorEnv
from ganttlet.job_shop.timing import TIMINGS
from ganttlet_agents.evaluation.methods import parse_methods
from ganttlet_agents.rules.job_shop import RULES, choose, play, run_rule
from reference.job_shop import ReferenceJobShop
from reference.rules import DUE, FIRST
from reference.rules import play as play_twin

REFERENCE = json.loads((Path(__file__).parents[1] / "fixtures" / "pdr_reference.json").read_text())["makespan"]
MODES = {"nd": "nondelay", "gt": "active", "append": "append", "L2Dleft": "insert"}
SIZES = [range(first, first + 10) for first in range(1, 81, 10)]
CASES = [(mode, rule) for mode, rules in REFERENCE.items() for rule in rules]


def our_name(rule: str) -> str:
    return rule.lower().replace("/", "_").replace("+", "_")


@pytest.fixture(scope="module")
def batches():
    """One batch per Taillard size and timing, made once: (timing, size) -> environment."""
    made = {}

    def get(timing, numbers):
        if (timing, numbers) not in made:
            instances = [resolve(f"ta{number:02d}") for number in numbers]
            env = JobShopVectorEnv(
                len(instances), instances=instances, timing=timing, window=1, autoreset_mode="disabled", copy=False
            )
            made[timing, numbers] = env, instances
        return made[timing, numbers]

    return get


@pytest.mark.parametrize(("mode", "rule"), CASES)
def test_exactly_the_reference_makespans(mode, rule, batches):
    expected = REFERENCE[mode][rule]
    assert len(expected) == 80
    for numbers in SIZES:
        env, instances = batches(MODES[mode], numbers)
        env.reset(seed=0, options={"instance": instances})
        play(env, our_name(rule))
        names = [f"ta{number:02d}" for number in numbers]
        assert env.objective_values("makespan").tolist() == [expected[name] for name in names]


@pytest.mark.parametrize(
    ("instance", "rule", "nondelay", "active"),
    [
        ("ft06", "spt", 88, 94),
        ("ft06", "mwkr", 61, 67),
        ("ft06", "mor", 59, 60),
        ("ft06", "spt_twkr", 68, 65),
        ("ft06", "fifo", 65, 65),
        ("ft10", "spt", 1074, 1429),
        ("ft10", "mwkr", 1108, 1178),
        ("ft10", "spt_twkr", 1007, 1111),
        ("la01", "spt", 751, 1185),
        ("la01", "spt_twkr", 708, 820),
        ("ta80", "spt_twkr", 5461, None),
    ],
)
def test_small_fixed_cases(instance, rule, nondelay, active):
    try:
        problem = resolve(instance)
    except InputError as error:
        pytest.skip(f"{instance} is not built in and its file is absent: {error}")
    for timing, expected in (("nondelay", nondelay), ("active", active)):
        if expected is not None:
            schedule = run_rule(rule, problem, timing)
            assert validate(problem, schedule).values["makespan"] == expected


def shop(rng, *, due):
    """A random instance of unequal jobs with some zero durations, and its plain form."""
    n, m = (int(x) for x in rng.integers(2, 6, 2))
    jobs = []
    for _ in range(n):
        route = rng.integers(0, m, rng.integers(1, m + 1))
        jobs.append([(int(k), int(rng.integers(0, 7))) for k in route])
    jobs[0][0] = (jobs[0][0][0], 3)
    release = rng.integers(0, 10, n).tolist()
    dates = rng.integers(1, 40, n).tolist() if due else None
    weight = rng.integers(0, 4, n).tolist()
    width = max(map(len, jobs))
    machine = [[k for k, _ in job] + [-1] * (width - len(job)) for job in jobs]
    duration = [[p for _, p in job] + [0] * (width - len(job)) for job in jobs]
    return JobShopInstance("random", machine, duration, m, release, dates, weight), jobs


@pytest.mark.parametrize("timing", TIMINGS)
@pytest.mark.parametrize("name", [*FIRST, *DUE])
def test_equals_the_plain_twin(name, timing):
    rng = np.random.default_rng(len(name) + 100 * TIMINGS.index(timing))
    for due in (False, True):
        for _ in range(4):
            instance, jobs = shop(rng, due=due)
            twin = ReferenceJobShop(
                jobs,
                instance.n_machines,
                timing,
                release=instance.release.tolist(),
                due=instance.due.tolist() if due else None,
                weight=instance.weight.tolist(),
            )
            schedule = run_rule(name, instance, timing)
            assert [[s for s in row if s >= 0] for row in schedule.start.tolist()] == play_twin(name, twin)


def test_every_rule_has_a_twin():
    assert set(RULES) == {*FIRST, *DUE}


def test_best_of_starts_with_the_rule_itself_and_never_does_worse():
    instance = resolve("ta01")
    plain = validate(instance, run_rule("spt_twkr", instance)).values["makespan"]
    one = validate(instance, run_rule("spt_twkr", instance, best_of=1, seed=5)).values["makespan"]
    many = [
        validate(instance, run_rule("spt_twkr", instance, best_of=k, seed=5)).values["makespan"] for k in (8, 8, 64)
    ]
    assert plain == one
    assert many[0] == many[1] <= plain
    assert many[2] < plain


def test_best_of_minimises_the_objective_asked_for():
    instance = resolve("ta01:due_factor=1.3")
    plain = validate(instance, run_rule("mdd", instance, objective="total_tardiness")).values
    best = validate(instance, run_rule("mdd", instance, objective="total_tardiness", best_of=32)).values
    assert best["total_tardiness"] < plain["total_tardiness"]


def test_random_is_seeded_and_uniform_over_legal_jobs():
    instance = resolve("ft06")
    first, second, other = (run_rule("random", instance, "active", seed=seed) for seed in (1, 1, 2))
    assert first == second
    assert first != other
    env = JobShopVectorEnv(4000, instance=instance, timing="append", autoreset_mode="disabled", copy=False)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    picked = np.argmax(rng.random((4000, 6)) * env.view().legal, axis=1)
    assert np.bincount(picked, minlength=6).min() > 500


def test_a_rule_chooses_among_legal_jobs_only():
    env = JobShopVectorEnv(32, generator={"name": "uniform", "jobs": 5, "machines": 3}, autoreset_mode="disabled")
    env.reset(seed=3)
    for rule in RULES.values():
        chosen = choose(env.view(), rule)
        assert env.view().legal[np.arange(32), chosen].all()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("rule:nosuch", "spt_twkr"),
        ("rule:spt:timing=sometimes", "nondelay"),
        ("rule:spt:best_of=0", "best_of"),
        ("rule:spt:tempo=3", "tempo"),
        ("rule:cr:best_of=4", "best_of"),
        ("rule:random:sigma=1", "sigma"),
    ],
)
def test_bad_methods_are_refused_by_name(text, word):
    with pytest.raises(InputError, match=word):
        parse_methods(text, "job_shop")


def test_python_callers_get_the_same_refusals():
    instance = resolve("ft06")
    with pytest.raises(InputError, match="fifo"):
        run_rule("fifo", instance, best_of=4)
    with pytest.raises(InputError, match="eddc"):
        run_rule("eddc", instance)
    with pytest.raises(InputError, match="due"):
        run_rule("edd", instance, objective="total_tardiness")


def test_bad_arguments_are_named():
    for arguments, word in (({"best_of": 0}, "best_of"), ({"best_of": 2.5}, "best_of"), ({"sigma": -1.0}, "sigma")):
        with pytest.raises(InputError, match=word):
            run_rule("mor", "ft06", **arguments)


def test_rules_stay_quiet_on_finished_rows():
    instances = [resolve("ft06:due_factor=1.3"), resolve("ta01:due_factor=1.3")]
    env = JobShopVectorEnv(2, instances=instances, objective="total_tardiness", autoreset_mode="disabled", copy=False)
    for name in RULES:
        env.reset(seed=0, options={"instance": instances})
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            play(env, name)
        alone = run_rule(name, instances[0], objective="total_tardiness")
        assert env.solution(0) == alone
