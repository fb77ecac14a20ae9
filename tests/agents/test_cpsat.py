import numpy as np
import pytest

from ganttlet.core.errors import InputError
from ganttlet.job_shop import FAMILY, OBJECTIVES, JobShopInstance, Schedule, lower_bound, resolve, validate
from ganttlet_agents.evaluation.methods import parse_methods
from ganttlet_agents.solvers.job_shop import solve_cpsat
from reference.brute_force import optimum

pytest.importorskip("ortools")


def random_instance(seed, jobs=4, machines=4, reentrant=False):
    rng = np.random.default_rng(seed)
    machine = np.argsort(rng.random((jobs, machines)), axis=1)
    duration = rng.integers(0, 10, (jobs, machines))
    if reentrant:
        machine = rng.integers(0, machines, (jobs, machines))
        for j in range(jobs):
            machine[j, rng.integers(1, machines + 1) :] = -1
        duration[machine < 0] = 0
    release = rng.integers(0, 8, jobs)
    due = release + (1.3 * duration.sum(axis=1)).astype(int)
    weight = rng.integers(0, 4, jobs)
    return JobShopInstance(f"random{seed}", machine, duration, machines, release, due, weight)


def brute_force(instance, objective):
    jobs = [
        [(int(k), int(p)) for k, p in zip(machine, duration, strict=True) if k >= 0]
        for machine, duration in zip(instance.machine, instance.duration, strict=True)
    ]
    lists = (instance.release.tolist(), instance.due.tolist(), instance.weight.tolist())
    return optimum(jobs, instance.n_machines, objective, *lists)[0]


def test_ft06_is_proven():
    result = solve_cpsat(resolve("ft06"), time_limit=60)
    assert (result.value, result.bound, result.optimal, result.status) == (55, 55, True, "optimal")


@pytest.mark.parametrize("seed", range(20))
def test_tardiness_optimum_equals_brute_force(seed):
    instance = random_instance(seed)
    result = solve_cpsat(instance, "total_tardiness", time_limit=60)
    assert result.optimal
    assert result.value == result.bound == brute_force(instance, "total_tardiness")
    assert validate(instance, result.schedule).values["total_tardiness"] == result.value


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("seed", range(5))
def test_every_objective_on_unequal_reentrant_jobs(objective, seed):
    instance = random_instance(100 + seed, jobs=4, machines=3, reentrant=True)
    result = solve_cpsat(instance, objective, time_limit=60)
    assert result.optimal
    assert result.value == result.bound == brute_force(instance, objective)


def test_operation_of_no_duration_stays_out_of_others():
    # Job 1 must be seen by machine 0 for no time; strictly inside job 0's operation it may not be.
    machine, duration = [[0, -1], [1, 0]], [[10, 0], [4, 0]]
    instance = JobShopInstance("zero", machine, duration, 2)
    result = solve_cpsat(instance, "flow_time", time_limit=60)
    assert result.optimal
    assert result.value == 18
    assert validate(instance, result.schedule).feasible
    inside = Schedule([[0, -1], [0, 4]], instance.digest)
    assert not validate(instance, inside).feasible


def test_all_durations_zero():
    instance = JobShopInstance("nothing", [[0, 1], [1, 0]], [[0, 0], [0, 0]], 2)
    assert solve_cpsat(instance, time_limit=60).value == 0


def test_hint_bounds_the_result_even_without_search():
    instance = resolve("ta01")
    start, free = np.full(instance.machine.shape, -1), 0
    for j in range(instance.n_jobs):
        for i in range(instance.n_ops[j]):
            start[j, i] = free
            free += instance.duration[j, i]
    hint = Schedule(start, instance.digest)
    result = solve_cpsat(instance, time_limit=1e-3, workers=1, hint=hint)
    assert result.value <= free
    assert lower_bound(instance) <= result.bound <= result.value
    assert validate(instance, result.schedule).feasible


