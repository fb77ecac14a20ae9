"""One method against another: effects, means, the sentence, and where the rows come from."""

import json
from pathlib import Path

import numpy as np
import pytest

from ganttlet.core.errors import InputError
from ganttlet_agents.cli import main
from ganttlet_agents.evaluation.compare import compare
from ganttlet_agents.evaluation.rows import Row
from ganttlet_agents.evaluation.statistics import bootstrap


def row(method, instance, value, *, objective="span", sense="min", group="", seed=0, **changes):
    fields = {
        "key": f"{method} {instance} {objective} {seed}",
        "family": "one_machine",
        "method": method,
        "instance": instance,
        "group": group,
        "digest": f"digest of {instance}",
        "seed": seed,
        "objective": objective,
        "sense": sense,
        "value": value,
        "feasible": value is not None,
        "reference": None,
        "reference_kind": "none",
        "reference_bound": None,
        "gap": None,
        "difference": None,
        "bound": None,
        "optimal": False,
        "reference_conflict": False,
        "status": "",
        "decisions": 1,
        "simulated": 0,
        "seconds": 0.5,
        "latency_mean": None,
        "latency_p99": None,
        "peak_memory": None,
        "information": "causal",
        "deterministic": True,
        "values": {},
        "device": "",
        "commit": None,
        "version": "",
        "config_hash": "",
    }
    return Row(**{**fields, **changes})


def rows(method, values, **changes):
    return [row(method, f"i{number}", value, **changes) for number, value in enumerate(values)]


def only(a, b, unit="ticks", **changes):
    (found,) = compare(rows("A", a, **changes), rows("B", b, **changes), ("A", "B"), {"span": unit})
    return found


SMALL = [95.0, 96.0, 93.0, 97.0, 94.0, 95.0, 98.0, 100.0]
LARGE = [100.0] * 8


def test_effects_are_differences_of_values():
    found = only(SMALL, LARGE)
    assert [(effect.a, effect.b, effect.difference) for effect in found.effects] == [
        (value, 100.0, value - 100.0) for value in SMALL
    ]
    assert [effect.relative for effect in found.effects] == pytest.approx([value / 100 - 1 for value in SMALL])
    assert [effect.instance for effect in found.effects] == [f"i{number}" for number in range(8)]
    assert (found.absolute.wins, found.absolute.ties, found.absolute.losses) == (7, 1, 0)
    low, high = bootstrap([[value / 100 - 1 for value in SMALL]])
    mean = found.relative.difference
    assert (mean.value, mean.low, mean.high) == pytest.approx((np.mean(SMALL) / 100 - 1, low, high))


def test_the_sentence_says_who_is_better_and_by_how_much():
    low, high = (100 * end for end in bootstrap([[1 - value / 100 for value in SMALL]]))
    told = f"by 4.00 % (95 % interval {low:.2f} … {high:.2f})."
    less = "A is better than B on 7 of 8 instances (1 equal, 0 worse); mean span lower "
    assert only(SMALL, LARGE).sentence() == less + told
    assert (
        only(LARGE, SMALL).sentence().startswith("A is worse than B on 7 of 8 instances (1 equal, 0 better); mean span")
    )
    # More is better: the same values say the opposite, and are still lower.
    worse = "A is worse than B on 7 of 8 instances (1 equal, 0 better); mean span lower "
    assert only(SMALL, LARGE, sense="max").sentence() == worse + told
    assert " is better than B on 7 of 8 instances" in only(LARGE, SMALL, sense="max").sentence()
    assert "mean span higher by" in only(LARGE, SMALL, sense="max").sentence()


@pytest.mark.parametrize("sense", ["min", "max"])
@pytest.mark.parametrize("values", [(SMALL, LARGE), (LARGE, SMALL)])
def test_intervals_stand_around_their_mean(values, sense):
    words = only(*values, sense=sense).sentence().replace("(95 % interval ", "").replace(").", "").split()
    size, low, high = (float(words[words.index("by") + step]) for step in (1, 3, 5))
    assert 0 < low < size < high


def test_what_chance_may_have_done_is_no_difference():
    mixed = [90.0, 110.0, 95.0, 104.0, 99.0, 102.0, 100.0]
    sentence = only(mixed, [100.0] * 7).sentence()
    assert sentence.startswith("No difference can be told: A is better than B on 3 of 7 instances (1 equal, 3 worse);")
    few = only(SMALL[:3], LARGE[:3]).sentence()
    assert few.startswith("No difference can be told: A is better than B on 3 of 3")
    assert few.endswith("; 3 instances are too few, it takes 6.")
    assert only(LARGE, LARGE).sentence() == "A and B have equal span on all 8 instances."


def test_a_better_mean_with_fewer_wins_is_said_as_such():
    seldom = [101.0] * 6 + [20.0, 30.0, 10.0, 20.0]
    sentence = only(seldom, [100.0] * 10).sentence()
    assert sentence.startswith("Against B, A has a mean span lower by ")
    assert sentence.endswith("but is better on 4 of 10 instances (0 equal, 6 worse).")


def test_differences_are_in_units_where_no_share_is_defined():
    found = only([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], [3.0, 4.0, 5.0, 6.0, 7.0, 8.0])
    assert found.relative.n == 6
    found = only([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], [0.0, 3.0, 4.0, 5.0, 6.0, 7.0])
    assert found.relative is None
    assert found.effects[0].relative is None
    assert "mean span lower by 1.667 ticks (95 % interval" in found.sentence()


