"""Solvers of SoC task graphs: equal to exhaustive search on tiny traces, sound bounds, causal rolling plans."""

from dataclasses import replace

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ganttlet.core.errors import InputError
from ganttlet.soc_dag.batch import SoCDAGVectorEnv
from ganttlet.soc_dag.dispatch import RULES
from ganttlet.soc_dag.instance import Workload
from ganttlet.soc_dag.library import resolve
from ganttlet.soc_dag.planners import PLANNERS
from ganttlet.soc_dag.solution import validate
from ganttlet.soc_dag.view import SoCView
from ganttlet_agents.evaluation.methods import parse_methods
from ganttlet_agents.solvers.soc_dag import lower_bound, solve_cpsat, solve_rolling
from ganttlet_agents.solvers.soc_dag.lists import by_job, etf, heft
from ganttlet_agents.solvers.soc_dag.model import units_of
from ganttlet_agents.solvers.soc_dag.outlook import Applications, look_ahead
from ganttlet_agents.solvers.soc_dag.problem import Problem
from ganttlet_agents.solvers.soc_dag.single import problem_of
from reference.soc_exact import optimum
from reference.soc_strategies import workloads

pytest.importorskip("ortools")


def draw(seed, sizes=(4,), clusters=(1, 1), edges=0.5, least=0, trace=((0, 0),), **fields):
    """Draw applications of ``sizes`` tasks on clusters of so many PEs; each task lacks some clusters."""
    rng = np.random.default_rng(seed)
    home = np.repeat(np.arange(len(clusters)), clusters)
    width, pairs = max(sizes), []
    times = np.full((len(sizes), width, len(home)), -1)
    for app, n in enumerate(sizes):
        for task in range(n):
            row = rng.integers(least, 9, len(clusters))
            row[rng.permutation(len(clusters))[: rng.integers(0, len(clusters))]] = -1
            times[app, task] = row[home]
        order = rng.permutation(n)
        links = [(order[a], order[b]) for b in range(n) for a in range(b) if rng.random() < edges]
        pairs.append([(u, v, int(rng.integers(0, 16))) for u, v in links])
    most = max(1, *map(len, pairs))
    between = rng.integers(1, 5, (len(clusters), len(clusters)))
    bandwidth = between[np.ix_(home, home)]
    np.fill_diagonal(bandwidth, 20 if seed % 2 else 4)
    settings = {
        "arrivals": "trace",
        "trace": np.array(trace),
        "scale": 10.0,
        "capacity": len(trace),
        "full": "block",
        "prefill": False,
        "jobs": len(trace),
        "end": "drain",
        "warmup": 0,
        "cooldown": 0,
        "noise": "gaussian",
        "communication": "pe_to_pe",
        "tick_compat": False,
        "seed": seed,
        "outage": np.zeros((0, 3), int),
        "std": np.zeros((len(sizes), width)),
    }
    return Workload(
        name=f"drawn {seed}",
        exec_time=times,
        edges=[rows + [(-1, -1, -1)] * (most - len(rows)) for rows in pairs],
        probability=np.full(len(sizes), 1 / len(sizes)),
        cluster=home,
        bandwidth=bandwidth,
        memory_bandwidth=rng.integers(1, 6, len(clusters))[home],
        power=np.ones((len(clusters), max(clusters) + 1)),
        deadline=np.zeros(len(sizes), int),
        **{**settings, **fields},
    )


def check(workload, objective, result):
    """Assert that the run is legal and worth what the result says, and that the claim fits the bound."""
    verdict = validate(workload, result.run)
    assert verdict.feasible, verdict.violations
    assert verdict.values[objective] == result.value
    assert result.bound <= result.value + 1e-9
    assert result.optimal == (abs(result.value - result.bound) < 1e-9)


KINDS = (
    {},
    {"tick_compat": True},
    {"communication": "shared_memory"},
    {"communication": "shared_memory", "tick_compat": True},
)


@pytest.mark.parametrize("kind", range(4))
@pytest.mark.parametrize("seed", range(15))
def test_optimum_of_one_graph_is_that_of_exhaustive_search(seed, kind):
    workload = draw(seed, trace=((seed % 3, 0),), **KINDS[kind])
    result = solve_cpsat(workload, "makespan", time_limit=60)
    check(workload, "makespan", result)
    assert result.optimal
    assert result.value == optimum(workload, "makespan")


