"""Memory allocation: CP-SAT and the search against trying every offset, published instances, limits and proofs."""

from __future__ import annotations

import numpy as np
import pytest

from families_allocation import ODD, plain
from ganttlet.core.data import data_path
from ganttlet.core.errors import InputError
from ganttlet.memory_allocation import Allocation, AllocationInstance, make_generator, resolve, validate
from ganttlet_agents.evaluation.methods import parse_methods
from ganttlet_agents.rules.memory_allocation import BEST, best_of_all, run_rule
from ganttlet_agents.solvers.memory_allocation import cpsat, searching, solve_cpsat, solve_minimal
from ganttlet_agents.solvers.memory_allocation.problem import Part, parts_of, unit_of
from ganttlet_agents.solvers.memory_allocation.searching import Restarts, Search, luby
from ganttlet_agents.solvers.memory_allocation.tree import FOUND, NONE, PAUSED
from reference.memory_allocation import least_height

FAMILY = "memory_allocation"
HARD = 4  # seed of a small problem with no packing as low as its load, which takes a hundred decisions to prove
MINIMALLOC = ("A", "B", "C", "E", "F", "H", "I", "K")


def minimalloc(letter):
    if not data_path("memory_mapping", "minimalloc").is_dir():
        pytest.skip("memory_mapping/minimalloc is not under GANTTLET_DATA")
    return resolve(f"minimalloc:{letter}")


def small(seed, n=6, horizon=6, largest=5):
    """Random buffers; of every three seeds one has alignments, and one alignments and fixed buffers."""
    rng = np.random.default_rng(seed)
    lower = rng.integers(0, horizon, n)
    upper = lower + rng.integers(1, 1 + horizon - lower)
    size = rng.integers(1, largest + 1, n)
    alignment = rng.choice([1, 1, 2, 3, 4], n) if seed % 3 else np.ones(n, int)
    fixed = np.full(n, -1)
    if seed % 3 == 2:
        taken = []
        for k in rng.choice(n, 2, replace=False):
            for _ in range(20):
                at = int(rng.integers(0, 4)) * int(alignment[k])
                clear = all(
                    at + size[k] <= fixed[i] or fixed[i] + size[i] <= at or upper[k] <= lower[i] or upper[i] <= lower[k]
                    for i in taken
                )
                if clear:
                    fixed[k] = at
                    taken.append(k)
                    break
    return AllocationInstance(f"small{seed}", lower, upper, size, None, alignment, fixed)


def largest_part(settings, seed):
    return max(parts_of(make_generator(settings).sample(seed)), key=lambda part: len(part.index))


def checked(instance, result):
    """Judge a result by the validator; return its height."""
    verdict = validate(instance, result.allocation)
    assert verdict.feasible, verdict.violations
    assert verdict.values["height"] == result.height >= result.bound
    return result.height


# Against trying every offset


@pytest.mark.parametrize("seed", range(60))
def test_the_search_finds_and_proves_the_least_height(seed):
    instance = small(seed)
    least = least_height(plain(instance))
    result = solve_minimal(instance, time_limit=60.0, seed=seed)
    assert (checked(instance, result), result.bound, result.status) == (least, least, "optimal")
    assert result.optimal


@pytest.mark.parametrize("seed", range(60))
def test_a_height_has_a_packing_exactly_if_it_is_at_least_the_least(seed):
    """The kernel alone, without a rule's packing and without bounds to start from; of several parts the largest."""
    whole = small(seed, n=5 + seed % 3)
    chosen = max(parts_of(whole), key=lambda part: len(part.index)).index
    columns = (whole.lower, whole.upper, whole.size)
    instance = AllocationInstance(
        "part", *(one[chosen] for one in columns), None, whole.alignment[chosen], whole.fixed[chosen]
    )
    (part,) = parts_of(instance)
    least = least_height(plain(instance)) // part.unit
    rng = np.random.default_rng(seed)
    for height in range(int(max(part.size.max(), (part.fixed + part.size).max())), least + 3):
        search = Search(part)
        for _ in range(3):
            status = NONE
            if search.start(height, rng.random(len(part.size))):
                status = search.go(10**6)
            assert status == (FOUND if height >= least else NONE), (height, least)
            if status == FOUND:
                assert part.height(search.offset) <= height
                assert validate(instance, Allocation(search.offset * part.unit, instance.digest)).feasible


