"""Solvers of memory mapping: beside every mapping of tiny programs, and with bounds that no method goes below."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from ganttlet.core.errors import InputError
from ganttlet.memory_mapping import compulsory_bytes, resolve, validate
from ganttlet.memory_mapping.env import MemoryMappingEnv
from ganttlet_agents.evaluation.methods import parse_methods
from ganttlet_agents.rules.memory_mapping import run_belady, run_evolution, run_greedy, run_msa_best
from ganttlet_agents.solvers.memory_mapping import activations_only, choose_window, solve_cosma, solve_latency
from ganttlet_agents.solvers.memory_mapping.packing import first_fit, pack
from ganttlet_agents.solvers.memory_mapping.plan import Stay
from reference.memory_exact import choices, count, least_latency
from reference.memory_strategies import programs

pytest.importorskip("ortools")
pytest.importorskip("highspy")

TINY = {"name": "toy", "instructions": [2, 4], "skip": 0.6, "reuse": 0.6, "pressure": [0.5, 2.0], "intensity": [1, 300]}
SMALL = {"name": "random", "instructions": [6, 14], "reuse": 0.5, "pressure": [0.8, 2.5]}


def tiny(seed):
    return resolve({"generator": TINY, "seed": seed})


def check(program, result, objective="latency"):
    """The value is the validator's, and the bound is no greater."""
    verdict = validate(program, result.mapping)
    assert verdict.feasible, verdict.violations
    assert result.value == verdict.values[objective]
    assert result.bound <= result.value * (1 + 1e-9)


@pytest.mark.parametrize("first", range(0, 48, 12))
def test_finds_the_least_latency_of_all_mappings(first):
    """With capacity a sum of sizes; places are no matter in programs this small."""
    tried = 0
    for seed in range(first, first + 12):
        program = tiny(seed)
        if count(program) > 5000:
            continue
        tried += 1
        result = solve_latency(program, hint=None, time_limit=20.0)
        check(program, result)
        least = least_latency(program)
        assert result.bound <= least * (1 + 1e-9)
        assert result.value == pytest.approx(least, rel=1e-5)
    assert tried >= 8


def test_cpsat_finds_it_too():
    for seed in (3, 4, 5):
        result = solve_latency(tiny(seed), "cpsat", hint=None, time_limit=20.0, workers=1)
        check(tiny(seed), result)
        assert result.value == pytest.approx(least_latency(tiny(seed)), rel=1e-3)


@pytest.mark.parametrize("window", [1, 3, 100])
def test_no_method_goes_below_the_bound(window):
    for seed in range(4):
        program = resolve({"generator": SMALL, "seed": seed})
        result = solve_latency(program, window=window, time_limit=5.0, seed=seed)
        check(program, result)
        for run in (run_greedy, run_belady, run_msa_best):
            latency = validate(program, run(program)[0]).values["latency"]
            assert result.bound <= latency * (1 + 1e-9)
            assert result.value <= latency


def test_is_no_worse_than_any_play_of_the_game():
    """Every play of the environment is a mapping that the solver may find."""
    program = tiny(0)
    assert program.n_slots == 6
    env = MemoryMappingEnv(instance=program)
    least = np.inf
    for actions in itertools.product(range(3), repeat=program.n_slots):
        env.reset(seed=0)
        for action in actions:
            _, _, over, _, info = env.step(action)
            if info["illegal_action"]:
                break
        if over:
            least = min(least, float(info["objectives"]["latency"]))
    result = solve_latency(program, hint=None)
    assert np.isfinite(least)
    assert result.value <= least * (1 + 1e-6)


def test_measured_speedups():
    """128 MiB is all that alexnet needs; with 32 MiB its optimum was measured before with another program."""
    result = solve_latency("alexnet_b32:hardware=tight")
    program = resolve("alexnet_b32:hardware=tight")
    check(program, result)
    assert result.optimal
    assert program.all_slow / result.value == pytest.approx(1.192, rel=1e-3)
    assert resolve("alexnet_b32").all_slow / solve_latency("alexnet_b32").bound == pytest.approx(1.628, rel=1e-3)


def test_places_by_search_what_first_fit_leaves_out():
    """Three columns that fill memory exactly, cut so that largest or earliest first goes wrong."""
    program = replace(resolve("alexnet_b32"), capacity=6 * 1024)
    buffers = {1: 0, 2: 1, 3: 2, 4: 3}
    program = replace(
        program,
        size=np.where(np.arange(program.n_buffers) < 4, np.arange(program.n_buffers) + 1, 1) * 1024,
        slot_bytes=np.ones(program.n_slots, np.int64),
    )
    shapes = [(0, 1, 3), (0, 3, 1), (0, 4, 2), (2, 2, 2), (2, 4, 1), (3, 5, 2), (4, 5, 1), (5, 6, 3)]
    stays = [Stay(buffers[size], start, end, (0,)) for start, end, size in shapes]
    worth = np.ones(len(stays), np.int64)
    offset = pack(program, stays, worth, 10.0, 1, 0) // 1024
    assert (offset >= 0).all()
    for (a, (s, e, h)), (b, (s2, e2, h2)) in itertools.combinations(zip(offset, shapes, strict=True), 2):
        assert e < s2 or e2 < s or a + h <= b or b + h2 <= a
    assert all(0 <= a <= 6 - h for a, (_, _, h) in zip(offset, shapes, strict=True))


