"""Pod packing: rules on cases worked out by hand, the order of moves and the solver against exhaustive search."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from ganttlet.core.errors import InputError
from ganttlet.vm_rescheduling.generator import make_generator
from ganttlet.vm_rescheduling.instance import Cluster
from ganttlet.vm_rescheduling.scheduler import schedule_default
from ganttlet.vm_rescheduling.solution import Plan, validate
from ganttlet_agents.evaluation.methods import parse_methods
from ganttlet_agents.rules.pod_packing import RULES, run_pod_rule
from ganttlet_agents.rules.pod_plans import Board, carry_out, keep
from ganttlet_agents.solvers.pod_packing import Stage, proven, solve_lexi
from reference.pods_exact import Pods

FAMILY = "vm_rescheduling"
VARIANTS = [(name, {}) for name in RULES] + [
    ("kube", {"ties": "random"}),
    ("most_allocated", {"ties": "random"}),
    ("ffd", {"repack": True}),
]
# The first two pods must change places for the last one to fit, and neither can go first.
CYCLE = [(9, 9), (7, 10)], [(3, 4), (4, 3), (4, 5), (3, 6), (1, 1)], [0, 1, 0, 1, -1]


def cluster(nodes, pods, host, *, priority=None, groups=(), limit=50, count_placements=True):
    """A cluster of nodes (cpu, memory), pods (cpu, memory) and the node of each pod, -1 for pending."""
    return Cluster(
        "pods",
        [[cpu] for cpu, _ in nodes],
        [[mem] for _, mem in nodes],
        [cpu for cpu, _ in pods],
        [mem for _, mem in pods],
        [0] * len(pods),
        host,
        [0 if node >= 0 else -1 for node in host],
        limit=limit,
        groups=[(group, pod) for group, members in enumerate(groups) for pod in sorted(members)],
        priority=[0] * len(pods) if priority is None else priority,
        count_placements=count_placements,
    )


def plain(instance):
    """The same problem for the exhaustive search."""
    groups = [set(instance.groups[instance.groups[:, 0] == g, 1].tolist()) for g in np.unique(instance.groups[:, 0])]
    return Pods(
        list(zip(instance.cpu[:, 0].tolist(), instance.mem[:, 0].tolist(), strict=True)),
        list(zip(instance.cores.tolist(), instance.memory.tolist(), strict=True)),
        instance.priority.tolist(),
        tuple(instance.host.tolist()),
        limit=instance.limit,
        count_placements=instance.count_placements,
        groups=groups,
    )


def random_cluster(seed, n_pods=6, n_nodes=2, large=60):
    """Random pods put on nodes by first fit after a shuffle, so that some pend; some in one anti-affinity group."""
    rng = np.random.default_rng(seed)
    nodes = [(int(rng.integers(60, 101)), int(rng.integers(60, 101))) for _ in range(n_nodes)]
    pods = [(int(rng.integers(10, large)), int(rng.integers(0, large))) for _ in range(n_pods)]
    groups = [set(rng.choice(n_pods, 2, replace=False).tolist())] if seed % 3 == 0 else []
    priority = rng.integers(0, 3, n_pods).tolist()
    limit, free = int(rng.integers(0, 8)), bool(seed % 2)
    empty = cluster(nodes, pods, [-1] * n_pods, priority=priority, groups=groups)
    board = Board(empty)
    for pod in rng.permutation(n_pods).tolist():
        fits = board.fits(pod)
        if fits.any() and rng.random() < 0.9:
            board.move(pod, int(rng.choice(np.flatnonzero(fits))))
    return cluster(
        nodes, pods, board.host.tolist(), priority=priority, groups=groups, limit=limit, count_placements=not free
    )


def result_of(instance, plan):
    """Check a plan and return (values, final node of every pod)."""
    verdict = validate(instance, plan)
    assert verdict.feasible, verdict.violations
    host = instance.host.tolist()
    for pod, node, _ in plan.moves.tolist():
        host[pod] = node
    return verdict.values, host


def final(instance, name, **options):
    return result_of(instance, run_pod_rule(name, instance, **options))[1]


# Rules


def test_kube_spreads_and_most_allocated_fills():
    instance = cluster([(1000, 1000)] * 2, [(500, 500), (100, 100)], [0, -1])
    assert final(instance, "kube") == [0, 1]
    assert final(instance, "most_allocated") == [0, 0]


def test_kube_prefers_balance_among_equally_free_nodes():
    # Used afterwards: node 0 (.7, .3), scores 50 + 80; node 1 (.4, .6), scores 50 + 90.
    instance = cluster([(1000, 1000)] * 2, [(600, 0), (300, 300), (100, 300)], [0, 1, -1])
    assert final(instance, "kube") == [0, 1, 1]
    # Node 2 would be emptier still, but the pod does not fit there.
    instance = cluster([(1000, 1000)] * 2 + [(1000, 299)], [(600, 0), (300, 300), (100, 300)], [0, 1, -1])
    assert final(instance, "kube") == [0, 1, 1]


def test_kube_is_the_default_scheduler():
    for seed in range(40):
        instance = dataclasses.replace(random_cluster(seed, n_pods=12, n_nodes=4), limit=50)
        assert final(instance, "kube") == schedule_default(instance).tolist()
    # What it left pending stays so.
    instance = make_generator({"name": "pods", "nodes": 4}).sample(0)
    assert -1 in final(instance, "kube")
    assert len(run_pod_rule("kube", instance).moves) == 0


def test_equal_nodes_go_by_index_or_by_chance():
    instance = cluster([(10, 10)] * 3, [(5, 5)], [-1])
    for name in ("kube", "most_allocated"):
        assert final(instance, name) == [0]
        assert {final(instance, name, ties="random", seed=seed)[0] for seed in range(30)} == {0, 1, 2}
    assert {final(instance, "pod_random", seed=seed)[0] for seed in range(30)} == {0, 1, 2}


@pytest.mark.parametrize("name", ["kube", "most_allocated", "ffd", "preempt"])
def test_the_more_important_pod_is_served_first(name):
    instance = cluster([(10, 10)], [(6, 6), (6, 6)], [-1, -1], priority=[1, 7])
    assert final(instance, name) == [-1, 0]


def test_first_fit_takes_large_pods_first_and_the_first_node():
    pods = [(4, 4), (6, 6), (5, 5), (9, 9)]
    assert final(cluster([(10, 10)] * 2, pods, [-1] * 4, priority=[1, 1, 1, 0]), "ffd") == [0, 0, 1, -1]
    assert final(cluster([(10, 10)] * 2, pods, [-1] * 4, priority=[1, 1, 1, 2]), "ffd") == [1, 1, -1, 0]


def test_repacking_makes_room_by_moving_a_pod():
    nodes, pods = [(10, 10)] * 2, [(5, 5), (5, 5), (10, 10)]
    for limit, end in ((2, [1, 1, 0]), (1, [0, 1, -1])):
        instance = cluster(nodes, pods, [0, 1, -1], limit=limit)
        assert final(instance, "ffd", repack=True) == end
        assert final(instance, "ffd") == [0, 1, -1]


def test_preemption_evicts_the_least_important_pods_of_one_node():
    nodes = [(10, 10)] * 3
    pods, host = [(6, 6), (6, 6), (8, 8), (9, 9)], [0, 1, 2, -1]
    assert final(cluster(nodes, pods, host, priority=[1, 0, 2, 3]), "preempt") == [0, -1, 2, 1]
    # A pod of equal priority is not evicted.
    assert final(cluster(nodes, pods, host, priority=[3, 3, 3, 3]), "preempt") == host


def test_preemption_evicts_no_more_pods_than_needed():
    # Taking off the pod of 6 suffices; the two of 3 are put back first, being smaller, and just fit.
    instance = cluster([(12, 12)], [(3, 3), (6, 6), (3, 3), (6, 6)], [0, 0, 0, -1], priority=[0, 0, 0, 1])
    assert run_pod_rule("preempt", instance).moves.tolist() == [[1, -1, -1], [3, 0, 0]]
    # Of unlike priorities the more important one is put back first, whatever its size.
    instance = cluster([(10, 10)], [(4, 4), (6, 6), (4, 4)], [0, 0, -1], priority=[0, 1, 2])
    assert run_pod_rule("preempt", instance).moves.tolist() == [[0, -1, -1], [2, 0, 0]]


def test_an_evicted_pod_is_placed_elsewhere():
    nodes, pods = [(10, 10), (6, 6)], [(6, 6), (9, 9)]
    instance = cluster(nodes, pods, [0, -1], priority=[0, 1], limit=2)
    plan = run_pod_rule("preempt", instance)
    assert plan.moves.tolist() == [[0, 1, 0], [1, 0, 0]]
    # An evicted pod may itself take the place of a less important one.
    pods, priority = [(6, 6), (6, 6), (9, 9)], [1, 0, 2]
    assert final(cluster(nodes, pods, [0, 1, -1], priority=priority), "preempt") == [1, -1, 0]
    # Without the moves for it nothing is evicted.
    assert len(run_pod_rule("preempt", cluster(nodes, pods, [0, 1, -1], priority=priority, limit=1)).moves) == 0


def test_preemption_minds_anti_affinity():
    nodes, pods, groups = [(10, 10)], [(1, 1), (2, 2), (3, 3)], [{0, 2}]
    assert final(cluster(nodes, pods, [0, 0, -1], priority=[0, 0, 1], groups=groups), "preempt") == [-1, 0, 0]
    assert final(cluster(nodes, pods, [0, 0, -1], priority=[1, 0, 1], groups=groups), "preempt") == [0, 0, -1]


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_plans_are_valid_repeatable_and_never_harm(name, options):
    for seed in range(60):
        instance = random_cluster(seed, n_pods=9, n_nodes=3)
        plan = run_pod_rule(name, instance, seed=seed, **options)
        values, _ = result_of(instance, plan)
        assert values["unplaced"] <= validate(instance, Plan([], instance.digest)).values["unplaced"]
        assert plan == run_pod_rule(name, instance, seed=seed, **options)


@pytest.mark.parametrize("name", [name for name in RULES if name != "preempt"])
def test_a_scheduler_stops_only_when_nothing_fits(name):
    for seed in range(20):
        instance = dataclasses.replace(random_cluster(seed, n_pods=9, n_nodes=3), limit=50)
        board = Board(instance)
        for pod, node, _ in run_pod_rule(name, instance).moves.tolist():
            assert board.fits(pod)[node]
            assert board.host[pod] == -1
            board.move(pod, node)
        assert not any(board.fits(pod).any() for pod in np.flatnonzero(board.host == -1))


def test_rules_improve_on_the_start_somewhere():
    """Guards the tests above: on these instances the stronger rules do place more than the default scheduler."""
    better = dict.fromkeys(("preempt", "repack"), 0)
    for seed in range(60):
        instance = random_cluster(seed, n_pods=9, n_nodes=3)
        kube = result_of(instance, run_pod_rule("kube", instance))[0]["unplaced"]
        better["preempt"] += result_of(instance, run_pod_rule("preempt", instance))[0]["unplaced"] < kube
        repacked = result_of(instance, run_pod_rule("ffd", instance, repack=True))[0]["unplaced"]
        better["repack"] += repacked < kube
        assert repacked <= result_of(instance, run_pod_rule("ffd", instance))[0]["unplaced"]
    assert min(better.values()) > 5, better


# The order of moves


@pytest.mark.parametrize("seed", range(24))
def test_every_better_placement_within_the_limit_is_reached(seed):
    instance = random_cluster(1000 + seed, n_pods=5, n_nodes=2 + seed % 2, large=50)
    pods = plain(instance)
    unlimited = plain(dataclasses.replace(instance, limit=20))
    within = pods.reachable()
    for target in unlimited.reachable():
        if pods.value(target) < pods.value(pods.start):
            board, whole = carry_out(instance, np.array(target))
            assert whole == (target in within)
            _, host = result_of(instance, board.plan())
            assert pods.value(tuple(host)) <= pods.value(pods.start)
            if whole:
                assert tuple(host) == target


def test_a_cycle_takes_a_detour_if_the_limit_allows():
    target = np.array([1, 0, 0, 1, 0])
    for limit, count, moves in ((4, True, 4), (3, True, 0), (2, False, 4), (1, False, 0)):
        instance = cluster(*CYCLE, limit=limit, count_placements=count)
        board, whole = carry_out(instance, target)
        values, _ = result_of(instance, board.plan())
        assert (whole, len(board.moves)) == (moves > 0, moves)
        assert values["pending"] == (0 if moves else 1)


def test_a_move_waits_for_one_that_frees_another_node():
    # Played first, the move of 5 would fill node 1 and leave the two of 3 waiting for each other.
    instance = cluster([(5, 5), (8, 8), (3, 3)], [(5, 5), (3, 3), (3, 3), (5, 4)], [0, 2, 1, -1], limit=4)
    board, whole = carry_out(instance, np.array([1, 1, 2, 0]))
    assert whole
    assert [move[0] for move in board.moves] == [1, 2, 0, 3]


def test_keeping_undoes_what_the_target_does_not_need():
    instance = cluster([(10, 10)] * 2, [(5, 5), (5, 5), (4, 4)], [0, 1, -1])
    assert keep(instance, np.array([1, -1, 0])).tolist() == [0, 1, 0]
    # Of two the important one comes back.
    instance = cluster([(10, 10)], [(5, 5), (5, 5), (4, 4)], [0, 0, -1], priority=[0, 1, 2])
    assert keep(instance, np.array([-1, -1, 0])).tolist() == [-1, 0, 0]
    # The pod that had to move for the pending one stays moved.
    instance = cluster([(10, 10)] * 2, [(5, 5), (5, 5), (10, 10)], [0, 1, -1])
    assert keep(instance, np.array([1, 1, 0])).tolist() == [1, 1, 0]


# The solver


@pytest.fixture(scope="module")
def ortools():
    pytest.importorskip("ortools")


@pytest.mark.parametrize("seed", range(40))
def test_the_optimum_equals_exhaustive_search(ortools, seed):
    instance = random_cluster(seed, n_pods=6, n_nodes=2 + (seed % 4 == 0))
    pods = plain(instance)
    best = pods.optimum()
    result = solve_lexi(instance, time_limit=60, workers=1)
    values, host = result_of(instance, result.plan)
    assert values["unplaced"] == pytest.approx(result.value)
    assert pods.unplaced(tuple(host)) == pytest.approx(result.value)
    # Only the order of moves could keep the solver from the optimum; in none of these does it.
    assert (result.optimal, result.status) == (True, "optimal")
    assert pods.value(tuple(host)) == pods.value(best)
    assert result.bound == pytest.approx(result.value)


def test_moving_an_important_pod_for_a_lesser_one_depends_on_the_order(ortools):
    instance = cluster([(10, 10)] * 2, [(5, 5), (5, 5), (10, 10)], [0, 1, -1], priority=[1, 1, 0])
    ours = solve_lexi(instance, time_limit=60, workers=1)
    theirs = solve_lexi(instance, time_limit=60, workers=1, order="interleaved")
    assert (ours.status, ours.value, ours.bound) == ("optimal", pytest.approx(2 / 7), pytest.approx(2 / 7))
    # The published order keeps important pods where they are before it looks at the lesser ones.
    assert (theirs.status, theirs.value, theirs.bound) == ("feasible", 1.0, 0.0)
    assert [(stage.kind, stage.tier) for stage in ours.stages] == [("placed", 1), ("placed", 0), ("disruption", 0)]
    kinds = [("placed", 1), ("disruption", 1), ("placed", 0), ("disruption", 0)]
    assert [(stage.kind, stage.tier) for stage in theirs.stages] == kinds


def test_interleaved_solves_prove_no_more_than_holds(ortools):
    for seed in range(15):
        instance = random_cluster(seed)
        pods = plain(instance)
        result = solve_lexi(instance, time_limit=60, workers=1, order="interleaved")
        best = pods.unplaced(pods.optimum())
        assert result.bound <= best + 1e-9
        assert not result.optimal or result.value == pytest.approx(best)


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        # Of 2 + 1 pods, 1 + 1 are placed at best, with disruption 3 at least.
        ([("placed", 1, 1, 1), ("placed", 0, 2, 2), ("disruption", 0, 4, 3)], (4, 3)),
        # The lower tier is not solved to the end: only its bound counts, and nothing of what follows.
        ([("placed", 1, 1, 1), ("placed", 0, 1, 2), ("disruption", 0, 4, 3)], (4, 0)),
        ([("placed", 1, 1, 1), ("placed", 0, 0, 1), ("disruption", 0, 4, 3)], (5, 0)),
        # Nor is the upper one: what the lower one proved may be its fault.
        ([("placed", 1, 0, 1), ("placed", 0, 0, 0), ("disruption", 0, 4, 3)], (4, 0)),
        # Disruption was bounded before the lower tier.
        ([("placed", 1, 1, 1), ("disruption", 1, 2, 2), ("placed", 0, 0, 0), ("disruption", 0, 3, 3)], (4, 0)),
    ],
)
def test_what_the_stages_prove_together(stages, expected):
    instance = cluster([(9, 9)], [(1, 1)] * 3, [-1] * 3, priority=[5, 5, 3])
    assert proven(instance, [Stage(*stage, seconds=0.0) for stage in stages]) == expected


def test_a_cycle_beyond_the_limit_is_cut_and_no_optimum_is_claimed(ortools):
    instance = cluster(*CYCLE, limit=3)
    result = solve_lexi(instance, time_limit=60, workers=1)
    assert (result.status, result.optimal, result.value) == ("feasible, cut", False, 1.0)
    assert result.bound == pytest.approx(4 / 11)
    assert solve_lexi(dataclasses.replace(instance, limit=4), time_limit=60, workers=1).status == "optimal"


def test_without_time_the_start_is_kept(ortools):
    instance = cluster([(10, 10)] * 2, [(5, 5), (5, 5), (10, 10)], [0, 1, -1])
    result = solve_lexi(instance, time_limit=0.0)
    assert (len(result.plan.moves), result.value, result.bound, result.optimal) == (0, 1.0, 0.0, False)


def test_nothing_pending_is_optimal_without_a_solve(ortools):
    instance = cluster([(10, 10)], [(5, 5)], [0])
    result = solve_lexi(instance, time_limit=0.0)
    assert (len(result.plan.moves), result.value, result.bound, result.optimal) == (0, 0.0, 0.0, True)


def test_a_pod_larger_than_every_node_stays_pending(ortools):
    result = solve_lexi(cluster([(10, 10)], [(11, 1), (3, 3)], [-1, -1]), time_limit=60, workers=1)
    assert (result.value, result.bound, result.optimal) == (1.0, 1.0, True)


# As the evaluator calls them


def test_methods_return_plans_with_bound_and_status(ortools):
    instance = cluster([(10, 10)] * 2, [(5, 5), (5, 5), (10, 10)], [0, 1, -1])
    names = "rule:kube rule:most_allocated rule:ffd:repack=true rule:preempt rule:pod_random solver:lexi:time=60"
    outcomes = [m.solve(instance, objective="unplaced", seed=0) for m in parse_methods(names, FAMILY)]
    assert [len(outcome.solution.moves) for outcome in outcomes] == [0, 0, 2, 0, 0, 2]
    assert outcomes[-1].optimal
    assert outcomes[-1].bound == pytest.approx(2 / 7)
    solver = parse_methods("solver:lexi:time=60", FAMILY)[0]
    outcome = solver.solve(instance, objective="pending", seed=0)
    assert (outcome.bound, outcome.optimal, outcome.status) == (None, False, "optimal")
    assert not solver.deterministic


def test_a_problem_of_vms_is_refused():
    vms = Cluster("vms", [[44, 44]], [[100, 100]], [4], [8], [0], [0], [0])
    for method in parse_methods([f"rule:{name}" for name in RULES] + ["solver:lexi"], FAMILY):
        with pytest.raises(InputError, match=r"instance vms has no priorities; this method needs pods"):
            method.solve(vms, objective="fr16", seed=0)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("rule:kube:ties=alphabet", "index, random"),
        ("rule:ffd:repack=maybe", "true or false"),
        ("rule:preempt:ties=index", "unknown option .ties."),
        ("solver:lexi:order=sideways", "objective, interleaved"),
        ("solver:lexi:time=0", "≥ 0.001"),
    ],
)
def test_bad_options_are_named(text, word):
    with pytest.raises(InputError, match=word):
        parse_methods(text, FAMILY)


def test_python_callers_get_the_same_refusals():
    instance = cluster([(10, 10)], [(5, 5)], [0])
    for call, word in (
        (lambda: run_pod_rule("tetris", instance), "tetris"),
        (lambda: run_pod_rule("kube", instance, ties="none"), "ties"),
        (lambda: solve_lexi(instance, order="up"), "order"),
        (lambda: solve_lexi(instance, time_limit=-1.0), "time_limit"),
        (lambda: solve_lexi(instance, workers=0), "workers"),
    ):
        with pytest.raises(InputError, match=word):
            call()