@pytest.mark.parametrize("seed", range(30))
def test_cpsat_finds_and_proves_the_least_height(seed):
    pytest.importorskip("ortools")
    instance = small(seed)
    least = least_height(plain(instance))
    result = solve_cpsat(instance, time_limit=60.0, workers=1)
    assert (checked(instance, result), result.bound, result.status) == (least, least, "optimal")


def test_some_of_the_small_ones_need_a_search():
    """Else the tests above would show nothing: no rule packs them, or the load is no packing's height."""
    found = [(run_rule(BEST, one).offset + one.size).max() > least_height(plain(one)) for one in map(small, range(60))]
    gaps = [least_height(plain(one)) > one.least_height for one in map(small, range(60))]
    assert sum(found) >= 1
    assert sum(gaps) >= 5


@pytest.mark.parametrize("solve", [solve_minimal, solve_cpsat])
def test_goal_fit_stops_within_the_capacity_or_proves_that_there_is_none(solve):
    pytest.importorskip("ortools")
    seen = set()
    for seed in range(60):
        instance = small(seed)
        least = least_height(plain(instance))
        for capacity in {max(least - 1, instance.least_height), least + 1}:
            tight = AllocationInstance(
                "tight", instance.lower, instance.upper, instance.size, capacity, instance.alignment, instance.fixed
            )
            result = solve(tight, "fit", time_limit=60.0)
            checked(tight, result)
            assert (result.height <= capacity) == (least <= capacity)
            expected = "does not fit" if least > capacity else ("optimal" if result.optimal else "fits")
            assert result.status == ("optimal" if result.optimal else expected)
            seen.add(result.status)
            outcome = result.outcome(tight, "fits")
            assert (outcome.bound, outcome.optimal) == (float(least <= capacity or result.bound <= capacity), True)
        if len(seen) == 3:
            return
    assert seen == {"optimal", "fits", "does not fit"}


# Parts, units and the kernel's arrays


def test_parts_are_cut_where_nothing_lives():
    instance = AllocationInstance("parts", [8, 0, 4, 1, 9], [9, 4, 8, 3, 12], [6, 4, 12, 2, 8])
    parts = list(parts_of(instance))
    assert [part.index.tolist() for part in parts] == [[1, 3], [2], [0], [4]]
    assert [part.unit for part in parts] == [2] * 4
    assert (parts[0].first.tolist(), parts[0].last.tolist(), parts[0].size.tolist()) == ([0, 1], [3, 2], [2, 1])
    assert (parts[0].load.tolist(), parts[0].least) == ([2, 3, 2], 3)
    assert parts[0].lifetime.tolist() == [4.0, 2.0]
    result = solve_minimal(instance, time_limit=60.0)
    assert (checked(instance, result), result.status) == (12, "optimal")


def test_units_leave_no_packing_out():
    def unit(sizes, alignment=1, fixed=-1):
        n = len(sizes)
        return unit_of(
            AllocationInstance("u", [0] * n, [1] * n, sizes, None, [alignment] * n, [fixed] + [-1] * (n - 1))
        )

    assert unit([12, 24]) == 12
    assert unit([12, 24], 4) == 12
    assert unit([12, 24], 8) == 4
    assert unit([12, 24], 1, 6) == 6
    mixed = AllocationInstance("mixed", [0, 0], [1, 1], [12, 24], None, [6, 8])
    assert unit_of(mixed) == 2
    assert [part.alignment.tolist() for part in parts_of(mixed)] == [[3, 4]]


def test_a_search_goes_on_where_it_paused():
    part = largest_part({"name": "cut", "buffers": 30}, 3)
    whole, pieces = Search(part), Search(part)
    priority = np.random.default_rng(0).random(len(part.size))
    assert whole.start(part.least, priority)
    assert pieces.start(part.least, priority)
    end = whole.go(2000)
    status, calls = PAUSED, 0
    while status == PAUSED and pieces.nodes < 2000:
        status = pieces.go(min(7, 2000 - pieces.nodes))
        calls += 1
    assert (status, pieces.nodes) == (end, whole.nodes)
    assert calls > 4
    assert whole.offset.tolist() == pieces.offset.tolist()


def test_a_trail_that_is_full_grows():
    part = largest_part({"name": "cut", "buffers": 40}, 5)
    usual, short = Search(part), Search(part)
    least = 2 * (len(part.size) + part.n_sections)
    short._trail = short._trail[0][:least], short._trail[1][:least]
    priority = np.random.default_rng(1).random(len(part.size))
    usual.start(part.least, priority)
    short.start(part.least, priority)
    assert usual.go(500) == short.go(500)
    assert usual.offset.tolist() == short.offset.tolist()
    assert len(short._trail[0]) > least


