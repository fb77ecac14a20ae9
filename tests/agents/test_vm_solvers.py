"""Solvers of VM rescheduling: equal to exhaustive search on tiny clusters, and the known optima of real ones."""

import signal
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from ganttlet.core.errors import InputError
from ganttlet.vm_rescheduling.instance import Cluster
from ganttlet.vm_rescheduling.library import resolve
from ganttlet.vm_rescheduling.solution import Plan, validate
from ganttlet_agents.evaluation.methods import parse_methods
from ganttlet_agents.solvers.cpsat_run import interruptible
from ganttlet_agents.solvers.vm_rescheduling import lower_bound, solve_columns, solve_cpsat, solve_mip, solve_pop
from ganttlet_agents.solvers.vm_rescheduling.aim import make_aim
from ganttlet_agents.solvers.vm_rescheduling.columns import ColumnSearch
from ganttlet_agents.solvers.vm_rescheduling.counts import Counts, moves_of
from ganttlet_agents.solvers.vm_rescheduling.decode import decode, trim
from ganttlet_agents.solvers.vm_rescheduling.pricing import price
from reference.vm_exact import Exact, best_change
from reference.vm_samples import sample_cluster, sample_pods

pytest.importorskip("ortools")
pytest.importorskip("highspy")

EXACT = {"mip": solve_mip, "cpsat": solve_cpsat, "columns": solve_columns}
NEAR = 1e-9
# raw Medium: whole blocks of the optimum by limit, as proved by column generation and by CP-SAT
MEDIUM = {10: 13, 20: 21, 50: 37}


def tiny(seed, groups=False):
    """Draw two or three small hosts with at most six VMs; memory binds on some, and follows cores on others."""
    rng = np.random.default_rng(seed)
    hosts, nodes = int(rng.integers(2, 4)), 1 if seed % 8 == 0 else 2
    cpu, mem = rng.integers(6, 11, (hosts, nodes)), rng.integers(12, 30, (hosts, nodes))
    free, columns = np.stack([cpu, mem], axis=2), []
    for _ in range(40):
        split = int(nodes == 2 and rng.random() < 0.3)
        cores = int(rng.integers(1, 4)) * (1 + split)
        memory = 2 * cores if seed % 3 == 0 else int(rng.integers(0, 6)) * (1 + split)
        i, k = int(rng.integers(hosts)), 2 if split else int(rng.integers(nodes))
        need, on = np.array([cores, memory]) // (1 + split), [0, 1] if split else [k]
        if len(columns) < 6 and (free[i, on] >= need).all():
            free[i, on] -= need
            columns.append((cores, memory, split, i, k))
    cores, memory, split, host, numa = zip(*columns, strict=True)
    pairs = []
    for group in range(2 * groups):
        order = rng.permutation(len(columns))
        _, first = np.unique(np.array(host)[order], return_index=True)
        pairs += [(group, vm) for vm in order[first].tolist()]
    return Cluster(
        f"tiny {seed}",
        *(cpu, mem, cores, memory, split, host, numa),
        limit=int(rng.integers(0, 5)),
        block=int(rng.integers(2, 5)),
        memory_block=int(rng.integers(3, 8)),
        mix=float(rng.choice([0.0, 0.3, 0.5, 1.0])),
        goal=float(rng.choice([0.0, 0.1, 0.2, 0.4])),
        groups=pairs,
    )


def level_h(hosts, seed, **fields):
    instance = resolve({"generator": {"name": "level", "level": "H", "hosts": hosts}, "seed": seed})
    return replace(instance, **fields)


def snapshot(name, **fields):
    try:
        return replace(resolve(name), **fields)
    except InputError as error:
        pytest.skip(f"the snapshot {name} is not under GANTTLET_DATA: {error}")


def check(instance, objective, result):
    """Assert that the plan is feasible and worth what the result says, and that the claim fits the bound."""
    verdict = validate(instance, result.plan)
    assert verdict.feasible
    assert verdict.values["moves"] <= instance.limit
    assert verdict.values[objective] == result.value
    sign = -1 if objective == "n16" else 1
    assert sign * (result.value - result.bound) >= -NEAR
    assert result.optimal == (abs(result.value - result.bound) <= NEAR)


