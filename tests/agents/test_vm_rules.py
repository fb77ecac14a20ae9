"""Planners of VM rescheduling: plain twins, published figures, plans that the validator accepts, options and errors."""

import dataclasses

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ganttlet.core.data import data_path
from ganttlet.core.errors import InputError
from ganttlet.vm_rescheduling import Cluster, Plan, generate, resolve, validate
from ganttlet.vm_rescheduling.snapshots import SNAPSHOTS
from ganttlet_agents.evaluation.methods import bind, method_types, parse_methods
from ganttlet_agents.rules.vm_rescheduling import (
    METHODS,
    ha_plan,
    plan_alpha_vbpp,
    plan_beam,
    plan_best_fit_repack,
    plan_greedy,
    plan_mcts,
    plan_potential,
    plan_random,
    potential_plan,
)
from ganttlet_agents.rules.vm_rescheduling.beam import list_candidates
from ganttlet_agents.rules.vm_rescheduling.planner import NONE, best_move, make_costs, prepare, weights_of
from reference import vm_planners
from reference.vm_samples import sample_cluster, sample_pods
from reference.vm_strategies import clusters

OBJECTIVES = ("fr16", "mixed", "goal")
TWINS = {
    "ha": (ha_plan, vm_planners.ha),
    "ha_blind": (lambda c, objective: ha_plan(c, False, objective), lambda c, o: vm_planners.ha(c, False, o)),
    "greedy": (lambda c, objective: plan_greedy(c, objective)[0], vm_planners.descend),
    "potential": (
        lambda c, objective: potential_plan(c, objective=objective),
        lambda c, objective: vm_planners.descend(c, objective, 0.6, 2.0, once=True),
    ),
    "potential_cubic": (
        lambda c, objective: potential_plan(c, eps=0.9, p=3.0, objective=objective),
        lambda c, objective: vm_planners.descend(c, objective, 0.9, 3.0, once=True),
    ),
    "best_fit_repack": (plan_best_fit_repack, vm_planners.best_fit_repack),
    "alpha_vbpp": (plan_alpha_vbpp, vm_planners.alpha_vbpp),
    "alpha_vbpp_2": (lambda c, o: plan_alpha_vbpp(c, o, alpha=2), lambda c, o: vm_planners.alpha_vbpp(c, o, 2)),
}


def snapshot(name, limit=50):
    path = data_path("vm_rescheduling", SNAPSHOTS[name][0])
    if not path.is_file():
        pytest.skip(f"{path.name} is not under GANTTLET_DATA")
    return dataclasses.replace(resolve(name), limit=limit)


def values(cluster, plan):
    verdict = validate(cluster, plan)
    assert not verdict.violations, verdict.violations
    return verdict.values


def crowded(seed=0):
    """A cluster short of memory, with three anti-affinity groups of VMs on different hosts."""
    cluster = sample_cluster(seed, hosts=8, vms=40, limit=8, mix=0.3, goal=0.2, memory_block=30_000)
    rng, pairs = np.random.default_rng(seed), []
    for group in range(3):
        hosts = set()
        for vm in rng.permutation(cluster.n_vms)[:8].tolist():
            if cluster.host[vm] not in hosts:
                hosts.add(cluster.host[vm])
                pairs.append((group, vm))
    return dataclasses.replace(cluster, groups=pairs, mem=cluster.mem - 8_000)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("name", TWINS)
@settings(max_examples=40, deadline=None)
@given(cluster=clusters())
def test_equals_the_plain_twin(name, objective, cluster):
    plan, twin = TWINS[name]
    made = plan(cluster, objective)
    assert [tuple(row) for row in made.moves.tolist()] == twin(cluster, objective)
    values(cluster, made)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("name", TWINS)
def test_equals_the_plain_twin_on_longer_plans(name, objective):
    plan, twin = TWINS[name]
    lengths = []
    for seed in range(5):
        cluster = crowded(seed)
        made = plan(cluster, objective).moves.tolist()
        assert [tuple(row) for row in made] == twin(cluster, objective)
        lengths.append(len(made))
    assert sum(lengths) >= 4


@settings(max_examples=40, deadline=None)
@given(cluster=clusters(), objective=st.sampled_from(OBJECTIVES))
def test_searches_and_random_moves_are_legal(cluster, objective):
    start = values(cluster, Plan([], cluster.digest))
    greedy = values(cluster, potential_plan(cluster, objective=objective))
    for plan in (
        plan_beam(cluster, objective, width=3, candidates=3, best_of=3)[0],
        plan_mcts(cluster, objective, budget=12, candidates=3)[0],
        potential_plan(cluster, best_of=4, objective=objective),
    ):
        assert values(cluster, plan)[objective] <= min(start[objective], greedy[objective]) + 1e-12
    values(cluster, plan_random(cluster, objective, seed=1))


# Of two equal VMs the first has nowhere else to go, and the second has.
STUCK = Cluster("stuck", [[2, 1]], [[0, 0]], [1, 1], [0, 0], [0, 0], [0, 0], [0, 1], limit=0, block=1, memory_block=1)