def test_independent_sides_do_not_multiply():
    """A buffer over all of the time, and problems beside one another: the search parts, and proves each on its own."""
    hard = small(HARD)
    assert least_height(plain(hard)) > hard.least_height
    end, times = int(hard.upper.max()), np.arange(6)[:, None]
    sides = AllocationInstance(
        "sides",
        [0, *(hard.lower + end * times).ravel()],
        [6 * end, *(hard.upper + end * times).ravel()],
        [1, *np.tile(hard.size, 6)],
        None,
        [1, *np.tile(hard.alignment, 6)],
    )
    one = AllocationInstance("one", [0, *hard.lower], [end, *hard.upper], [1, *hard.size], None, [1, *hard.alignment])
    result, alone = solve_minimal(sides, time_limit=60.0), solve_minimal(one, time_limit=60.0)
    assert (result.height, result.status) == (alone.height, "optimal")
    assert 0 < result.nodes < 20 * alone.nodes


def test_luby():
    assert [luby(k) for k in range(1, 16)] == [1, 1, 2, 1, 1, 2, 4, 1, 1, 2, 1, 1, 2, 4, 8]


def test_live_sets_cover_every_overlap_and_none_is_part_of_another():
    for seed in range(20):
        (part, *_) = parts_of(make_generator({"name": "uniform", "buffers": 12, "horizon": 9}).sample(seed))
        sets = [set(live) for live in cpsat.live_sets(part)]
        for a in range(len(part.size)):
            for b in range(a):
                together = part.first[a] < part.last[b] and part.first[b] < part.last[a]
                assert together == any({a, b} <= live for live in sets)
        assert not any(
            one < other or (one == other and i != j) for i, one in enumerate(sets) for j, other in enumerate(sets)
        )


# Published instances


@pytest.mark.parametrize("letter", MINIMALLOC)
def test_the_search_reaches_the_load_of_the_published_instances(letter):
    """The budget is in decisions, so that the machine's speed does not matter; see the page for seconds."""
    instance = minimalloc(letter)
    seed = {"I": 2}.get(letter, 0)
    result = solve_minimal(instance, time_limit=None, nodes=200_000, seed=seed)
    assert (checked(instance, result), result.status) == (instance.peak, "optimal")
    assert result.height <= instance.capacity == 1_048_576


@pytest.mark.long
@pytest.mark.parametrize("letter", ["B", "C", "E", "F", "H", "K"])
def test_cpsat_reaches_the_capacity(letter):
    pytest.importorskip("ortools")
    instance = minimalloc(letter)
    result = solve_cpsat(instance, "fit", time_limit=600.0, workers=2)
    assert checked(instance, result) <= instance.capacity


def test_a_perfect_packing_is_found_again():
    generator = make_generator({"name": "cut", "buffers": 30, "fixed": 0.1})
    for seed in range(5):
        instance, known = generator.sample_packed(seed)
        result = solve_minimal(instance, time_limit=None, nodes=300_000, seed=seed)
        assert validate(instance, known).values["height"] == result.bound
        assert checked(instance, result) <= run_height(instance)
    assert result.status == "optimal"


def run_height(instance):
    return int((run_rule(BEST, instance).offset + instance.size).max())


# Limits


def test_without_time_a_rule_s_packing_is_returned():
    instance = make_generator({"name": "cut", "buffers": 40}).sample(0)
    assert run_height(instance) > instance.peak
    for solve in (solve_minimal, solve_cpsat):
        result = solve(instance, time_limit=0.0)
        assert (checked(instance, result), result.bound, result.status) == (
            run_height(instance),
            instance.peak,
            "feasible",
        )


def test_a_limit_on_decisions_repeats_and_more_of_them_are_no_worse():
    instance = make_generator({"name": "cut", "buffers": 60, "horizon": 200, "units": 500}).sample(1)
    first, again = (solve_minimal(instance, time_limit=None, nodes=5000, seed=4) for _ in range(2))
    assert first.allocation == again.allocation
    assert 0 < first.nodes <= 5000 + 60
    more = solve_minimal(instance, time_limit=None, nodes=20_000, seed=4)
    assert checked(instance, more) <= checked(instance, first) <= run_height(instance)


