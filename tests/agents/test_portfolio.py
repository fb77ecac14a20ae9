"""The portfolio: the best of its members, whatever the others do."""

import pytest

from ganttlet.core.errors import InputError
from ganttlet.memory_mapping import resolve, validate
from ganttlet_agents.evaluation.methods import Outcome, parse_methods
from ganttlet_agents.search.portfolio import Portfolio, parse_members

NAME = "alexnet_b32:hardware=tight"


def one(text, family="memory_mapping"):
    (method,) = parse_methods(f"search:portfolio:members={text}", family)
    return method


def value(program, outcome, objective="latency"):
    verdict = validate(program, outcome.solution)
    assert verdict.feasible
    return verdict.values[objective]


@pytest.mark.parametrize("objective", ["latency", "speedup"])
def test_returns_the_best_member_in_any_order(objective):
    program = resolve(NAME)
    best = parse_methods("rule:msa_best", "memory_mapping")[0].solve(program, objective=objective, seed=0)
    for members in ("greedy+msa_best", "msa_best+greedy", "greedy+all_slow+msa_best"):
        outcome = one(members).solve(program, objective=objective, seed=0)
        assert outcome.status == "best: rule:msa_best"
        assert value(program, outcome, objective) == value(program, best, objective)


def test_the_first_of_equals_wins_and_decisions_add_up():
    program = resolve("alexnet_b32")
    outcome = one("greedy+belady").solve(program, objective="latency", seed=0)
    assert outcome.status == "best: rule:greedy"
    assert outcome.decisions == 2 * program.n_slots


class Member:
    """A method that does what it is told."""

    label = "told"

    def __init__(self, outcome):
        self.outcome = outcome

    def solve(self, instance, *, objective, seed):
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


def test_members_that_fail_are_left_out_and_named():
    program, other = resolve(NAME), resolve("unet_b1_256")
    wrong = parse_methods("rule:greedy", "memory_mapping")[0].solve(other, objective="latency", seed=0)
    good = one("greedy").method.members
    members = [Member(ValueError("no luck")), Member(Outcome(None, status="too late")), Member(wrong), *good]
    outcome = Portfolio("memory_mapping", members).solve(program, objective="latency", seed=0)
    assert outcome.status.startswith(
        "best: rule:greedy; told left out: no luck; told left out: no solution (too late);"
    )
    assert "belongs to program" in outcome.status
    nothing = Portfolio("memory_mapping", members[:2]).solve(program, objective="latency", seed=0)
    assert nothing.solution is None
    assert nothing.status.startswith("no member found anything")


def test_bounds_and_proofs_of_members_count():
    pytest.importorskip("ortools")
    pytest.importorskip("highspy")
    outcome = one("greedy+mip~time=10").solve(resolve("alexnet_b32"), objective="latency", seed=0)
    assert outcome.optimal
    assert outcome.bound is not None


def test_any_family_and_spelling():
    labels = [member.label for member in parse_members("spt+rule~fifo~timing=active", "job_shop")]
    assert labels == ["rule:spt", "rule:fifo:timing=active"]
    assert one("greedy").deterministic
    assert not one("greedy+evolution~time=1").deterministic


def test_a_choice_among_plays_of_a_hidden_realisation_is_hindsight():
    assert one("etf+sjf", "soc_dag").information("soc_dag") == "clairvoyant"
    assert one("etf", "soc_dag").information("soc_dag") == "causal"
    assert one("greedy+belady").information("memory_mapping") == "causal"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("search:portfolio", "'members' is missing"),
        ("search:portfolio:members=luck", "member 'luck': .* there is none of that name"),
        ("search:portfolio:members=greedy+greedy", "given twice"),
        ("search:portfolio:members=rule~greedy~luck=1", "unknown option 'luck'"),
    ],
)
def test_bad_members_are_named(text, message):
    with pytest.raises(InputError, match=message):
        parse_methods(text, "memory_mapping")