@pytest.mark.parametrize("objective", ["latency", "makespan"])
@pytest.mark.parametrize("seed", range(12))
def test_optimum_of_two_jobs_is_that_of_exhaustive_search(seed, objective):
    queue = {"capacity": 1, "full": "queue"} if seed % 2 else {}
    trace = ((0, 0), (3, seed % 3 % 2))
    # Three equal PEs, so that units of several PEs, exchangeable PEs and both together occur.
    clusters = ((3,), (2, 1), (1, 1))[seed % 3]
    workload = draw(seed, (3, 2), clusters, trace=trace, least=1, **queue, **KINDS[seed // 3])
    result = solve_cpsat(workload, objective, time_limit=60)
    check(workload, objective, result)
    best = optimum(workload, objective)
    assert result.optimal
    assert result.value == (best if objective == "makespan" else (best - 3) / 2)


def test_optimum_of_the_worked_example_of_topcuoglu_is_73():
    workload = resolve("top_1")
    result = solve_cpsat(workload, "makespan", time_limit=60)
    check(workload, "makespan", result)
    assert (result.value, result.bound, result.optimal) == (73, 73, True)
    assert lower_bound(workload) == 54


@pytest.mark.parametrize(("name", "best"), [("wifi_rx", 288), ("wifi_tx", 69), ("range_detection", 176)])
def test_optima_of_the_radio_applications(name, best):
    try:
        workload = resolve(name)
    except InputError as error:
        pytest.skip(f"{name} is not under GANTTLET_DATA: {error}")
    result = solve_cpsat(workload, "latency", time_limit=120)
    check(workload, "latency", result)
    assert (result.value, result.optimal) == (best, True)


@pytest.mark.parametrize("seed", range(30))
def test_no_rule_is_below_the_bound(seed):
    workload = draw(seed, (12,), (2, 1, 2), 0.25)
    bound, result = lower_bound(workload), solve_cpsat(workload, "makespan", time_limit=1)
    check(workload, "makespan", result)
    assert workload.critical_path[0] <= bound <= result.value
    batch = SoCDAGVectorEnv(1, instance=workload, autoreset_mode=AutoresetMode.DISABLED)
    for rule in (*RULES, *PLANNERS):
        batch.reset(seed=0)
        batch.play(rule)
        value = validate(workload, batch.solution(0)).values["makespan"]
        assert value >= max(bound, result.bound)
        assert not result.optimal or value >= result.value


def test_bound_counts_the_work_that_only_few_pes_can_do():
    # Six tasks of 5 ticks without edges: two of the three PEs support the first four.
    times = [[5, 5, -1]] * 4 + [[5, 5, 5]] * 2
    workload = replace(
        draw(0, clusters=(1, 1, 1)), exec_time=np.array([times]), edges=np.full((1, 1, 3), -1), std=np.zeros((1, 6))
    )
    assert lower_bound(workload) == 10
    assert lower_bound(replace(workload, exec_time=np.array([times[:4] + [[5, -1, -1]] * 2]))) == 15


def test_equal_pes_are_one_unit_unless_transfers_tell_them_apart():
    problem = problem_of(draw(0, clusters=(3, 2), least=1), np.array([[0, 0]]))
    free = {"lags": np.zeros_like(problem.lags), "times": np.ones_like(problem.times)}
    assert units_of(replace(problem, **free)) == [(0, 1, 2, 3, 4)]
    times = np.ones_like(problem.times)
    times[:, 3:] = 2
    assert units_of(replace(problem, **free | {"times": times})) == [(0, 1, 2), (3, 4)]
    apart = np.ones_like(problem.lags) - np.eye(5, dtype=int)
    assert units_of(replace(problem, **free | {"times": times, "lags": apart})) == [(0,), (1,), (2,), (3,), (4,)]
    # One that takes no time could hide in a unit of several PEs that are all at work.
    assert units_of(replace(problem, **free | {"times": np.zeros_like(times)})) == [(0,), (1,), (2,), (3,), (4,)]


def test_list_schedules_keep_to_the_problem():
    workload = draw(3, (9, 6), (2, 2), trace=((0, 0), (4, 1), (6, 0)))
    problem = problem_of(workload, workload.trace)
    for plan in (etf(problem), heft(problem), by_job(problem, [1, 0, 2])):
        assert feasible(problem, plan)


def feasible(problem: Problem, plan):
    times = problem.times[np.arange(problem.n_tasks), plan.pe]
    finish = plan.start + times
    source, target = problem.edges.T
    lags = problem.lags[np.arange(len(problem.edges)), plan.pe[source], plan.pe[target]]
    if (times < 0).any() or (plan.start[target] < finish[source] + lags).any():
        return False
    if (plan.start < np.maximum(problem.head, problem.free)[np.arange(problem.n_tasks), plan.pe]).any():
        return False
    order = np.lexsort((finish, plan.start, plan.pe))
    same = plan.pe[order[1:]] == plan.pe[order[:-1]]
    return not (same & (plan.start[order[1:]] < finish[order[:-1]])).any()


def test_deterministic_limit_repeats():
    workload = draw(5, (10,), (2, 2), trace=((0, 0), (2, 0), (9, 0)))
    one, other = (solve_cpsat(workload, time_limit=None, deterministic_limit=0.05, seed=4) for _ in range(2))
    assert one.run == other.run
    assert one.bound == other.bound


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"std": np.full((1, 4), 0.1)}, "std"),
        ({"outage": np.array([[0, 3, 5]])}, "outage"),
        ({"end": "cut", "length": 50}, "end"),
        ({"warmup": 1, "length": 50}, "warmup"),
        ({"length": 5, "cooldown": 2}, "length"),
        ({"capacity": 1}, "capacity"),
        ({"arrivals": "periodic", "trace": np.zeros((0, 2), int)}, "arrivals"),
    ],
)
def test_workloads_that_leave_something_open_are_refused(fields, field):
    workload = draw(0, trace=((0, 0), (4, 0)), least=1)
    assert solve_cpsat(workload).optimal
    with pytest.raises(InputError, match=rf"field '{field}'.*solver:rolling"):
        solve_cpsat(replace(workload, **fields))


