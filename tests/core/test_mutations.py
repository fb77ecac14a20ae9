"""Validators refuse what is broken, and say what: valid solutions of real rules, each spoilt in one place."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from families_allocation import plain
from ganttlet.core.errors import InputError
from ganttlet.core.family import get_family
from ganttlet_agents.evaluation.methods import parse_methods
from mutations import CASES
from reference.memory_allocation import clash

DRAWS = 8


@cache
def solved(label):
    """Return pairs of an instance and a rule's solution of it, which the validator accepts."""
    case = CASES[label]
    family = get_family(case.family)
    (method,) = parse_methods(case.method, family)
    found = []
    for number, spec in enumerate(case.instances):
        instance = family.resolve(spec) if isinstance(spec, str) else family.generate(spec, number)
        outcome = method.solve(instance, objective=next(iter(family.objectives)), seed=0)
        verdict = family.validate(instance, outcome.solution)
        assert verdict.violations == ()
        found.append((instance, outcome.solution))
    return found


def complaints(family, instance, solution):
    """Return everything that the validator has against a solution, in one text; empty if it accepts it."""
    try:
        verdict = family.validate(instance, solution)
    except InputError as error:
        return str(error)
    assert not verdict.violations or not verdict.values
    return "\n".join(violation.message for violation in verdict.violations)


@pytest.mark.parametrize(
    ("label", "mutation"),
    [(label, mutation) for label, case in CASES.items() for mutation in case.mutations],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_what_is_broken_is_refused_and_named(label, mutation):
    family = get_family(CASES[label].family)
    for number, (instance, solution) in enumerate(solved(label)):
        for draw in range(DRAWS):
            rng = np.random.default_rng([number, draw])
            strict, broken, words = mutation(instance, solution, rng)
            told = complaints(family, strict, broken)
            assert told, f"{instance.name}: accepted; expected a complaint with {words}"
            for word in words:
                assert word in told, f"{instance.name}: {told}"


# Random changes, of which some leave the solution valid: the verdict is that of a slow judge, both ways.


def schedule_is_valid(shop, start):
    """Every pair of operations, one by one."""
    ops = [tuple(place) for place in np.argwhere(shop.machine >= 0).tolist()]
    end = {place: int(start[place]) + int(shop.duration[place]) for place in ops}
    for a in ops:
        if start[a] < (end[a[0], a[1] - 1] if a[1] else int(shop.release[a[0]])):
            return False
        for b in ops:
            if a < b and shop.machine[a] == shop.machine[b] and start[a] < end[b] and start[b] < end[a]:
                return False
    return True


def plan_is_valid(cluster, moves):
    """Every move, with what all VMs together take on its host counted anew."""
    place = {vm: (int(cluster.host[vm]), int(cluster.numa[vm])) for vm in range(cluster.n_vms)}
    for vm, host, numa in moves:
        if not (0 <= vm < cluster.n_vms and 0 <= host < cluster.n_hosts) or place[vm] == (host, numa):
            return False
        if numa not in ((2,) if cluster.split[vm] else (0, 1)):
            return False
        place[vm] = (host, numa)
        for node in (0, 1):
            there = [(one, 2 if at[1] == 2 else 1) for one, at in place.items() if at in ((host, node), (host, 2))]
            if sum(int(cluster.cores[one]) // share for one, share in there) > cluster.cpu[host, node]:
                return False
            if sum(int(cluster.memory[one]) // share for one, share in there) > cluster.mem[host, node]:
                return False
    return len(moves) <= cluster.limit


def shifted_schedule(shop, schedule, rng):
    start = schedule.start.copy()
    for _ in range(rng.integers(1, 3)):
        # Late operations have room to move, so that some changes break nothing.
        place = tuple(np.argwhere(shop.machine >= 0)[rng.integers(int(shop.n_ops.sum()))])
        start[place] = max(0, start[place] + rng.integers(-3, 12))
    return replace(schedule, start=start), schedule_is_valid(shop, start)


def shifted_allocation(problem, allocation, rng):
    offset = allocation.offset.copy()
    k = rng.integers(len(offset))
    offset[k] = offset[k] + rng.integers(-2, 3) if rng.random() < 0.5 else offset[rng.integers(len(offset))]
    buffers = plain(problem)
    pairs = [(a, b) for a in range(len(offset)) for b in range(a)]
    broken = offset.min() < 0 or any(clash(buffers[a], offset[a], buffers[b], offset[b]) for a, b in pairs)
    return replace(allocation, offset=offset), not broken


def shuffled_plan(cluster, plan, rng):
    moves = rng.permutation(plan.moves)
    at = rng.integers(len(moves))
    moves[at] = moves[at, 0], rng.integers(cluster.n_hosts), rng.integers(3)
    return replace(plan, moves=moves), plan_is_valid(cluster, moves.tolist())


@pytest.mark.parametrize(
    ("label", "change"),
    [
        ("job_shop", shifted_schedule),
        ("memory_allocation", shifted_allocation),
        ("vm_rescheduling", shuffled_plan),
    ],
)
def test_random_changes_are_judged_as_by_hand(label, change):
    family, seen = get_family(CASES[label].family), []
    for number, (instance, solution) in enumerate(solved(label)):
        for draw in range(60):
            spoilt, valid = change(instance, solution, np.random.default_rng([number, draw]))
            told = complaints(family, instance, spoilt)
            assert bool(told) != valid, f"{instance.name}, draw {draw}: {told or 'accepted'}"
            seen.append(valid)
    assert min(seen.count(True), seen.count(False)) >= 10


@pytest.mark.parametrize(
    ("label", "fields"),
    [
        ("soc_dag", ("app", "arrival", "inject", "start", "finish")),
        ("uam_fleet", ("aircraft", "origin", "destination", "passengers", "time", "departure", "arrival")),
    ],
)
def test_no_entry_of_a_record_can_be_another(label, fields):
    """Where a record tells what happened, all of it is checked: one entry changed a little is always refused."""
    family = get_family(CASES[label].family)
    for number, (instance, solution) in enumerate(solved(label)):
        for field in fields:
            for draw in range(DRAWS):
                rng = np.random.default_rng([number, draw])
                values = getattr(solution, field).copy()
                values[tuple(rng.integers(size) for size in values.shape)] += rng.choice([-1, 1])
                told = complaints(family, instance, replace(solution, **{field: values}))
                assert told, f"{instance.name}: another {field} is accepted"