def test_infeasible_hint_is_refused():
    instance = resolve("ft06")
    with pytest.raises(InputError, match="hint for ft06 is infeasible: job 0"):
        solve_cpsat(instance, hint=Schedule(np.zeros((6, 6), int), instance.digest))


def test_no_solution_in_time_is_told():
    result = solve_cpsat(resolve("ta71"), time_limit=1e-3, workers=1)
    assert (result.schedule, result.value, result.optimal, result.status) == (None, None, False, "unknown")
    assert result.bound >= lower_bound(resolve("ta71"))


def test_deterministic_limit_repeats():
    instance = resolve("ft20")
    first, second = (solve_cpsat(instance, time_limit=None, deterministic_limit=0.1, seed=5) for _ in range(2))
    assert first.schedule == second.schedule
    assert (first.bound, first.status) == (second.bound, second.status)


def test_tardiness_needs_due_dates():
    with pytest.raises(InputError, match="needs due dates, and instance ft06 has none"):
        solve_cpsat(resolve("ft06"), "total_tardiness")
    with pytest.raises(InputError, match="objective: unknown value 'cmax'"):
        solve_cpsat(resolve("ft06"), "cmax")


def test_weights_beyond_int64_are_refused():
    n, big = 4, 2**31 - 1
    with pytest.raises(InputError, match=r"weighted tardiness may reach .*, over 2\*\*53"):
        JobShopInstance("huge", [[0]] * n, [[big // n - 1]] * n, 1, due=[-big] * n, weight=[big] * n)


@pytest.mark.parametrize(
    ("text", "deterministic"),
    [
        ("solver:cpsat", False),
        ("solver:cpsat:time=1:workers=1", False),
        ("solver:cpsat:dtime=1", True),
        ("solver:cpsat:dtime=1:workers=1", True),
        ("solver:cpsat:dtime=1:workers=2", False),
        ("solver:cpsat:dtime=1:time=60", False),
    ],
)
def test_only_a_deterministic_limit_is_called_deterministic(text, deterministic):
    assert parse_methods(text, FAMILY)[0].deterministic is deterministic


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("solver:cpsat:time=0", r"≥ 0\.001"),
        ("solver:cpsat:workers=0", "≥ 1"),
        ("solver:cpsat:hint=no_such_rule", "unknown rule 'no_such_rule'; expected one of"),
    ],
)
def test_impossible_options_are_refused(text, message):
    with pytest.raises(InputError, match=message):
        parse_methods(text, FAMILY)


def test_method_hands_over_bound_and_status():
    outcome = parse_methods("solver:cpsat:time=60", FAMILY)[0].solve(resolve("ft06"), objective="makespan", seed=0)
    assert (outcome.bound, outcome.optimal, outcome.status) == (55, True, "optimal")


def test_rule_as_hint():
    (method,) = parse_methods("solver:cpsat:dtime=0.1:hint=mwkr", FAMILY)
    outcome = method.solve(resolve("ft10"), objective="makespan", seed=0)
    from ganttlet_agents.rules import run_rule

    hint = run_rule("mwkr", resolve("ft10"), timing="nondelay", objective="makespan")
    values = [validate(resolve("ft10"), schedule).values["makespan"] for schedule in (outcome.solution, hint)]
    assert values[0] <= values[1]


@pytest.mark.long
@pytest.mark.parametrize(("name", "makespan"), [("ft10", 930), ("ta01", 1231)])
def test_known_optimum_is_reached(name, makespan):
    result = solve_cpsat(resolve(name), time_limit=300, hint="spt_twkr")
    assert result.value == makespan
    assert result.bound <= makespan


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"time_limit": -1.0}, "time_limit"),
        ({"workers": -1}, "workers"),
        ({"deterministic_limit": -2}, "deterministic"),
    ],
)
def test_bad_limits_are_named(arguments, word):
    with pytest.raises(InputError, match=word):
        solve_cpsat("ft06", **arguments)
