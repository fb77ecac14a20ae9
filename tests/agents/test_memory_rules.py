"""Rules of memory mapping: plain twins, plans by hand, mappings that are accepted, options and errors."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from families_memory import program
from ganttlet.core.errors import InputError
from ganttlet.memory_mapping import OBJECTIVES, Mapping, generate, validate
from ganttlet.memory_mapping.placing import PLACEMENTS
from ganttlet_agents.evaluation.methods import bind
from ganttlet_agents.rules.memory_mapping import (
    METHODS,
    THETAS,
    run_all_slow,
    run_belady,
    run_evolution,
    run_greedy,
    run_greedy_density,
    run_msa,
    run_msa_best,
)
from ganttlet_agents.rules.memory_mapping.belady import stays
from ganttlet_agents.rules.memory_mapping.evolution import LEAST_SHARES, first_parents
from ganttlet_agents.rules.memory_mapping.msa import ORDERS, SUPPLIES, Supply, sort_buffers
from ganttlet_agents.rules.memory_mapping.player import Player
from ganttlet_agents.rules.memory_mapping.playing import PREFERENCES
from ganttlet_agents.rules.memory_mapping.rent import QUANTILES
from ganttlet_agents.rules.memory_mapping.room import Room
from reference import memory_rules
from reference.memory_machine import Machine
from reference.memory_mapping import ReferenceMapping
from reference.memory_strategies import programs

SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
games = st.fixed_dictionaries(
    {
        "placement": st.sampled_from(PLACEMENTS),
        "window": st.sampled_from([1, 2, 128]),
        "stall": st.sampled_from([True, True, False]),
    }
)
VARIANTS = [(order, supply) for order in ORDERS for supply in SUPPLIES]


def same(mapping, game):
    """Whether a mapping is what a game of the slow twin came to."""
    fields = game.fields()
    return {field: getattr(mapping, field).tolist() for field in fields} == fields


def latency(instance, mapping):
    verdict = validate(instance, mapping)
    assert verdict.feasible, verdict.violations
    return verdict.values["latency"]


# The rules that play.


@SLOW
@given(programs(), games)
def test_greedy_is_its_twin(instance, game):
    mapping, decisions = run_greedy(instance, **game)
    assert same(mapping, memory_rules.play(ReferenceMapping(instance, **game), [memory_rules.CAUTIOUS] * decisions))


@SLOW
@given(programs(), games, st.sampled_from([0.0, 1e-3, 0.25, 0.5, 1.0]))
def test_density_is_its_twin(instance, game, theta):
    mapping, decisions = run_greedy_density(instance, theta=theta, **game)
    wanted = [memory_rules.CAUTIOUS] * decisions
    assert same(mapping, memory_rules.play(ReferenceMapping(instance, **game), wanted, theta))


@SLOW
@given(programs(), games)
def test_belady_is_its_twin(instance, game):
    assert stays(instance).tolist() == memory_rules.stays(instance)
    mapping, _ = run_belady(instance, **game)
    assert same(mapping, memory_rules.play(ReferenceMapping(instance, **game), memory_rules.belady(instance)))


@SLOW
@given(programs(), games, st.data())
def test_preferences_are_played_as_the_twin_plays_them(instance, game, data):
    preference = st.integers(0, len(PREFERENCES) - 1)
    wanted = data.draw(st.lists(preference, min_size=instance.n_slots, max_size=instance.n_slots))
    player = Player(instance, **game)
    player.play(np.array(wanted, np.int8))
    twin = memory_rules.play(ReferenceMapping(instance, **game), wanted)
    assert same(player.mapping(), twin)
    assert player.values[player.column("latency"), 0] == twin.latency()


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    programs(most_instructions=6),
    games,
    st.integers(1, 9),
    st.integers(1, 3),
    st.integers(1, 3),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.sampled_from([0, 1, 2**64 - 1]),
    st.sampled_from(["latency", "speedup", "copied"]),
)
def test_evolution_is_its_twin(instance, game, budget, offspring, mutations, whole, seed, objective):
    options = {"budget": budget, "offspring": offspring, "mutations": mutations, "whole": whole, "seed": seed}
    mapping, plays = run_evolution(instance, objective, **options, **game)
    twin = memory_rules.evolve(instance, budget, offspring, (mutations, whole), seed, objective, **game)
    assert same(mapping, twin)
    assert plays in (1, budget)


def test_genes():
    """Nothing is to choose for outputs, temps that nobody reads, and what fast memory cannot hold."""
    sizes = {"x": ("input", 16), "w": ("param", 17), "a": ("temp", 4), "b": ("temp", 4), "c": ("temp", 17)}
    code = [(0, "x w", "a b c"), (0, "a c y:1", "z")]
    instance = program({**sizes, "y": ("const", 1), "z": ("output", 4)}, code)
    assert Player(instance).genes.tolist() == [0, 2, 5, 7]


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_evolution_improves_and_repeats(seed):
    instance = generate({"name": "random"}, seed)
    greedy = latency(instance, run_greedy(instance)[0])
    few, many = (run_evolution(instance, budget=budget, seed=seed) for budget in (30, 600))
    assert latency(instance, many[0]) <= latency(instance, few[0]) <= greedy
    assert latency(instance, many[0]) < greedy
    assert run_evolution(instance, budget=600, seed=seed)[0] == many[0]
    assert run_evolution(instance, budget=600, seed=seed + 1)[0] != many[0]


def test_evolution_ends_with_its_time():
    instance = generate({"name": "toy"}, 0)
    mapping, plays = run_evolution(instance, seconds=0.0)
    assert plays == 1
    assert mapping == run_greedy(instance)[0]
    assert run_evolution(instance, seconds=60.0, budget=7)[1] == 7


@pytest.mark.parametrize("seed", range(3))
def test_evolution_from_the_best_start(seed):
    instance = generate({"name": "random"}, seed)
    player, found = Player(instance), []
    for wish in first_parents(instance, "best"):
        player.play(wish)
        found.append(player.mapping())
    assert len(found) == 3 + 2 * len(QUANTILES) + len(VARIANTS) * len(LEAST_SHARES)
    rules = [wish.tolist() for wish in first_parents(instance, "rules")]
    assert rules == [wish.tolist() for wish in first_parents(instance, "best")][: 3 + 2 * len(QUANTILES)]
    values = [latency(instance, mapping) for mapping in found]
    best = run_evolution(instance, budget=len(found), start="best")
    assert best == (found[values.index(min(values))], len(found))
    assert run_evolution(instance, budget=2, start="best")[0] == found[int(values[1] < values[0])]


def test_density_tries_every_theta():
    instance = generate({"name": "random"}, 1)
    mapping, decisions = run_greedy_density(instance)
    each = [run_greedy_density(instance, theta=theta)[0] for theta in THETAS]
    assert len(each) == 25
    assert decisions == 25 * instance.n_slots
    assert latency(instance, mapping) == min(latency(instance, other) for other in each)
    fewest = run_greedy_density(instance, "copied")[0]
    assert validate(instance, fewest).values["copied"] == 0.0
    assert all(other.copy_out.all() for other in each[-1:])


def test_greedy_by_hand():
    """A byte takes slow memory a second and fast memory a quarter."""
    instance = program(
        {"x": ("input", 4), "w": ("param", 4), "a": ("temp", 4), "y": ("output", 4)},
        [(10, "x", "a"), (0, "w a", "y")],
    )
    mapping, decisions = run_greedy(instance)
    # x would stall for 4 s and save nothing; w is copied during instruction 0, in which slow memory is idle for 6 s.
    assert decisions == 5
    assert mapping.fast.tolist() == [0, 1, 1, 1, 0]
    assert latency(instance, mapping) == 1e6 * (10 + 1 + 1 + 4)


def test_belady_spills_what_is_used_last():
    """Of three temps two fit; the one that is used last is written to slow memory."""
    buffers = {"x": ("input", 4), **{name: ("temp", 8) for name in "abc"}, "y": ("output", 4)}
    code = [(9, "x", "a"), (9, "", "b"), (9, "", "c"), (9, "b c", ""), (9, "a", "y")]
    instance = program(buffers, code)
    kept = stays(instance)[instance.slot_role == 1]
    assert kept.tolist() == [False, True, True, False]
    assert not stays(instance)[instance.slot_role == 0].any()
    mapping, _ = run_belady(instance)
    # Nothing precedes the use of x in which it could be copied, and b and c leave a no place until its use.
    assert mapping.fast.tolist() == [0, 0, 1, 1, 1, 1, 0, 0]


def test_belady_lets_nothing_go_that_is_in_use():
    """r is used last of all, but now."""
    buffers = {**{name: ("param", 8) for name in "pqr"}, "y": ("output", 1)}
    code = [(9, name, "") for name in "pqrpq"] + [(9, "r", "y")]
    assert stays(program(buffers, code)).tolist() == [True, False, True, False, False, False, False]


# Planning buffer by buffer.


@SLOW
@given(programs(), st.sampled_from(VARIANTS))
def test_msa_is_accepted(instance, variant):
    mapping = run_msa(instance, *variant)
    value = latency(instance, mapping)
    assert Machine(instance, mapping).run() == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("name", ["random", "recurrent", "training", "branching"])
@pytest.mark.parametrize("variant", VARIANTS, ids="-".join)
def test_msa_on_generated_programs(name, variant):
    instance = generate({"name": name}, 3)
    mapping = run_msa(instance, *variant)
    assert latency(instance, mapping) > instance.all_fast
    assert mapping.fast.any()
    assert run_msa(instance, *variant) == mapping


def test_msa_orders():
    """Slots of w save 4 bytes twice, of v 9 once, of s nothing, for its instruction is bound by arithmetic."""
    instance = program(
        {"w": ("param", 4), "v": ("param", 9), "s": ("param", 2), "y": ("output", 4), "z": ("output", 1)},
        [(0, "w v", "y"), (0, "w", ""), (9, "s", "z")],
    )
    names = {order: sort_buffers(instance, order).tolist() for order in ORDERS}
    # Saved / sqrt(size): w 8/2, v 9/3, y 4/2; saved / size: w 2, v 1, y 1. Times three quarters.
    assert names == {"boundedness": [0, 1, 3, 2, 4], "density": [0, 1, 3, 2, 4], "smallest": [4, 2, 0, 3, 1]}
    wide = program({"w": ("param", 1), "v": ("param", 9), "y": ("output", 1)}, [(0, "w v", "y")])
    assert sort_buffers(wide, "boundedness").tolist() == [1, 0, 2]
    assert sort_buffers(wide, "density").tolist() == [0, 1, 2]


def prefetch(*flops, **facts):
    """A parameter of 4 bytes, used by the last of instructions that else only compute."""
    code = [(time, "", "") for time in flops] + [(0, "w", "y")]
    return program({"w": ("param", 4), "y": ("output", 1)}, code, **facts)


@pytest.mark.parametrize(
    ("flops", "release"),
    [
        ([4], 0),
        ([2, 2, 2, 2], 1),  # 6 s overlap, one and a half times the copy of 4 s
        ([1, 1, 1, 1], 0),
        ([9, 7, 0], 1),  # 7 is closer to 6 than 16
        ([3, 5, 0, 0], 1),  # 5 is closer to 6 than 8
        ([5, 3, 1], 1),  # 4 is nearer than 9
        ([7, 3, 1], 1),
        ([3], None),  # less than the copy takes
        ([], None),
    ],
)
def test_msa_start_of_a_copy(flops, release):
    mapping = run_msa(prefetch(*flops))
    if release is None:
        assert not mapping.fast.any()
        assert len(mapping.copy_buffer) == 0
    else:
        assert mapping.fast.tolist() == [1, 0]
        assert mapping.copy_release.tolist() == mapping.rect_start.tolist() == [release]
        assert mapping.copy_deadline.tolist() == mapping.rect_end.tolist() == [len(flops)]
        assert mapping.stall.sum() == 0.0


def test_msa_supply():
    """Slow memory is idle for 1 s of the 5 s in which a copy of 4 s is planned: the queue makes the use wait."""
    instance = program(
        {"x": ("input", 4), "w": ("param", 4), "a": ("temp", 40), "y": ("output", 1)},
        [(5, "x", "a:1"), (0, "w", "y")],
    )
    x_first = 5.0  # x is read from slow memory in any case: nothing precedes its use
    elapsed, idle = (run_msa(instance, "boundedness", supply) for supply in SUPPLIES)
    assert elapsed.fast.tolist() == [0, 0, 1, 0]
    # The 4 bytes of x and the one of a leave no time of the 5 s.
    assert elapsed.stall.tolist() == [0.0, 4e6]
    assert latency(instance, elapsed) == 1e6 * (x_first + 4 + 1 / 4 * 4 + 1)
    assert idle.fast.tolist() == [0, 0, 0, 0]


def test_msa_supply_is_shared_by_copies():
    """Both parameters want the one instruction before; the smaller one comes second and stays in slow memory."""
    buffers = {"w": ("param", 4), "v": ("param", 3), "y": ("output", 1)}
    for time, fast in ((6, [1, 0, 0]), (7, [1, 1, 0])):
        assert run_msa(program(buffers, [(time, "", ""), (0, "w v", "y")])).fast.tolist() == fast


def test_msa_keeps_a_temp():
    instance = program({"a": ("temp", 8), "y": ("output", 1)}, [(0, "", "a"), (1, "", ""), (0, "a", ""), (0, "a", "y")])
    mapping = run_msa(instance)
    assert mapping.fast.tolist() == [1, 1, 1, 0]
    assert [mapping.rect_start.tolist(), mapping.rect_end.tolist()] == [[0], [3]]
    assert len(mapping.copy_buffer) == 0


BIG = {"a": ("temp", 8), "b": ("temp", 12), "y": ("output", 1), "z": ("output", 1)}


def test_msa_writes_back_only_if_it_must():
    """b, planned first, takes the place of a between the first use of a and the second."""
    code = [(0, "", "a:1"), (8, "a:1", ""), (0, "", "b"), (0, "b", "y"), (20, "", ""), (0, "a", "z")]
    mapping = run_msa(program(BIG, code))
    assert mapping.fast.tolist() == [1, 1, 1, 1, 0, 1, 0]
    # b; a while it is written and read; a again, copied back during the 20 s.
    assert mapping.rect_buffer.tolist() == [1, 0, 0]
    assert [mapping.rect_start.tolist(), mapping.rect_end.tolist()] == [[2, 0, 4], [3, 1, 5]]
    columns = (mapping.copy_buffer, mapping.copy_out, mapping.copy_release, mapping.copy_deadline)
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == [(0, 1, 1, 2), (0, 0, 4, 5)]
    assert mapping.stall.sum() == 0.0


def test_msa_without_supply_for_the_write_back():
    """As before, but the 7 s are too few to write 8 bytes back: a goes to slow memory at once, and is copied later."""
    code = [(0, "", "a:1"), (7, "a:1", ""), (0, "", "b"), (0, "b", "y"), (20, "", ""), (0, "a", "z")]
    mapping = run_msa(program(BIG, code))
    assert mapping.fast.tolist() == [0, 0, 1, 1, 0, 1, 0]
    assert mapping.copy_out.tolist() == [0]
    assert mapping.rect_buffer.tolist() == [1, 0]


def test_msa_supply_of_write_backs():
    """Two temps of 5 bytes want the same 8 s; the second goes to slow memory at once."""
    buffers = {"a": ("temp", 5), "c": ("temp", 5), "b": ("temp", 12), "y": ("output", 1), "z": ("output", 1)}
    code = [(0, "", "a:1 c:1"), (8, "a:1 c:1", ""), (0, "", "b"), (0, "b", "y"), (20, "", ""), (0, "a c", "z")]
    mapping = run_msa(program(buffers, code))
    assert mapping.fast.tolist() == [1, 0, 1, 0, 1, 1, 0, 1, 1, 0]
    assert mapping.copy_buffer[mapping.copy_out == 1].tolist() == [0]


@pytest.mark.parametrize(("supply", "fetched"), [("elapsed", True), ("idle", False)])
def test_msa_supply_is_there_once_or_twice(supply, fetched):
    """a is written back in the 8 s in which w would be copied."""
    code = [(0, "", "a:1"), (9, "a:1", ""), (0, "w", "b"), (0, "b", "y"), (20, "", ""), (0, "a", "z")]
    mapping = run_msa(program({**BIG, "w": ("param", 4)}, code), supply=supply)
    assert mapping.fast.tolist() == [1, 1, int(fetched), 1, 1, 0, 1, 0]
    assert mapping.copy_out.tolist().count(1) == 1


def test_msa_chooses_a_place_that_lasts():
    """The first 12 bytes are taken between the two uses of d."""
    buffers = {"d": ("temp", 4), "e": ("temp", 12), "y": ("output", 1)}
    code = [(0, "", "d:1"), (0, "d:1", ""), (0, "", ""), (0, "", "e"), (0, "e", ""), (0, "d:1", "y")]
    mapping = run_msa(program(buffers, code))
    assert mapping.rect_buffer.tolist() == [1, 0]
    assert mapping.rect_offset.tolist() == [0, 12]
    assert len(mapping.copy_buffer) == 0


def test_msa_starts_a_copy_later_if_there_is_no_place():
    """7 s overlap would be better than 4 for a copy of 4 s, but e takes all of fast memory until instruction 1."""
    buffers = {"w": ("param", 4), "e": ("temp", 16), "y": ("output", 1)}
    mapping = run_msa(program(buffers, [(0, "", "e"), (3, "e:1", ""), (4, "", ""), (0, "w", "y")]))
    assert mapping.fast.tolist() == [1, 1, 1, 0]
    assert mapping.copy_release.tolist() == [2]
    small = program({**buffers, "e": ("temp", 12)}, [(0, "", "e"), (3, "e:1", ""), (4, "", ""), (0, "w", "y")])
    assert run_msa(small).copy_release.tolist() == [1]


def test_msa_best_is_the_best_of_six():
    instance = generate({"name": "random"}, 2)
    mapping, decisions = run_msa_best(instance)
    values = [latency(instance, run_msa(instance, *variant)) for variant in VARIANTS]
    assert decisions == 6 * instance.n_slots
    assert latency(instance, mapping) == min(values)
    assert len(set(values)) > 1


@given(st.lists(st.integers(0, 5), max_size=6), st.integers(0, 6), st.integers(0, 6), st.integers(1, 12))
def test_supply(left, first, until, need):
    first, until = min(first, until, len(left)), min(until, len(left))
    supply = Supply(np.array(left, float))
    expected = [start for start in range(first, until) if sum(left[start:until]) >= need]
    start = supply.start(first, until, need)
    assert start == max(expected, default=first - 1)
    if expected:
        supply.take(first, until, need)
        assert supply.left[start + 1 : until].sum() == 0.0
        assert sum(left) - supply.left.sum() == need
        assert supply.left.min() >= 0.0


boxes = st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(0, 9), st.integers(1, 4))


@SLOW
@given(st.lists(boxes, max_size=80), boxes)
def test_room(rectangles, wanted):
    room, grid = Room(10), np.zeros((10, 10), bool)

    def gaps(start, end):
        free = ~grid[start : end + 1].any(axis=0)
        edges = np.flatnonzero(np.diff([0, *free.astype(int), 0]))
        return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))

    for start, length, low, size in [*rectangles, wanted]:
        end = start + length
        fitting = [(high - bottom, bottom) for bottom, high in gaps(start, end) if high - bottom >= size]
        assert room.best_fit(size, start, end) == min(fitting, default=(0, -1))[1]
        if low + size <= 10 and not grid[start : end + 1, low : low + size].any():
            number = room.put(0, start, end, low, size)
            grid[start : end + 1, low : low + size] = True
            free = not grid[end + 1 : 10, low : low + size].any()
            if end < 9:
                assert room.extend(number, 9) == free
                grid[start : (9 if free else end) + 1, low : low + size] = True
                assert room.end(number) == (9 if free else end)


# As methods.


@pytest.mark.parametrize("entry", METHODS, ids=lambda entry: entry.name)
@pytest.mark.parametrize("objective", ["latency", "speedup", "copied"])
def test_methods(entry, objective):
    instance = generate({"name": "random"}, 4)
    method = bind(entry, **({"budget": 20} if entry.name == "evolution" else {}))
    method.warm_up(instance, objective=objective)
    outcome = method.solve(instance, objective=objective, seed=3)
    assert isinstance(outcome.solution, Mapping)
    assert latency(instance, outcome.solution) >= instance.all_fast
    assert outcome.decisions >= instance.n_slots
    assert method.solve(instance, objective=objective, seed=3).solution == outcome.solution
    assert method.deterministic


def test_all_slow():
    instance = generate({"name": "random"}, 0)
    mapping, _ = run_all_slow(instance)
    assert latency(instance, mapping) == instance.all_slow
    assert mapping == memory_only_drops(instance)


def memory_only_drops(instance):
    """What a game of nothing but Drop comes to."""
    player = Player(instance)
    player.play(player.wish(0))
    return player.mapping()


def test_options_reach_the_rules():
    instance = generate({"name": "random"}, 5)

    def solve(name, **options):
        entry = next(entry for entry in METHODS if entry.name == name)
        return bind(entry, **options).solve(instance, objective="latency", seed=1).solution

    game = {"placement": "best_fit", "window": 3, "stall": False}
    assert solve("greedy", **game) == run_greedy(instance, **game)[0]
    assert solve("belady", **game) == run_belady(instance, **game)[0]
    assert solve("greedy_density", theta=0.1, **game) == run_greedy_density(instance, theta=0.1, **game)[0]
    assert solve("msa", order="density", supply="idle") == run_msa(instance, "density", "idle")
    options = {"budget": 40, "offspring": 3, "mutations": 2, "start": "best", **game}
    assert solve("evolution", **options) == run_evolution(instance, seed=1, **options)[0]
    assert solve("greedy", **game) != solve("greedy")


def test_time_is_not_repeatable():
    entry = next(entry for entry in METHODS if entry.name == "evolution")
    assert not bind(entry, time=1.0).deterministic
    assert bind(entry, time=1.0).label == "search:evolution:time=1"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: run_greedy(p, placement="worst_fit"), "placement: unknown value 'worst_fit'"),
        (lambda p: run_greedy(p, window=0), "window: expected an integer of at least 1, got 0"),
        (lambda p: run_greedy(p, stall=1), "stall: expected True or False, got 1"),
        (lambda p: run_greedy_density(p, theta=-1.0), "theta: expected a number of at least 0"),
        (lambda p: run_greedy_density(p, "makespan"), "objective: unknown value 'makespan'"),
        (lambda p: run_msa(p, "largest"), "order: unknown value 'largest'"),
        (lambda p: run_msa(p, supply="none"), "supply: unknown value 'none'"),
        (lambda p: run_msa_best(p, "makespan"), "objective: unknown value 'makespan'"),
        (lambda p: run_evolution(p, "peak"), "objective: unknown value 'peak'; expected one of latency"),
        (lambda p: run_evolution(p, budget=0), "budget: expected an integer of at least 1"),
        (lambda p: run_evolution(p, seconds=-1.0), "seconds: expected a number of at least 0"),
        (lambda p: run_evolution(p, offspring=0), "offspring: expected"),
        (lambda p: run_evolution(p, mutations=0), "mutations: expected"),
        (lambda p: run_evolution(p, seed=-1), "seed: expected"),
        (lambda p: run_evolution(p, start="random"), "start: unknown value 'random'"),
    ],
)
def test_errors(call, message):
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        call(generate({"name": "toy"}, 0))


def test_every_objective_chooses():
    instance = generate({"name": "random"}, 6)
    for objective in OBJECTIVES:
        found = validate(instance, run_msa_best(instance, objective)[0]).values[objective]
        each = [validate(instance, run_msa(instance, *variant)).values[objective] for variant in VARIANTS]
        assert found == (max(each) if objective == "speedup" else min(each))
