"""Static list schedulers: published schedules, equal to a second implementation with exact fractions, legal plans."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from ganttlet.core.errors import InputError
from ganttlet.soc_dag.application import Application
from ganttlet.soc_dag.arrays import app_arrays, link_classes
from ganttlet.soc_dag.instance import Workload
from ganttlet.soc_dag.layout import FIRST_PRED, FIRST_SUCC, LEAST, N_PREDS, N_SUCCS, RANK_DOWN, RANK_UP, SUPPORT
from ganttlet.soc_dag.planners import N_SCRATCH, ORDER, PLANNERS, forget, plan_job
from ganttlet.soc_dag.planning import plan, plan_run
from ganttlet.soc_dag.platform import Cluster, Platform
from ganttlet.soc_dag.scenario import Scenario
from ganttlet.soc_dag.solution import validate
from reference import soc_static

# The worked example of Topcuoglu, Hariri and Wu, IEEE TPDS 13(3), 2002, with its published makespans 80 (HEFT) and 86
# (CPOP). HEFT's schedules, the second copy included, are those of the unit tests of mackncheesiest/heft @591508e.
TIMES = [
    [14, 16, 9],
    [13, 19, 18],
    [11, 13, 19],
    [13, 8, 17],
    [12, 13, 10],
    [13, 16, 9],
    [7, 15, 11],
    [5, 11, 14],
    [18, 12, 20],
    [21, 7, 16],
]
EDGES = [(0, 1, 18), (0, 2, 12), (0, 3, 9), (0, 4, 11), (0, 5, 14), (1, 7, 19), (1, 8, 16), (2, 6, 23), (3, 7, 27)]
EDGES += [(3, 8, 23), (4, 8, 13), (5, 7, 15), (6, 9, 17), (7, 9, 11), (8, 9, 13)]
RANK_U = [108, 77, 80, 80, 69, 63.333, 42.667, 35.667, 44.333, 14.667]
RANK_D = [0, 31, 25, 22, 24, 27, 62.333, 66.667, 63.667, 93.333]
OCT = [
    [48, 38, 53],
    [35, 19, 35],
    [28, 22, 27],
    [38, 19, 36],
    [32, 19, 32],
    [23, 18, 30],
    [21, 7, 16],
    [18, 7, 16],
    [20, 7, 16],
    [0, 0, 0],
]
HEFT_SCHEDULE = [(2, 0, 9), (0, 27, 40), (2, 9, 28), (1, 18, 26), (2, 28, 38), (1, 26, 42), (2, 38, 49), (0, 57, 62)]
HEFT_SCHEDULE += [(1, 56, 68), (1, 73, 80)]
SECOND_COPY = [(0, 10, 24), (2, 49, 67), (0, 40, 51), (1, 42, 50), (0, 62, 74), (2, 67, 76), (0, 74, 81), (2, 77, 91)]
SECOND_COPY += [(1, 87, 99), (1, 102, 109)]
CPOP_SCHEDULE = [(1, 0, 16), (1, 16, 35), (0, 28, 39), (2, 25, 42), (1, 35, 48), (2, 42, 51), (0, 39, 46), (2, 54, 68)]
CPOP_SCHEDULE += [(1, 65, 77), (1, 79, 86)]


def build(times, edges, bandwidth=1, same=1000, **scenario):
    """One application on PEs that are a cluster each; ``times[task][pe]``, None where unsupported."""
    n = len(times[0])
    kernels = [f"k{task}" for task in range(len(times))]
    rows = bandwidth if np.ndim(bandwidth) else [[bandwidth] * n] * n
    clusters = tuple(Cluster(f"c{pe}", 1) for pe in range(n))
    memory = scenario.pop("memory", None)
    platform = Platform("p", clusters, rows, same, {"a": dict(zip(kernels, times, strict=True))}, memory)
    fields = {"arrivals": "trace", "trace": ((0, 0),), "length": None, **scenario}
    return Workload.build(platform, [Application("a", tuple(kernels), tuple(edges))], Scenario(**fields))


def sample(seed):
    """A random graph, numbered in any order, with equal, zero and missing times, and random bandwidths."""
    rng = np.random.default_rng(seed)
    n, pes = int(rng.integers(1, 11)), int(rng.integers(1, 5))
    times = rng.integers(0, rng.choice([3, 20]), (n, pes))
    allowed = rng.random((n, pes)) < rng.choice([0.5, 0.8, 1.0])
    allowed[np.arange(n), rng.integers(0, pes, n)] = True
    rows = [[int(w) if ok else None for w, ok in zip(*row, strict=True)] for row in zip(times, allowed, strict=True)]
    order, density = rng.permutation(n).tolist(), rng.choice([0.15, 0.4])
    edges = [
        (order[i], order[j], int(rng.integers(0, 40)))
        for i in range(n)
        for j in range(i + 1, n)
        if rng.random() < density
    ]
    rng.shuffle(edges)
    workload = build(
        rows,
        [tuple(map(int, edge)) for edge in edges],
        communication=str(rng.choice(["pe_to_pe", "shared_memory"])),
        memory=rng.integers(1, 6, pes).tolist(),
        trace=tuple((int(time), 0) for time in np.sort(rng.integers(0, 60, 4))),
    )
    return replace(workload, bandwidth=rng.integers(1, rng.choice([2, 8]), (pes, pes)) + 9 * np.eye(pes, dtype=int))


def commitments(seed, workload):
    """Random intervals on every PE, some of no length, in any order."""
    rng = np.random.default_rng([1, seed])
    rows = []
    for _ in range(workload.n_pes):
        cuts = np.sort(rng.integers(0, 80, 2 * int(rng.integers(0, 7)))).reshape(-1, 2)
        rows.append([tuple(map(int, row)) for row in rng.permutation(cuts)])
    return rows


def check(workload, jobs, busy):
    """Assert that plans [(release, app, rows)] break no rule of the system, on top of ``busy``."""
    taken = [list(row) for row in busy]
    memory = workload.memory_bandwidth if workload.communication == "shared_memory" else None
    for release, app, rows in jobs:
        for task, (pe, start, finish) in enumerate(rows):
            assert finish - start == workload.exec_time[app, task, pe] >= 0
            came = [edge for edge in workload.edges_of(app) if edge[1] == task]
            ready = release
            for source, _, volume in came:
                end, at = rows[source][2], rows[source][0]
                ready = max(ready, end + volume // (workload.bandwidth[at, pe] if memory is None else memory[at]))
            if memory is not None:
                ready += max([volume // memory[pe] for _, _, volume in came], default=0)
            assert start >= ready
            taken[pe].append((start, finish))
        assert max(finish for _, _, finish in rows) >= release + workload.critical_path[app]
    for row in taken:
        row.sort()
        assert all(before[1] <= after[0] for before, after in pairwise(row))


@pytest.fixture(scope="module")
def topcuoglu():
    return build(TIMES, EDGES)


def test_ranks_and_optimistic_costs_of_the_published_example(topcuoglu):
    arrays = app_arrays(topcuoglu, 0)
    np.testing.assert_allclose(arrays.ranks[:, RANK_UP], RANK_U, atol=5e-4)
    np.testing.assert_allclose(arrays.ranks[:, RANK_DOWN], RANK_D, atol=5e-4)
    np.testing.assert_allclose(arrays.optimistic, OCT, atol=1e-9)


@pytest.mark.parametrize(("rule", "expected"), [("heft", HEFT_SCHEDULE), ("cpop", CPOP_SCHEDULE)])
def test_published_schedules(topcuoglu, rule, expected):
    assert plan(topcuoglu, 0, rule) == expected
    assert soc_static.schedule(topcuoglu, 0, rule) == expected


def test_other_rules_on_the_published_example(topcuoglu):
    ends = {rule: max(finish for _, _, finish in plan(topcuoglu, 0, rule)) for rule in PLANNERS}
    assert ends["peft"] == 85
    assert ends["min_min"] == 76  # over the ready tasks of one graph it is ETF by finish time
    assert soc_static.critical(soc_static.Graph(topcuoglu, 0)) == ([0, 1, 8, 9], 1)


def test_a_second_copy_is_planned_on_top_of_the_first(topcuoglu):
    busy = [[(start, finish) for at, start, finish in HEFT_SCHEDULE if at == pe] for pe in range(3)]
    assert plan(topcuoglu, 0, "heft", release=10, busy=busy) == SECOND_COPY
    run = plan_run(build(TIMES, EDGES, trace=((0, 0), (10, 0))), "heft")
    rows = np.stack([run.pe, run.start, run.finish], axis=2)
    assert [list(map(tuple, job)) for job in rows.tolist()] == [HEFT_SCHEDULE, SECOND_COPY]
    assert (run.end, run.arrival.tolist(), run.inject.tolist()) == (109, [0, 10], [0, 10])


@pytest.mark.parametrize("rule", PLANNERS)
def test_equals_exact_fractions_on_random_graphs(rule):
    moved = 0
    for seed in range(1000):
        workload = sample(seed)
        busy, release = commitments(seed, workload), seed % 30
        idle, rows = plan(workload, 0, rule), plan(workload, 0, rule, release=release, busy=busy)
        assert idle == soc_static.schedule(workload, 0, rule), seed
        assert rows == soc_static.schedule(workload, 0, rule, release, busy), seed
        check(workload, [(0, 0, idle)], [[]] * workload.n_pes)
        check(workload, [(release, 0, rows)], busy)
        moved += idle != rows
    assert moved > 900


@pytest.mark.parametrize("rule", PLANNERS)
def test_runs_of_a_trace_equal_exact_fractions(rule):
    for seed in range(100):
        workload = sample(seed)
        run, expected = plan_run(workload, rule), soc_static.run(workload, rule)
        rows = np.stack([run.pe, run.start, run.finish], axis=2).tolist()
        assert [list(map(tuple, job)) for job in rows] == expected, seed
        arrivals = workload.trace.tolist()
        jobs = [(time, app, job) for (time, app), job in zip(arrivals, expected, strict=True)]
        check(workload, jobs, [[]] * workload.n_pes)
        assert run.end == max(finish for job in expected for _, _, finish in job)
        verdict = validate(workload, run)
        assert verdict.feasible, (seed, verdict.violations)
        assert verdict.values["makespan"] == run.end


@pytest.mark.parametrize("rule", PLANNERS)
def test_jobs_of_several_applications(rule):
    clusters = tuple(Cluster(f"c{pe}", 1) for pe in range(2))
    times = {"a": {"x": [3, 5]}, "b": {"y": [4, None], "z": [6, 2]}}
    apps = [Application("a", ("x",)), Application("b", ("y", "z", "y"), ((2, 1, 3),))]
    scenario = Scenario(arrivals="trace", trace=((0, 1), (1, 0), (2, 1)), length=3)
    workload = Workload.build(Platform("p", clusters, [[1, 1]] * 2, 10, times), apps, scenario)
    run = plan_run(workload, rule)
    assert run.app.tolist() == [1, 0, 1]
    assert np.array_equal(run.pe < 0, [[False] * 3, [False, True, True], [False] * 3])
    expected = soc_static.run(workload, rule)
    assert run.finish[1, 0] == expected[1][0][2]
    assert run.instance_digest == workload.digest


def test_rules_differ_where_they_should():
    def ends(workload, rule):
        return max(finish for _, _, finish in plan(workload, 0, rule))

    # Two short tasks and a long one on two equal PEs: the long one should start first.
    independent = build([[1, 1], [1, 1], [2, 2]], [])
    assert (ends(independent, "min_min"), ends(independent, "max_min")) == (3, 2)
    # Only PE 1 is good for the successor, and the data is large: EFT cannot see that PE 0 is the wrong place.
    trap = build([[4, 5], [100, 3]], [(0, 1, 50)])
    assert (ends(trap, "heft"), ends(trap, "lookahead"), ends(trap, "peft")) == (57, 8, 8)


def test_insertion_fills_a_gap_and_min_min_does_not():
    workload = build([[3]], [])
    assert plan(workload, 0, "heft", busy=[[(5, 9), (0, 2)]]) == [(0, 2, 5)]
    assert plan(workload, 0, "min_min", busy=[[(5, 9), (0, 2)]]) == [(0, 9, 12)]
    assert plan(workload, 0, "heft", release=3, busy=[[(5, 9), (0, 2)]]) == [(0, 9, 12)]


def test_cpop_leaves_tasks_to_others_that_its_pe_cannot_run():
    # PEs 0 and 1 each support two of the three critical tasks; PE 1 is faster on them.
    workload = build([[5, None], [9, 4], [None, 4]], [(0, 1, 0), (1, 2, 0)])
    assert [row[0] for row in plan(workload, 0, "cpop")] == [0, 1, 1]


def test_shared_memory_counts_both_ways():
    # Ready at max(2 + 6 / 2, 2 + 9 / 3) = 5; then the larger of 6 / 2 and 9 / 2 on PE 0, of 6 / 3 and 9 / 3 on PE 1.
    times = [[2, None], [None, 2], [1, 1]]
    shared = {"communication": "shared_memory", "memory": [2, 3]}
    assert plan(build(times, [(0, 2, 6), (1, 2, 9)], **shared), 0, "heft")[2] == (1, 8, 9)
    # The predecessor that is ready last has the smaller volume: 5 + 4 is not the greatest of the two sums.
    assert plan(build([[4, None], [None, 1], [1, None]], [(0, 2, 2), (1, 2, 9)], **shared), 0, "heft")[2] == (0, 9, 10)


def test_ties_go_to_the_lower_task_and_pe():
    assert plan(build([[2, 2], [2, 2], [2, 2]], []), 0, "heft") == [(0, 0, 2), (1, 0, 2), (0, 2, 4)]
    # Equal ranks along an edge: the predecessor first, whatever its number.
    assert plan(build([[0], [0], [0]], [(2, 0, 0)]), 0, "heft") == [(0, 0, 0)] * 3
    # Means of 1/3, summed in other orders, are equal all the same.
    thirds = build([[1, 1, 2], [1, 2, 1], [1, 2, 1], [2, 1, 1]], [(0, 2, 0), (1, 3, 0)])
    assert plan(thirds, 0, "heft") == soc_static.schedule(thirds, 0, "heft")


def test_arrays_describe_the_graph():
    workload = sample(3)
    arrays, (values, link) = app_arrays(workload, 0), link_classes(workload)
    assert np.array_equal(values[link], workload.bandwidth)
    edges = workload.edges_of(0)
    assert len(edges) > 3
    for task, facts in enumerate(arrays.facts):
        before = arrays.preds[facts[FIRST_PRED] : facts[FIRST_PRED] + facts[N_PREDS]].tolist()
        after = arrays.succs[facts[FIRST_SUCC] : facts[FIRST_SUCC] + facts[N_SUCCS]].tolist()
        assert before == sorted([u, number] for number, (u, v, _) in enumerate(edges) if v == task)
        assert after == sorted([v, number] for number, (u, v, _) in enumerate(edges) if u == task)
        able = [pe for pe in range(workload.n_pes) if workload.exec_time[0, task, pe] >= 0]
        assert int(facts[SUPPORT]) == sum(1 << pe for pe in able)
        assert facts[LEAST] == min(workload.exec_time[0, task, able])
    for number, (_, _, volume) in enumerate(edges):
        assert arrays.lag[number].tolist() == [volume // value for value in values.tolist()]
        assert arrays.memory_lag[number].tolist() == [volume // value for value in workload.memory_bandwidth.tolist()]


def test_supporting_pes_fit_into_one_word():
    arrays = app_arrays(build([[1] * 64, [None] * 63 + [2]], []), 0)
    assert arrays.facts[:, SUPPORT].tolist() == [-1, -(2**63)]


def run_kernel(workload, rule, release, rows):
    """Return the intervals (P, L, 2), their numbers, the plan and the order of placement."""
    data, link, n, pes = app_arrays(workload, 0), link_classes(workload)[1], int(workload.n_tasks[0]), workload.n_pes
    count = np.array([len(row) for row in rows])
    busy, out = np.zeros((pes, count.max() + n, 2), np.int64), np.empty((n, 3), np.int64)
    for pe, row in enumerate(rows):
        busy[pe, : len(row)] = np.reshape(row, (-1, 2))
    scratch, shared = np.empty((N_SCRATCH, n), np.int64), workload.communication == "shared_memory"
    graph = (data.times, data.facts, data.ranks, data.optimistic, data.preds, data.succs, data.lag)
    rest = (link, data.memory_lag, shared, pes, busy, count, out, scratch, np.empty(n))
    plan_job(PLANNERS[rule], n, release, *graph, *rest)
    return busy, count, list(map(tuple, out.tolist())), scratch[ORDER].tolist()


def test_kernel_keeps_the_order_of_committed_intervals():
    for seed in range(60):
        workload = sample(seed)
        rows = [sorted(row) for row in commitments(seed, workload)]
        for rule in PLANNERS:
            busy, count, out, order = run_kernel(workload, rule, 5, rows)
            assert sorted(order) == list(range(len(out)))
            assert all(order.index(source) < order.index(target) for source, target, _ in workload.edges_of(0))
            expected = [
                sorted(row + [(start, finish) for at, start, finish in out if at == pe]) for pe, row in enumerate(rows)
            ]
            assert [list(map(tuple, busy[pe, : count[pe]].tolist())) for pe in range(len(rows))] == expected
            forget(40, len(rows), busy, count)
            kept = [[interval for interval in row if interval[1] > 40] for row in expected]
            assert [list(map(tuple, busy[pe, : count[pe]].tolist())) for pe in range(len(rows))] == kept


@pytest.mark.parametrize("rule", PLANNERS)
def test_a_late_task_may_overlap_those_behind_it(rule):
    # A running task is expected to end at 20, after the planned end of the task behind it.
    _, _, out, _ = run_kernel(build([[3]], []), rule, 6, [[(0, 20), (5, 8)]])
    assert out == [(0, 20, 23)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rule": "etf"}, "argument 'rule': unknown value 'etf'; expected one of heft, cpop"),
        ({"app": 1}, r"argument 'app' is 1; expected 0 … 0"),
        ({"release": -1}, r"argument 'release' is -1; expected a whole number"),
        ({"release": 0.5}, r"argument 'release' is 0.5; expected a whole number"),
        ({"busy": [[]]}, r"argument 'busy' has 1 rows; expected one for each of 3 PEs"),
        ({"busy": [[], [(3, 2)], []]}, r"argument 'busy', PE 1: \(3, 2\); expected \(start, end\)"),
        ({"busy": [[], [], [(0, 1.5)]]}, r"argument 'busy', PE 2: \(0, 1.5\); expected \(start, end\)"),
        ({"busy": [[(4, 6), (0, 5)], [], []]}, r"argument 'busy', PE 0: \(0, 5\) and \(4, 6\) overlap"),
    ],
)
def test_plan_names_what_is_wrong(topcuoglu, change, message):
    with pytest.raises(InputError, match=message):
        plan(topcuoglu, **{"app": 0, "rule": "heft", **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arrivals": "periodic", "trace": (), "length": 500}, "field 'arrivals' is 'periodic'; expected 'trace'"),
        ({"std": 0.1}, r"field 'std' is 0.1; expected 0"),
        ({"outages": ((0, 1, 2),)}, "field 'outage' is of 1 rows; expected none"),
        ({"tick_compat": True}, "field 'tick_compat' is True; expected false"),
        ({"end": "cut", "stop_after": 1}, "field 'end' is 'cut'; expected 'drain'"),
        ({"warmup": 1, "length": 100}, "field 'warmup' is 1; expected at most 0, the first arrival"),
        ({"length": 12, "cooldown": 2}, "field 'length' is 12; expected more than 12"),
        ({"capacity": 1}, "field 'capacity' is 1; job 1 arrives at 10 and finds the system full"),
    ],
)
def test_plan_run_names_what_leaves_the_outcome_open(change, message):
    workload = build(TIMES, EDGES, **{"trace": ((0, 0), (10, 0)), **change})
    with pytest.raises(InputError, match=message):
        plan_run(workload, "heft")


def test_capacity_that_is_not_reached_is_enough():
    workload = build([[3]], [], trace=((0, 0), (3, 0), (6, 0)), capacity=1)
    assert plan_run(workload, "heft").start.tolist() == [[0], [3], [6]]
    # A task of no length ends after the instant's arrivals.
    with pytest.raises(InputError, match="job 1 arrives at 0 and finds the system full"):
        plan_run(build([[0]], [], trace=((0, 0), (0, 0)), capacity=1), "heft")


def test_jobs_beyond_the_limit_are_not_planned():
    assert len(plan_run(build([[3]], [], trace=((0, 0), (3, 0), (6, 0)), jobs=2), "heft").app) == 2