def test_first_fit_leaves_out_what_finds_no_place():
    start, end, size = np.array([0, 0, 1]), np.array([1, 1, 2]), np.array([3, 2, 2])
    assert first_fit(start, end, size, 5, np.arange(3)).tolist() == [0, 3, -1]


@pytest.mark.parametrize("stream", [False, True])
def test_fewest_bytes_of_all_mappings(stream):
    """Without time every choice of a buffer is free, so the least is a search over capacity alone."""
    tried = optimal = 0
    for seed in range(16):
        program = tiny(seed)
        if count(program) > 5000:
            continue
        try:
            result = solve_cosma(program, stream=stream)
        except InputError:
            assert not stream
            continue
        check(program, result, "slow_bytes")
        optimal += result.optimal
        assert result.value >= compulsory_bytes(program)
        assert result.value == least_bytes(program, stream)
        tried += 1
    assert tried >= optimal >= 6


def least_bytes(program, stream):
    """Try every mapping; with ``stream`` false, only those whose operands and reused results are fast."""
    options, best = [], np.inf
    for b in range(program.n_buffers):
        slots = [k for k in range(program.n_slots) if program.slot_buffer[k] == b]
        free = {slots[0]} if program.defined[b] >= 0 and (len(slots) == 1 or program.buffer_kind[b] == 4) else set()
        fits = program.aligned[b] <= program.capacity
        options.append([c for c in choices(program, b) if stream or not fits or set(c.fast) >= set(slots) - free])
    for chosen in itertools.product(*options):
        used = np.zeros(program.n_instructions, np.int64)
        for b, choice in enumerate(chosen):
            for start, end in choice.rects:
                used[start : end + 1] += program.aligned[b]
        fast = {k for choice in chosen for k in choice.fast}
        late = any(deadline == program.n_instructions for choice in chosen for _, deadline in choice.copies)
        if used.max() > program.capacity or late:
            continue
        moved = sum(int(program.slot_bytes[k]) for k in range(program.n_slots) if k not in fast)
        best = min(best, moved + sum(len(c.copies) * int(program.size[b]) for b, c in enumerate(chosen)))
    return best


def test_bytes_of_activations_alone():
    program = activations_only(resolve("unet_b1_256"))
    assert (program.defined >= 0).all()
    result = solve_cosma(replace(program, capacity=program.peak_live))
    check(program if result.mapping is None else replace(program, capacity=program.peak_live), result, "slow_bytes")
    assert result.value == compulsory_bytes(program)


def test_instructions_that_do_not_fit_are_named():
    with pytest.raises(InputError, match=r"instruction 0 .* needs 41943040 bytes"):
        solve_cosma("fastmm7_l2_4096:hardware=tight")


def test_bad_arguments():
    program = tiny(0)
    with pytest.raises(InputError, match="engine: "):
        solve_latency(program, "simplex")
    with pytest.raises(InputError, match="window"):
        solve_latency(program, window=0)
    with pytest.raises(InputError, match="hint"):
        solve_latency(program, hint="luck")
    with pytest.raises(InputError, match="fast_bandwidth"):
        solve_latency(replace(program, fast_bandwidth=program.slow_bandwidth / 2), hint=None)
    good = run_greedy(program)[0]
    broken = replace(good, fast=np.ones(program.n_slots, np.int8))
    with pytest.raises(InputError, match="infeasible"):
        solve_latency(program, hint=broken)


def test_window_follows_the_size():
    assert choose_window(tiny(0)) == tiny(0).n_instructions
    assert choose_window(resolve("lstm2_t24_b32"), 3000) < 60
    assert choose_window(resolve("lstm2_t24_b32"), 10**6) == 338


def test_hint_is_kept_where_time_is_too_short():
    program = resolve("lstm2_t24_b32:hardware=tight")
    hint = run_evolution(program, budget=50)[0]
    result = solve_latency(program, time_limit=0.05, hint=hint, window=1)
    assert result.mapping is hint
    assert result.status.endswith("hint kept")


def test_methods():
    text = "solver:mip:time=5,solver:cpsat:time=5:workers=1,solver:cosma:stream=true"
    program = tiny(5)
    for method in parse_methods(text, "memory_mapping"):
        outcome = method.solve(program, objective="latency", seed=0)
        assert validate(program, outcome.solution).feasible
        assert (outcome.bound is None) == (method.type.name == "cosma")
        speedup = method.solve(program, objective="speedup", seed=0)
        if speedup.bound is not None:
            assert speedup.bound == pytest.approx(program.all_slow / outcome.bound, rel=1e-3)
        assert method.solve(program, objective="copied", seed=0).bound is None


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(programs(most_instructions=7))
def test_any_program_gets_a_valid_mapping_and_a_bound(program):
    """Ties, slices, unaligned capacities, buffers larger than fast memory, equal bandwidths."""
    result = solve_latency(program, hint=None, time_limit=10.0)
    check(program, result)
    for run in (run_greedy, run_belady, run_msa_best):
        assert result.bound <= validate(program, run(program)[0]).values["latency"] * (1 + 1e-9)
    check(program, solve_cosma(program, stream=True), "slow_bytes")