@pytest.mark.parametrize("objective", ["fr16", "n16", "mixed", "goal"])
@pytest.mark.parametrize("solver", EXACT)
@pytest.mark.parametrize("seed", range(12))
def test_optimum_is_that_of_exhaustive_search(seed, solver, objective):
    instance = tiny(seed)
    result = EXACT[solver](instance, objective, time_limit=60)
    check(instance, objective, result)
    assert result.optimal
    assert result.value == pytest.approx(Exact(instance).optimum(objective), abs=NEAR)


@pytest.mark.parametrize("objective", ["fr16", "n16", "mixed", "goal"])
@pytest.mark.parametrize("seed", range(20, 44))
def test_no_bound_is_beyond_the_true_optimum(seed, objective):
    # With anti-affinity on tiny hosts some changes cannot be put into any order; then nothing may be claimed.
    instance = tiny(seed, groups=True)
    best, sign = Exact(instance).optimum(objective), -1 if objective == "n16" else 1
    for solve in EXACT.values():
        result = solve(instance, objective, time_limit=60)
        check(instance, objective, result)
        assert sign * (result.bound - best) <= NEAR
        assert sign * (result.value - best) >= -NEAR
    if objective != "mixed":
        assert sign * (lower_bound(instance, objective) - best) <= NEAR