def test_of_many_buffers_only_orders_within_the_time_are_tried(monkeypatch):
    instance = make_generator({"name": "cut", "buffers": 40}).sample(0)
    assert best_of_all(instance, 0.0) == best_of_all(instance) == run_rule(BEST, instance)
    monkeypatch.setattr("ganttlet_agents.rules.memory_allocation.LARGE", 39)
    assert best_of_all(instance, 0.0) == run_rule("size", instance) != best_of_all(instance)
    assert solve_minimal(instance, time_limit=1e-9).allocation == run_rule("size", instance)


def test_what_is_too_large_is_told(monkeypatch):
    instance = make_generator({"name": "cut", "buffers": 40}).sample(0)
    monkeypatch.setattr("ganttlet_agents.solvers.memory_allocation.minimal.MEMBERS", 10)
    monkeypatch.setattr(cpsat, "MEMBERS", 10)
    for solve in (solve_minimal, solve_cpsat):
        result = solve(instance, time_limit=60.0)
        assert (checked(instance, result), result.status) == (run_height(instance), "too large")


def test_an_interrupted_run_ends_between_slices(monkeypatch):
    monkeypatch.setattr(searching, "SLICE", 1)
    part = largest_part({"name": "cut", "buffers": 100, "horizon": 200, "units": 500}, 0)
    assert len(part.size) > 80
    calls = []
    restarts = Restarts(part, np.random.default_rng(0))
    status, offset = restarts.run(part.least, 10**9, lambda: calls.append(1) or len(calls) > 3)
    assert (status, offset) == (PAUSED, None)
    assert restarts.search.nodes == 3 * 20


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda one: solve_minimal(one, "good"), "goal: unknown value 'good'; expected one of least, fit"),
        (lambda one: solve_minimal(one, time_limit=-1.0), "time_limit"),
        (lambda one: solve_minimal(one, nodes=0), "nodes"),
        (lambda one: solve_minimal(one, time_limit=None), "time_limit, nodes: give one"),
        (lambda one: solve_cpsat(one, "good"), "goal"),
        (lambda one: solve_cpsat(one, workers=0), "workers"),
        (lambda one: solve_cpsat(one, deterministic_limit=-1.0), "deterministic_limit"),
    ],
)
def test_bad_arguments_are_named(call, word):
    with pytest.raises(InputError, match=word):
        call(resolve(ODD))


# As the evaluator calls them


def test_methods_return_bound_and_status():
    pytest.importorskip("ortools")
    instance = resolve(ODD)
    least = least_height(plain(instance))
    names = "solver:minimal:nodes=100000 solver:cpsat:time=60:workers=1 solver:minimal:goal=fit:nodes=1000"
    methods = parse_methods(names, FAMILY)
    assert [method.deterministic for method in methods] == [True, False, True]
    for method in methods[:2]:
        method.warm_up(instance, objective="height")
        for objective, bound in (("height", least), ("ratio", least / instance.peak), ("fits", 1.0)):
            outcome = method.solve(instance, objective=objective, seed=0)
            assert validate(instance, outcome.solution).feasible
            assert (outcome.bound <= bound) if objective != "fits" else outcome.bound == 1.0
            assert outcome.optimal or objective != "height"
    assert methods[2].solve(instance, objective="height", seed=0).solution is not None


@pytest.mark.parametrize(
    ("text", "deterministic"),
    [
        ("solver:minimal", False),
        ("solver:minimal:nodes=10:time=1", False),
        ("solver:minimal:nodes=10", True),
        ("solver:cpsat:dtime=1", True),
        ("solver:cpsat:dtime=1:workers=2", False),
        ("solver:cpsat:time=1", False),
    ],
)
def test_only_budgets_without_a_clock_are_called_deterministic(text, deterministic):
    assert parse_methods(text, FAMILY)[0].deterministic is deterministic


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("solver:minimal:nodes=0", "≥ 1"),
        ("solver:minimal:time=0", "≥ 0.001"),
        ("solver:minimal:goal=any", "least, fit"),
        ("solver:cpsat:workers=0", "≥ 1"),
        ("solver:cpsat:cumulative=true", "unknown option 'cumulative'"),
    ],
)
def test_bad_options_are_named(text, word):
    with pytest.raises(InputError, match=word):
        parse_methods(text, FAMILY)


def test_a_part_knows_its_height():
    part = Part(
        np.arange(2),
        np.array([0, 0]),
        np.array([1, 1]),
        np.array([1.0, 1.0]),
        np.array([2, 3]),
        np.array([1, 1]),
        np.array([-1, 4]),
        1,
    )
    assert (part.least, part.height(np.array([7, 4])), part.n_sections) == (7, 9, 1)
