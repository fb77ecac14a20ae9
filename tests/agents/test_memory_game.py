"""The rule that plays memory mapping in the environment, with dead ends and without."""

import pytest

from ganttlet.core.errors import InputError
from ganttlet.memory_mapping import all_slow_mapping, resolve, validate
from ganttlet_agents.evaluation.methods import parse_methods
from ganttlet_agents.rules.memory_mapping import play_game, run_greedy

PROGRAM = resolve("unet_b1_256:hardware=tight")


def solve(text, seed=0):
    return parse_methods(text, "memory_mapping")[0].solve(PROGRAM, objective="latency", seed=seed)


@pytest.mark.parametrize("placement", ["first_fit", "reserve"])
def test_greedy_play_is_the_greedy_rule(placement):
    mapping, decisions = run_greedy(PROGRAM, placement=placement)
    played = play_game(PROGRAM, placement=placement)
    assert played.solution == mapping
    assert played.decisions == played.simulated == decisions


def test_backup_goes_on_where_a_dead_end_would_leave_all_slow():
    with_backup, without = solve("rule:game:dead_ends=true"), solve("rule:game:dead_ends=true:backup=false")
    assert without.solution == all_slow_mapping(PROGRAM)
    assert without.status == "dead end: all slow"
    # The episode ended at its first dead end, from which the other one went on.
    assert 0 < without.decisions < PROGRAM.n_slots < with_backup.decisions
    count, word = with_backup.status.split()
    assert int(count) > 0
    assert word == "backups"
    verdict = validate(PROGRAM, with_backup.solution)
    assert verdict.feasible
    assert verdict.values["latency"] < PROGRAM.all_slow


def test_random_play_repeats_by_seed():
    first, again, other = (solve("rule:game:player=random", seed) for seed in (1, 1, 2))
    assert first.solution == again.solution != other.solution
    assert validate(PROGRAM, other.solution).feasible


def test_unknown_player():
    with pytest.raises(InputError, match="player"):
        play_game(PROGRAM, player="lucky")