def test_groups_seeds_and_what_was_not_solved():
    a = [
        *rows("A", [1.0, 2.0, None], group="first"),
        *(row("A", "late", value, group="second", seed=seed) for seed, value in enumerate((2.0, 4.0))),
        row("A", "alone", 1.0),
    ]
    b = [*rows("B", [2.0, None, 2.0], group="first"), row("B", "late", 4.0, group="second", information="clairvoyant")]
    (found,) = compare(a, b, ("A", "B"), {})
    assert [(effect.instance, effect.a, effect.b) for effect in found.effects] == [("i0", 1.0, 2.0), ("late", 3.0, 4.0)]
    assert {name: whole.n for name, (whole, _) in found.groups.items()} == {"first": 1, "second": 1}
    assert found.missing == {"A": 1, "B": 1}
    assert found.notes == [
        "B is clairvoyant: it knew what a real method could not, and the other did not.",
        "Not the same seeds: A under 2 and B under 1; their means are compared.",
    ]
    none = compare(rows("A", [None]), rows("B", [1.0]), ("A", "B"), {})[0]
    assert none.sentence() == "A and B cannot be compared: no instance was solved by both."


def test_objectives_are_compared_one_by_one():
    a = [*rows("A", SMALL), *rows("A", SMALL, objective="other", sense="max")]
    b = [*rows("B", LARGE), *rows("B", LARGE, objective="other", sense="max"), *rows("B", LARGE, objective="third")]
    found = compare(a, b, ("A", "B"), {})
    assert [(one.objective, one.absolute.wins) for one in found] == [("span", 7), ("other", 0)]
    with pytest.raises(InputError, match="A and B have no instance and objective in common"):
        compare(a, rows("B", LARGE, objective="third"), ("A", "B"), {})


SUITE = """\
family: one_machine
instances: {few: [{generator: three, seeds: 0..3}], more: [{generator: three, seeds: 4..9}]}
methods: ["rule:shortest"]
"""


@pytest.fixture
def command(tmp_path, monkeypatch, trials, capsys):
    monkeypatch.chdir(tmp_path)
    Path("trial.yaml").write_text(SUITE, encoding="utf-8")

    def command(*words):
        capsys.readouterr()
        code = main(["compare", *words], within="evaluate")
        out, err = capsys.readouterr()
        return code, " ".join(out.split()), err

    return command


def test_two_methods_are_run_and_compared(command):
    code, out, _ = command("rule:shortest", "rule:shortest:descending=true", "--suite", "trial.yaml", "--out", "out")
    assert code == 0
    assert "flow_time, less is better; A: rule:shortest, B: rule:shortest:descending=true" in out
    assert "rule:shortest is better than rule:shortest:descending=true on 10 of 10 instances (0 equal, 0 worse)" in out
    assert all(group in out for group in ("few 4", "more 6", "all 10"))
    # The rows are there, and can be compared again; another spelling is the same method.
    code, again, _ = command("rule:shortest", "rule:shortest:descending=1", "--in", "out", "--show", "2")
    assert code == 0
    assert again.endswith(out[out.index("means over instances") :])
    assert "8 instances of smaller effects are not shown" in again


def test_rows_of_several_folders_and_of_two(command):
    assert command("rule:shortest", "trial:random", "--suite", "trial.yaml", "--out", "one")[0] == 0
    assert command("rule:shortest", "trial:random:tries=9", "--suite", "trial.yaml", "--out", "two")[0] == 0
    code, out, _ = command("trial:random:tries=9", "trial:random", "--in", "one", "two")
    assert code == 0
    assert "trial:random:tries=9 is better than trial:random on" in out
    code, out, _ = command("one", "two")
    assert code == 0
    assert out.endswith("rule:shortest in one and rule:shortest in two have equal flow_time on all 10 instances.")


def test_failed_rows_fail_the_command(command):
    code, out, _ = command("rule:shortest", "trial:second_seed", "--suite", "trial.yaml", "--groups", "few")
    assert code == 1
    assert "Left out: 4 instance(s) that trial:second_seed did not solve." in out
    assert "trial:second_seed failed on 4 rows" in out
    assert json.loads(Path("results/compare-1/meta.json").read_text(encoding="utf-8"))["suite"]["reference"] == "none"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rule:shortest", "trial:random"], "expected --suite or --instances to run the methods on, or --in"),
        (["rule:shortest", "rule:shortest", "--suite", "trial.yaml"], "rule:shortest is given twice"),
        (["rule:shortest", "rule:shortest", "--in", "one"], "rule:shortest is compared with itself"),
        (["rule:shortest", "trial:random", "--in", "one"], "the results have no rows of 'trial:random'; expected one"),
        (["rule:shortest", "one"], "one is a result folder, rule:shortest is none; expected two methods, or two"),
        (["one", "one", "--suite", "trial.yaml"], "--suite says nothing beside two result folders"),
        (["one", "one", "--in", "one"], "--in says nothing beside two result folders"),
        (["rule:shortest", "x", "--in", "one", "--jobs", "2"], "--jobs says nothing beside --in"),
        (["rule:shortest", "x", "--in", "none"], "meta.json: cannot be read"),
        (["one", "one", "--objectives", "span"], "--objectives: the rows are not judged by 'span', only by flow_time"),
        (["one", "one", "--show", "-1"], "--show: got -1; expected 0 or more"),
    ],
)
def test_mistakes_take_one_line(command, words, message):
    assert main(["run", "--suite", "trial.yaml", "--out", "one", "--no-report"], within="evaluate") == 0
    code, _, err = command(*words)
    assert code == 2
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1