@pytest.mark.parametrize("seed", range(30))
def test_prices_are_those_of_trying_every_change(seed):
    rng = np.random.default_rng(seed)
    size, size_split, block = np.array([1, 2]), np.array([1, 3]), 4
    room = rng.integers(4, 9, 2)
    held, held_split = rng.integers(0, 2, (2, 2)), rng.integers(0, 2, 2)
    used = held @ size + held_split @ size_split
    room = np.maximum(room, used)
    total, total_split = rng.integers(2, 4, 2), rng.integers(2, 4, 2)
    pay, pay_split = rng.integers(-9, 10, 2), rng.integers(-15, 16, 2)
    fee, weight = int(rng.integers(0, 4)), 10
    width = int(room.max())
    worth = np.where(np.arange(width + 1) <= room[:, None], np.arange(width + 1) // block, -1)
    free = room - used
    value, net = price(
        *(free[None], worth[None], held[None], held_split[None], size, size_split),
        *(total, total_split, pay, pay_split, fee, weight),
    )
    lying = [*held.tolist(), held_split.tolist()]
    others = [*(total - held).tolist(), (total_split - held_split).tolist()]
    prices, sizes = [pay, pay, pay_split], [size, size, size_split]
    assert value[0] == best_change(free, room, lying, others, sizes, prices, fee, weight, block)
    left = free - net[0, :4].reshape(2, 2) @ size - net[0, 4:] @ size_split
    earned = weight * (left // block).sum() - net[0] @ np.concatenate(prices) - fee * -net[0][net[0] < 0].sum()
    assert earned == value[0]


@pytest.mark.parametrize("limit", MEDIUM)
def test_columns_prove_raw_medium(limit):
    instance = snapshot("medium", limit=limit)
    result = solve_columns(instance, time_limit=60, close=False)
    check(instance, "fr16", result)
    assert result.optimal
    assert result.value == pytest.approx(1 - 16 * MEDIUM[limit] / 1394)


def test_columns_prove_raw_large():
    instance = snapshot("large")
    result = solve_columns(instance, time_limit=120, close=False)
    check(instance, "fr16", result)
    assert result.optimal
    assert validate(instance, result.plan).values["n16"] == 503


@pytest.mark.long
@pytest.mark.parametrize("limit", MEDIUM)
def test_cpsat_proves_raw_medium(limit):
    instance = snapshot("medium", limit=limit)
    result = solve_cpsat(instance, time_limit=300)
    check(instance, "fr16", result)
    assert result.optimal
    assert result.value == pytest.approx(1 - 16 * MEDIUM[limit] / 1394)


@pytest.mark.parametrize("objective", ["fr16", "goal"])
@pytest.mark.parametrize("seed", range(4))
def test_columns_and_cpsat_prove_the_same(seed, objective):
    instance = level_h(30, seed, limit=10, goal=0.3)
    ours = solve_columns(instance, objective, time_limit=120)
    other = solve_cpsat(instance, objective, time_limit=120)
    for result in (ours, other):
        check(instance, objective, result)
    assert ours.optimal
    assert other.optimal
    assert ours.value == other.value


def test_memory_that_binds_is_kept_to():
    # By cores alone b and c both fit beside a; by memory only one of them does.
    cpu, mem = [[8], [8], [8]], [[10], [99], [99]]
    instance = Cluster("memory", cpu, mem, [4, 2, 2], [4, 4, 4], [0] * 3, [0, 1, 2], [0] * 3, limit=2, block=4)
    for solve in EXACT.values():
        result = solve(instance, time_limit=30)
        check(instance, "fr16", result)
        assert result.optimal
        assert result.value == Exact(instance).optimum("fr16")


def test_wide_hosts_are_left_to_cpsat():
    instance = Cluster("wide", [[9001], [9001]], [[1], [1]], [4001, 1], [0, 0], [0, 0], [0, 1], [0, 0], block=5000)
    with pytest.raises(InputError, match=r"wide has 9001 units of cores on a NUMA node, over 512.*solver:cpsat"):
        lower_bound(instance)
    result = solve_columns(instance, time_limit=30)
    check(instance, "fr16", result)
    assert result.optimal


def swap(limit):
    """Two VMs that are to change hosts, neither of which has room for both; the third host has none for the second."""
    cpu, mem = [[6], [5], [6]], [[9], [9], [4]]
    instance = Cluster("swap", cpu, mem, [4, 3], [1, 5], [0, 0], [0, 1], [0, 0], limit=limit, block=3)
    counts = Counts(instance, apart=False)
    return instance, counts, counts.after(Plan([[0, 1, 0], [1, 0, 0]], instance.digest))


def test_a_vm_steps_aside_if_the_limit_allows():
    instance, counts, change = swap(limit=3)
    moves, missing = decode(counts, change, make_aim("test", instance, "fr16"))
    assert (moves, missing) == ([(0, 2, 0), (1, 0, 0), (0, 1, 0)], 0)
    assert validate(instance, Plan(moves, instance.digest)).values["n16"] == 3


def test_moves_without_an_order_are_dropped():
    instance, counts, change = swap(limit=2)
    assert decode(counts, change, make_aim("test", instance, "fr16")) == ([], 2)


def test_moves_that_gain_nothing_are_left_out():
    # Without VM 0 (3 cores) host 0 has a block of 4 free cores; without VM 1 (1 core) too it has no more of them.
    instance = Cluster("idle", [[5], [7], [7]], [[9]] * 3, [3, 1], [1, 1], [0, 0], [0, 0], [0, 0], block=4)
    counts, aim = Counts(instance, apart=False), make_aim("test", instance, "fr16")
    for host in (1, 2):
        change = counts.after(Plan([[0, 1, 0], [1, host, 0]], instance.digest))
        assert moves_of(change) == 2
        assert trim(counts, change, aim) == counts.after(Plan([[0, 1, 0]], instance.digest))


def test_hint_is_kept_where_nothing_is_found_in_time():
    instance = level_h(60, 0, limit=10)
    rule = parse_methods("rule:potential", "vm_rescheduling")[0].solve(instance, objective="fr16", seed=0)
    value = validate(instance, rule.solution).values["fr16"]
    for hint in ("potential", rule.solution):
        result = solve_cpsat(instance, time_limit=1e-3, workers=1, hint=hint)
        check(instance, "fr16", result)
        assert result.value <= value


def test_infeasible_hint_is_refused():
    instance = sample_cluster(0)
    plan = Plan([[0, int(instance.host[0]), int(instance.numa[0])]], instance.digest)
    with pytest.raises(InputError, match="hint for sample 0 is infeasible: move 0: VM 0 lies on host"):
        solve_cpsat(instance, hint=plan)


def test_deterministic_limit_repeats():
    instance = level_h(60, 1, limit=20)
    first, second = (solve_cpsat(instance, deterministic_limit=0.5, workers=1, seed=3) for _ in range(2))
    assert (first.plan, first.bound, first.status) == (second.plan, second.bound, second.status)


def test_pop_shares_the_remainder_of_the_limit():
    instance = level_h(40, 0, limit=7)
    assert len(solve_pop(instance, parts=8, fair=False, time_limit=30).moves) == 0
    plan = solve_pop(instance, parts=8, time_limit=30)
    verdict = validate(instance, plan)
    assert verdict.feasible
    start = validate(instance, Plan([], instance.digest)).values["fr16"]
    assert verdict.values["fr16"] < start
    assert verdict.values["fr16"] >= lower_bound(instance) - NEAR


def test_pop_ends_where_the_goal_is_reached():
    instance = level_h(40, 0, limit=15, goal=0.35)
    plan = solve_pop(instance, "goal", parts=2, time_limit=30)
    values = validate(instance, plan).values
    assert values["fr16"] <= 0.35
    assert validate(instance, Plan(plan.moves[:-1], instance.digest)).values["fr16"] > 0.35


def test_pop_keeps_anti_affinity():
    instance = tiny(3, groups=True)
    assert validate(instance, solve_pop(instance, parts=2, time_limit=10)).feasible


@pytest.mark.parametrize("name", ["columns", "cpsat", "mip", "pop"])
def test_methods_refuse_what_they_cannot_plan_for(name):
    method = parse_methods(f"solver:{name}", "vm_rescheduling")[0]
    with pytest.raises(InputError, match=f"solver:{name}: instance pods 0 has priorities"):
        method.solve(sample_pods(), objective="fr16", seed=0)
    with pytest.raises(InputError, match=f"solver:{name}: objective: unknown value 'moves'"):
        method.solve(sample_cluster(), objective="moves", seed=0)
    with pytest.raises(InputError, match=f"solver:{name}: objective 'goal' needs field 'goal'"):
        method.solve(sample_cluster(), objective="goal", seed=0)


@pytest.mark.parametrize("text", ["columns:time=20", "cpsat:time=20", "mip:time=20", "pop:parts=2:time=20"])
def test_methods_return_plan_and_bound(text):
    instance = sample_cluster(1, hosts=4, vms=10, limit=2)
    method = parse_methods(f"solver:{text}", "vm_rescheduling")[0]
    method.warm_up(instance, objective="fr16")
    outcome = method.solve(instance, objective="fr16", seed=0)
    best = Exact(instance).optimum("fr16")
    assert validate(instance, outcome.solution).values["fr16"] >= best - NEAR
    assert outcome.decisions == len(outcome.solution.moves)
    if not text.startswith("pop"):
        assert outcome.optimal
        assert outcome.bound == pytest.approx(best, abs=NEAR)


def test_large_integer_programmes_are_refused():
    with pytest.raises(InputError, match=r"binaries, one per VM and place, over max_binaries=10; use solver:columns"):
        solve_mip(sample_cluster(), max_binaries=10)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("solver:cpsat:time=0", r"≥ 0\.001"),
        ("solver:cpsat:hint=no_such_rule", "unknown rule 'no_such_rule'; expected one of"),
        ("solver:pop:parts=0", "≥ 1"),
        ("solver:mip:max_binaries=0", "≥ 1"),
    ],
)
def test_impossible_options_are_refused(text, message):
    with pytest.raises(InputError, match=message):
        parse_methods(text, "vm_rescheduling")


def test_no_time_is_no_error():
    instance = level_h(40, 0, limit=10)
    for solve in (solve_columns, solve_cpsat, lambda one, **limits: solve_mip(one, max_binaries=10**6, **limits)):
        check(instance, "fr16", solve(instance, time_limit=1e-3))


def test_ctrl_c_stops_what_runs_in_a_second_thread():
    # A shell that starts tests in its background lets them ignore SIGINT.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        _interrupt()
    finally:
        signal.signal(signal.SIGINT, before)


def _interrupt():
    ended = threading.Event()
    timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
    timer.start()
    begun = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        interruptible(lambda: ended.wait(60), ended.set)
    assert ended.is_set()
    assert time.perf_counter() - begun < 30


def test_bound_alone_is_that_of_the_solver():
    instance = level_h(60, 2, limit=15, goal=0.3)
    for objective in ("fr16", "n16", "goal"):
        alone = lower_bound(instance, objective)
        assert alone == solve_columns(instance, objective, close=False).bound
    search = ColumnSearch(Counts(instance, apart=False), make_aim("test", instance, "fr16"))
    assert search.generate(0.0, None) >= validate(instance, Plan([], instance.digest)).values["n16"]