# Of equal VMs the first lies on the best place, and the last may go there.
PLACED = Cluster(
    "placed",
    [[1, 0], [4, 4], [2, 2]],
    [[0, 0], [28, 28], [14, 16]],
    [2] * 4,
    [14] * 4,
    [1] * 4,
    [1, 1, 1, 2],
    [2] * 4,
    limit=0,
    block=1,
    memory_block=8,
    mix=0.0,
)


@settings(max_examples=100, deadline=None)
@given(cluster=clusters(), eps=st.sampled_from([0.0, 0.5]))
@example(cluster=STUCK, eps=0.0)
@example(cluster=PLACED, eps=0.0)
def test_the_first_candidate_is_the_best_move(cluster, eps):
    state, costs = prepare(cluster), make_costs(cluster, weights_of(cluster, "mixed"), eps)
    columns = np.zeros((3, 6), np.int64)
    list_candidates(state, costs, *columns)
    gain, vm, host, numa = best_move(state, costs)
    assert columns[0, 0] == gain
    if gain == NONE:
        assert vm == host == numa == -1
    moves = [(v, place >> 1, 2 if cluster.split[v] else place & 1) for g, v, place in columns.T if g > NONE]
    usage = cluster.usage()
    assert len(set(moves)) == len(moves)
    assert all(usage.complaint(*move) is None for move in moves)
    assert (np.diff(columns[0]) <= 0).all()


@pytest.mark.parametrize(
    ("name", "limit", "memory", "rate"),
    [
        ("medium", 10, False, 0.8508),
        ("medium", 50, False, 0.8049),
        ("large", 10, False, 0.5917),
        ("large", 50, False, 0.5866),
        ("medium", 10, True, 0.8508),
        ("medium", 50, True, 0.8049),
        ("large", 10, True, 0.5917),
        ("large", 50, True, 0.5866),
    ],
)
def test_ha_on_the_snapshots(name, limit, memory, rate):
    cluster = snapshot(name, limit)
    assert round(values(cluster, ha_plan(cluster, memory))["fr16"], 4) == rate


def test_greedy_and_potential_on_the_medium_snapshot():
    cluster = snapshot("medium")
    assert round(values(cluster, plan_greedy(cluster)[0])["fr16"], 3) == 0.793
    single = values(cluster, potential_plan(cluster))["fr16"]
    best = values(cluster, potential_plan(cluster, best_of=60))["fr16"]
    assert single <= 0.702
    assert best < single
    assert best <= 0.679


def test_order_of_the_methods_on_generated_clusters():
    rates = {}
    for seed in range(3):
        cluster = generate({"name": "level"}, seed)
        for name in ("ha", "greedy", "potential", "potential:best_of=60", "random"):
            method = parse_methods(f"rule:{name}", "vm_rescheduling")[0]
            plan = method.solve(cluster, objective="fr16", seed=0).solution
            rates.setdefault(name, []).append(values(cluster, plan)["fr16"])
    mean = {name: float(np.mean(one)) for name, one in rates.items()}
    assert mean["potential:best_of=60"] < mean["potential"] < mean["greedy"] < mean["ha"] < mean["random"]


@pytest.mark.parametrize("entry", METHODS, ids=lambda entry: f"{entry.kind}:{entry.name}")
@pytest.mark.parametrize("objective", [*OBJECTIVES, "n16"])
def test_methods_make_legal_plans_and_repeat(entry, objective):
    assert entry in method_types("vm_rescheduling")
    small = {key: 3 for key in ("width", "best_of") if key in entry.options}
    method = bind(entry, **small, **({"budget": 60} if "budget" in entry.options else {}))
    total = 0
    for seed in range(5):
        cluster = crowded(seed)
        first, again = (method.solve(cluster, objective=objective, seed=5) for _ in range(2))
        assert first.solution == again.solution
        assert first.decisions >= len(first.solution.moves)
        total += len(first.solution.moves)
        found = values(cluster, first.solution)
        if objective == "goal" and found["fr16"] <= cluster.goal:
            before = dataclasses.replace(first.solution, moves=first.solution.moves[:-1])
            assert values(cluster, before)["fr16"] > cluster.goal
    assert total > 3


def test_seeds_differ():
    cluster = generate({"name": "level", "hosts": 60, "mnl": 20}, 0)
    for plan in (
        plan_random,
        lambda c, seed: potential_plan(c, best_of=5, seed=seed),
        lambda c, seed: plan_mcts(c, budget=40, seed=seed)[0],
    ):
        assert plan(cluster, seed=1) == plan(cluster, seed=1)
        assert len({plan(cluster, seed=seed).moves.tobytes() for seed in range(4)}) > 1


