"""The rule by rents, and what stays in fast memory earn."""

import pytest

from families_memory import program
from ganttlet.memory_mapping import generate, validate
from ganttlet.memory_mapping.stays import stays_of
from ganttlet_agents.rules.memory_mapping import run_greedy, run_rent
from ganttlet_agents.rules.memory_mapping.player import Player
from ganttlet_agents.rules.memory_mapping.rent import QUANTILES, wishes


def latency(instance, mapping):
    verdict = validate(instance, mapping)
    assert verdict.feasible, verdict.violations
    return verdict.values["latency"]


def test_rent_by_hand():
    """a saves 3 s twice for 4 bytes and 25 s, b as much for 4 bytes and 12 s, and only one of them fits."""
    buffers = {"x": ("input", 4), "a": ("temp", 4), "b": ("temp", 4), "y": ("output", 1)}
    code = [(0, "x", "a"), (0, "", "b"), (4, "", ""), (0, "b", ""), (0, "a", "y")]
    instance = program(buffers, code, capacity=4)
    earned, crowd = stays_of(instance)
    slots = {
        (int(b), int(role)): k for k, (b, role) in enumerate(zip(instance.slot_buffer, instance.slot_role, strict=True))
    }
    assert earned[slots[1, 1]] == earned[slots[1, 0]] == pytest.approx(6 / (4 * 25))
    assert earned[slots[2, 1]] == earned[slots[2, 0]] == pytest.approx(6 / (4 * 12))
    assert [crowd[slots[2, 1]], crowd[slots[1, 0]]] == [1.0, 2.0]
    greedy, rent = run_greedy(instance)[0], run_rent(instance)[0]
    assert greedy.fast[slots[1, 1]] == 1
    assert greedy.fast[slots[2, 1]] == 0
    assert latency(instance, rent) <= latency(instance, greedy)


@pytest.mark.parametrize("seed", range(3))
def test_rent_is_the_best_of_its_wishes(seed):
    instance = generate({"name": "random"}, seed)
    player, values = Player(instance), []
    for wish in wishes(instance):
        player.play(wish)
        values.append(latency(instance, player.mapping()))
    mapping, decisions = run_rent(instance)
    assert len(values) == 2 * len(QUANTILES)
    assert latency(instance, mapping) == min(values)
    assert decisions == len(values) * instance.n_slots
