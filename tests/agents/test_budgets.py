"""One budget for all methods that can be limited so: which option it fills, what is refused, what is told of it."""

from pathlib import Path

import pytest

from ganttlet.core.errors import InputError
from ganttlet.core.family import BUILT_IN, family_names
from ganttlet_agents.cli import main
from ganttlet_agents.evaluation.budgets import KINDS, check_budget, read_budget
from ganttlet_agents.evaluation.costs import costs
from ganttlet_agents.evaluation.methods import ANY_NAME, method_types, parse_methods
from ganttlet_agents.evaluation.results import load_results
from ganttlet_agents.evaluation.runner import plan_run
from ganttlet_agents.evaluation.suite import load_suite
from ganttlet_agents.policy.methods import METHODS as POLICIES

SUITE = """\
family: one_machine
instances: [{generator: three, seeds: 0..1}]
methods: ["trial:limited", "trial:limited:tries=9", "rule:shortest"]
"""


def label(word, family, **budget):
    (method,) = parse_methods(word, family, budget)
    return method.label


@pytest.mark.parametrize(
    ("family", "word", "budget", "expected"),
    [
        ("job_shop", "solver:cpsat", {"seconds": 5}, "solver:cpsat:time=5"),
        ("job_shop", "solver:cpsat", {"seconds": 0.5, "decisions": 7}, "solver:cpsat:time=0.5"),
        ("job_shop", "solver:cpsat:time=60", {"seconds": 5}, "solver:cpsat:time=60"),
        ("job_shop", "solver:cpsat:workers=1", {"seconds": 5}, "solver:cpsat:time=5:workers=1"),
        ("job_shop", "rule:spt", {"seconds": 5}, "rule:spt"),
        ("job_shop", "solver:cpsat", {"decisions": 5}, "solver:cpsat"),
        ("memory_allocation", "solver:minimal", {"decisions": 5}, "solver:minimal:nodes=5"),
        ("memory_allocation", "solver:minimal", {"seconds": 2, "decisions": 5}, "solver:minimal:time=2:nodes=5"),
        ("memory_mapping", "search:evolution", {"seconds": 2}, "search:evolution:time=2"),
        ("soc_dag", "solver:cpsat", {"seconds": 2}, "solver:cpsat:time=2"),
        # A limit of each plan is no limit of the whole.
        ("soc_dag", "solver:rolling", {"seconds": 2}, "solver:rolling"),
        ("uam_fleet", "solver:rolling", {"seconds": 2}, "solver:rolling"),
        ("uam_fleet", "solver:mip", {"seconds": 2}, "solver:mip:time=2"),
        ("vm_rescheduling", "solver:pop", {"seconds": 2}, "solver:pop:time=2"),
        ("vm_rescheduling", "solver:lexi", {"seconds": 2}, "solver:lexi:time=2"),
    ],
)
def test_a_budget_fills_the_option_that_was_not_given(family, word, budget, expected):
    assert label(word, family, **budget) == expected


@pytest.mark.parametrize(
    ("given", "family", "limited"),
    [
        ({}, "job_shop", True),
        ({"samples": "8"}, "job_shop", True),
        ({"decode": "greedy"}, "job_shop", False),
        ({"decode": "beam"}, "job_shop", False),
        ({"width": "4"}, "job_shop", False),
        ({"decode": "gumbel"}, "job_shop", True),
        # To choose among plays of what nobody can know is not what a budget asks for.
        ({}, "soc_dag", False),
        ({"samples": "8"}, "soc_dag", True),
    ],
)
def test_policies_take_seconds_where_they_sample(given, family, limited):
    assert bool(POLICIES[0].budgets(given, family)) == limited


def test_budgets_name_options_that_exist():
    declared = set()
    for family in family_names():
        for entry in method_types(family):
            if entry.name == ANY_NAME:
                continue
            for kind, option in entry.budgets.items():
                assert kind in KINDS
                assert option in entry.options
                declared.add((family, entry.pattern))
    assert {family for family, _ in declared} >= set(BUILT_IN)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["minutes=5"], "what: unknown value 'minutes'; expected one of seconds, decisions, steps"),
        (["seconds"], "what: cannot read 'seconds'; expected for example seconds=5"),
        (["seconds=-1"], "what: cannot read 'seconds=-1'"),
        (["seconds=0"], "what: seconds is 0; expected a number greater than 0"),
        (["steps=1.5"], "what: steps is 1.5; expected a whole number greater than 0"),
        (["seconds=1", "seconds=2"], "what: seconds is given twice"),
        ([], "what: got {}; expected limits such as seconds: 5"),
    ],
)
def test_what_is_no_budget_is_refused(words, message):
    with pytest.raises(InputError) as caught:
        read_budget(words, "what")
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("value", [5, {"seconds": "5"}, {"seconds": True}, {"seconds": float("inf")}])
def test_what_is_no_budget_in_a_file_is_refused(value):
    with pytest.raises(InputError, match="what: "):
        check_budget(value, "what")