def test_other_objectives_are_refused():
    with pytest.raises(InputError, match="expected one of latency, makespan"):
        solve_cpsat(draw(0), "energy")


REPEATABLE = {"time_limit": None, "deterministic_limit": 1.0}


@pytest.mark.parametrize("kind", [0, 2])
def test_rolling_plan_of_one_job_is_followed_to_its_optimum(kind):
    behind = []
    for seed in range(8):
        workload = draw(seed, (7,), (2, 1, 1), 0.4, **KINDS[kind])
        result = solve_rolling(workload, **REPEATABLE)
        assert (result.plans, result.proven, result.decisions) == (1, 1, 7)
        best = solve_cpsat(workload, "makespan", time_limit=60)
        assert best.optimal
        behind.append(validate(workload, result.run).values["makespan"] - best.value)
    # Data is fetched later than planned if the task would overtake another: that cannot be forbidden to a PE.
    assert sorted(behind)[: 8 if kind == 0 else 6] == [0] * (8 if kind == 0 else 6)
    assert min(behind) == 0


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(workloads(), st.integers(1, 12), st.sampled_from([None, 1, 5]))
def test_rolling_plays_every_kind_of_workload(workload, horizon, every):
    result = solve_rolling(workload, time_limit=None, deterministic_limit=0.02, horizon=horizon, every=every)
    assert validate(workload, result.run).violations == ()
    assert result.plans >= result.proven >= 0


def test_rolling_beats_etf_on_a_stream_and_repeats():
    workload = resolve("top_mix5:length=600:seed=1")
    limits = {"time_limit": None, "deterministic_limit": 0.05}
    result, again = solve_rolling(workload, **limits), solve_rolling(workload, **limits)
    assert result.run == again.run
    batch = SoCDAGVectorEnv(1, instance=workload, autoreset_mode=AutoresetMode.DISABLED)
    batch.reset(seed=0)
    batch.play("etf")
    greedy = validate(workload, batch.solution(0)).values["latency"]
    assert validate(workload, result.run).values["latency"] < 0.97 * greedy