def test_more_rows_width_and_budget_do_not_hurt():
    cluster = generate({"name": "level", "hosts": 60, "mnl": 40}, 0)
    rows = [values(cluster, potential_plan(cluster, best_of=k))["fr16"] for k in (1, 10, 60)]
    assert rows[0] > rows[-1]
    assert sorted(rows, reverse=True) == rows
    assert values(cluster, plan_beam(cluster)[0])["fr16"] <= rows[-1]
    assert values(cluster, plan_mcts(cluster, budget=400)[0])["fr16"] < rows[0]


def test_decisions_count_the_moves_of_all_rows():
    cluster = crowded()
    made = [plan_potential(cluster, best_of=k)[1] for k in (1, 2, 3)]
    assert made[0] < made[1] < made[2]


def test_a_goal_is_reached_with_fewer_moves_by_more_rows():
    cluster = dataclasses.replace(generate({"name": "level", "hosts": 100, "mnl": 40}, 0), goal=0.28)
    few, many = (values(cluster, potential_plan(cluster, best_of=k, objective="goal"))["goal"] for k in (1, 60))
    assert many < few
    assert many <= cluster.limit
    done = dataclasses.replace(cluster, goal=1.0)
    for entry in METHODS:
        assert len(bind(entry).solve(done, objective="goal", seed=0).solution.moves) == 0


def test_memory_blind_ha_ends_where_memory_forbids():
    # Taking VM 0 off host 0 frees a block; host 1 is the best place for it by cores, but has no memory.
    table = {"cpu": [[16, 16]] * 3, "mem": [[64, 64], [4, 64], [64, 64]]}
    vms = {"cores": [4, 4, 12, 12, 12], "memory": [8, 1, 1, 8, 8], "split": [0] * 5}
    cluster = Cluster("memory", **table, **vms, host=[0, 2, 1, 0, 2], numa=[0, 0, 0, 1, 1], limit=5)
    assert ha_plan(cluster, memory=False).moves.tolist() == []
    seen = ha_plan(cluster).moves.tolist()
    assert seen[0] == [0, 2, 0]
    roomy = dataclasses.replace(cluster, mem=[[64, 64]] * 3)
    assert ha_plan(roomy, memory=False).moves.tolist()[0] == [0, 1, 0]


def test_random_moves_are_uniform_over_vms_that_can_move():
    cpu = [[8, 8], [8, 8]]
    cluster = Cluster("even", cpu, cpu, [2, 2, 8], [0, 0, 0], [0, 0, 0], [0, 0, 1], [0, 0, 0], limit=1)
    count = {}
    for seed in range(1800):
        ((vm, host, numa),) = plan_random(cluster, seed=seed).moves.tolist()
        count[vm, host, numa] = count.get((vm, host, numa), 0) + 1
    # Each VM a third: VMs 0 and 1 have two places, VM 2 two.
    places = {(0, 0, 1), (0, 1, 1), (1, 0, 1), (1, 1, 1), (2, 0, 1), (2, 1, 1)}
    assert set(count) == places
    assert all(abs(one - 300) < 5 * np.sqrt(300) for one in count.values())


def test_hosts_of_one_numa_node():
    cluster = Cluster(
        "one node", [[16]] * 3, [[64]] * 3, [4, 12, 8, 8], [1] * 4, [0] * 4, [0, 1, 2, 0], [0] * 4, limit=3
    )
    for entry in METHODS:
        plan = bind(entry).solve(cluster, objective="fr16", seed=0).solution
        assert (plan.moves[:, 2] == 0).all()
        values(cluster, plan)


@pytest.mark.parametrize("entry", METHODS, ids=lambda entry: f"{entry.kind}:{entry.name}")
def test_what_cannot_be_planned_is_refused(entry):
    method, name = bind(entry), f"{entry.kind}:{entry.name}"
    with pytest.raises(InputError, match=f"{name}: instance pods 0 has priorities"):
        method.solve(sample_pods(), objective="fr16", seed=0)
    with pytest.raises(InputError, match=f"{name}: objective: unknown value 'pending'; expected one of fr16"):
        method.solve(sample_cluster(), objective="pending", seed=0)
    with pytest.raises(InputError, match=f"{name}: objective 'goal' needs field 'goal', and instance sample 0"):
        method.solve(sample_cluster(), objective="goal", seed=0)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda c: potential_plan(c, eps=-1), "eps: expected a number of at least 0, got -1"),
        (lambda c: potential_plan(c, p=0.5), "p: expected a number of at least 1, got 0.5"),
        (lambda c: potential_plan(c, best_of=0), "best_of: expected an integer of at least 1, got 0"),
        (lambda c: plan_beam(c, width=0), "width: expected an integer of at least 1, got 0"),
        (lambda c: plan_mcts(c, budget=0), "budget: expected an integer of at least 1, got 0"),
        (lambda c: plan_alpha_vbpp(c, alpha=0), "alpha: expected an integer of at least 1, got 0"),
        (lambda c: plan_random(c, seed=-1), "seed: expected an integer in 0"),
    ],
)
def test_bad_options(call, words):
    with pytest.raises(InputError, match=words):
        call(sample_cluster())