def test_a_run_tells_whom_its_budget_limits(tmp_path, monkeypatch, trials, capsys):
    monkeypatch.chdir(tmp_path)
    Path("trial.yaml").write_text(SUITE, encoding="utf-8")
    words = ["run", "--suite", "trial.yaml", "--no-report", "--out"]
    assert main([*words, "out", "--budget", "steps=4"], within="evaluate") == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "Budget of 4 steps a row: limits trial:limited:tries=4 (at most 4); does not limit" in out
    assert "trial:limited:tries=9 (at most 9), rule:shortest (use unknown)." in out
    rows = load_results(Path("out")).rows
    assert {row.method: row.simulated for row in rows} == {
        "trial:limited:tries=4": 4,
        "trial:limited:tries=9": 9,
        "rule:shortest": 0,
    }
    assert main(["report", "out"], within="evaluate") == 0
    assert "Budget of 4 steps a row" in capsys.readouterr().out
    # The same in the suite's file; and a reference is a yardstick, which no budget shortens.
    Path("trial.yaml").write_text(SUITE + "budget: {steps: 4}\n", encoding="utf-8")
    plan = plan_run(load_suite("trial.yaml"))
    assert list(dict.fromkeys(row.method for row in rows)) == [method.label for method in plan.methods]
    assert main([*words, "other", "--reference", "trial:limited"], within="evaluate") == 0
    assert load_results(Path("other")).rows[0].method == "trial:limited"
    assert load_results(Path("other")).meta["suite"]["budget"] == {"steps": 4}


def test_rows_tell_time_per_decision_and_memory(tmp_path, monkeypatch, trials):
    monkeypatch.chdir(tmp_path)
    Path("trial.yaml").write_text(SUITE, encoding="utf-8")
    words = ["--methods", "trial:stepwise", "trial:random:wait=0.01"]
    main(["run", "--suite", "trial.yaml", "--no-report", "--out", "out", *words], within="evaluate")
    for row in load_results(Path("out")).rows:
        if row.method == "trial:stepwise":
            assert (row.latency_mean, row.latency_p99) == (pytest.approx(2.0), pytest.approx(2.98))
        else:
            assert row.latency_mean == pytest.approx(row.seconds / row.decisions, abs=1e-6)
            assert row.latency_p99 is None
        if Path("/proc/self/clear_refs").exists():
            assert 1.0 < row.peak_memory < 1e6


def test_costs_are_told_by_method(tmp_path, monkeypatch, trials, capsys):
    monkeypatch.chdir(tmp_path)
    Path("trial.yaml").write_text(SUITE, encoding="utf-8")
    methods = ["trial:stepwise", "trial:limited:tries=2", "trial:second_seed"]
    main(["run", "--suite", "trial.yaml", "--no-report", "--out", "out", "--methods", *methods], within="evaluate")
    rows = load_results(Path("out")).rows
    stepwise, limited, failed = costs(rows)
    assert (stepwise.decisions, stepwise.steps, stepwise.latency_mean) == (3.0, None, pytest.approx(2.0))
    assert stepwise.latency_p99 == pytest.approx(2.98)
    assert (limited.decisions, limited.steps, limited.latency_p99) == (6.0, 2.0, None)
    assert limited.seconds == pytest.approx(sum(row.seconds for row in rows if row.method == limited.method) / 2)
    assert (failed.seconds, failed.decisions, failed.latency_mean, failed.peak_memory) == (None, None, None, None)
    lines = capsys.readouterr().out.splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith("costs: means over rows"))
    assert "p99 ms" in lines[start + 2]
    assert lines[start + 4].split()[:5] == ["trial:stepwise", lines[start + 4].split()[1], "3", "–", "2e+03"]