def test_rolling_knows_no_arrivals_to_come():
    early = [(0, 0), (2, 1), (5, 0)]
    one, other = (
        draw(7, (8, 5), (2, 1), trace=(*early, *later), capacity=2, full="queue")
        for later in ([(12, 0)], [(12, 1), (13, 1), (14, 0)])
    )
    runs = [solve_rolling(workload, **REPEATABLE).run for workload in (one, other)]
    starts = [np.where(run.start[:3] < 12, run.start[:3], -1) for run in runs]
    assert (starts[0] == starts[1]).all()
    assert (starts[0] >= 0).sum() >= 4
    assert not np.array_equal(runs[0].start[:3], runs[1].start[:3])


def test_rolling_plans_by_mean_times_alone():
    # Until the first task ends nothing tells the two realisations apart.
    noisy = draw(8, (9,), (2, 1), edges=0.2, least=3, std=np.full((1, 9), 0.8))
    runs = [solve_rolling(replace(noisy, seed=seed), **REPEATABLE).run for seed in (1, 2)]
    until = min(int(run.finish.min()) for run in runs)
    first = [np.where(run.start < until, run.start, -1) for run in runs]
    assert (first[0] == first[1]).all()
    assert not np.array_equal(runs[0].finish, runs[1].finish)


def test_plans_are_made_anew_when_asked():
    workload = draw(4, (9, 9), (2, 1), trace=((0, 0), (6, 1)), std=np.full((2, 9), 0.5), least=2)
    plans = [solve_rolling(workload, every=every, **REPEATABLE).plans for every in (None, 5, 1)]
    assert plans[0] == 2
    assert plans[0] < plans[1] < plans[2]


def played(workload, actions):
    """Return a batch of one after so many actions of the first legal pair each, and its view."""
    batch = SoCDAGVectorEnv(1, instance=workload, action="joint", wait=True, autoreset_mode=AutoresetMode.DISABLED)
    batch.reset(seed=0)
    view = SoCView(batch)
    for _ in range(actions):
        batch.step_in_place(np.array([int(batch.live_mask[0].argmax())]))
    return batch, view


@pytest.mark.parametrize("communication", ["pe_to_pe", "shared_memory"])
@pytest.mark.parametrize("actions", range(0, 12, 2))
def test_problem_of_a_running_system_agrees_with_the_environment(actions, communication):
    workload = draw(9, (6, 5), (2, 1), trace=((0, 0), (0, 1), (3, 1)), least=1, communication=communication)
    _, view = played(workload, actions)
    problem, keys, left_out = look_ahead(view, Applications(workload), 99)
    jobs = {job.serial: job for job in view.jobs}
    assert left_out == 0
    assert len(keys) == sum(int(workload.n_tasks[job.app]) for job in view.jobs) - int((view.state >= 4).sum())
    assert (problem.free == view.free).all()
    ready = {divmod(slot_task, view.width) for slot_task in view.ready}
    for place, (serial, task) in enumerate(keys):
        job = jobs[serial]
        assert (problem.times[place] == workload.exec_time[job.app, task]).all()
        if (job.slot, task) in ready:
            expected = np.maximum(view.now, view.data(job.slot * view.width + task))
            assert (problem.head[place] == expected).all()
            assert not problem.before[place]
    part = look_ahead(view, Applications(workload), 3)
    assert (part.keys, part.left_out) == (keys[:3], max(0, len(keys) - 3))
    assert part.problem.job_bounds[0] <= problem.job_bounds[0]


def test_methods_by_name():
    workload = draw(1, (5,), trace=((0, 0), (1, 0)))
    solver, rolling = parse_methods("solver:cpsat:dtime=1,solver:rolling:dtime=0.1:horizon=20:every=9", "soc_dag")
    assert solver.deterministic
    assert rolling.deterministic
    assert (solver.information("soc_dag"), rolling.information("soc_dag")) == ("clairvoyant", "causal")
    outcome = solver.solve(workload, objective="makespan", seed=0)
    assert outcome.optimal
    assert outcome.bound == validate(workload, outcome.solution).values["makespan"]
    outcome = rolling.solve(workload, objective="latency", seed=0)
    assert validate(workload, outcome.solution).feasible
    assert (outcome.decisions, outcome.bound) == (10, None)
    assert outcome.status.endswith("plans optimal")
    assert not parse_methods("solver:rolling:dtime=1:workers=2", "soc_dag")[0].deterministic
    with pytest.raises(InputError, match="expected an integer ≥ 1"):
        parse_methods("solver:rolling:horizon=0", "soc_dag")
