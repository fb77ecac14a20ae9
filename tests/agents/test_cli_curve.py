"""``evaluate.py curve``, and the curves that come with the package."""

import json

import pytest
import yaml

from ganttlet.core.errors import InputError
from ganttlet.core.family import get_family
from ganttlet_agents.cli import main
from ganttlet_agents.config import config_names
from ganttlet_agents.evaluation.curves.load import KIND, load_curve
from ganttlet_agents.evaluation.curves.points import ROW_COLUMNS
from ganttlet_agents.evaluation.curves.spec import methods_of
from ganttlet_agents.evaluation.methods import parse_methods
from ganttlet_agents.evaluation.suite import load_instances
from runs import BASE

SUITE = """\
about: gap of two rules
family: job_shop
instances: {first: [ft06, ft10], second: [ta02, ta10]}
places: [group]
lines: [rule:spt, rule:mwkr]
panels: [{x: group, y: gap, percent: true}]
checks: [{claim: longest work first is better, below: [rule:mwkr, rule:spt]}]
quick: {instances: 1}
"""
LEARNING = """\
about: gap while learning
family: job_shop
learning: {levels: [rule:mwkr], skip: 0}
lines: [{preset: tiny.yaml, run: tiny, name: PPO}]
panels: [{x: decisions, y: gap}]
checks: [{claim: learned, below: [PPO, rule:mwkr], at: last, within: 9.0}]
"""


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(tmp_path, text, name="mine.yaml"):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return name


def test_a_curve_of_ones_own(tmp_path, capsys):
    assert main(["curve", write(tmp_path, SUITE), "--quick"], within="evaluate") == 0
    made = tmp_path / "results" / "curves-quick"
    assert {path.name for path in made.iterdir()} == {
        "mine",
        *(f"mine.{end}" for end in ("png", "svg", "csv", "md", "json")),
    }
    data = json.loads((made / "mine.json").read_text(encoding="utf-8"))
    assert (data["budget"], data["rows"], data["command"]) == ("quick", 4, "python evaluate.py curve mine.yaml --quick")
    assert data["checks"][0]["ours"]["holds"]
    assert "1/1" in capsys.readouterr().out


def test_runs_are_trained_once_and_only_under_the_full_budget(tmp_path, capsys):
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump({**BASE, "n_timesteps": 200}), encoding="utf-8")
    name = write(tmp_path, LEARNING)
    assert main(["curve", name, "--quick"], within="evaluate") == 0
    assert not (tmp_path / "runs").exists()
    data = json.loads((tmp_path / "results" / "curves-quick" / "mine.json").read_text(encoding="utf-8"))
    assert data["missing"] == ["PPO"]
    assert main(["curve", name], within="evaluate") == 0
    run = tmp_path / "runs" / "job_shop" / "tiny"
    before = (run / "evaluations.jsonl").read_text(encoding="utf-8")
    text = (tmp_path / "results" / "curves" / "mine.csv").read_text(encoding="utf-8")
    gaps = [json.loads(line)["gap"] for line in before.splitlines()]
    assert [float(line.split(",")[-3]) for line in text.splitlines() if line.startswith("PPO")] == pytest.approx(gaps)
    assert "rule:mwkr" in text
    assert main(["curve", name], within="evaluate") == 0
    assert (run / "evaluations.jsonl").read_text(encoding="utf-8") == before
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump({**BASE, "n_timesteps": 300}), encoding="utf-8")
    capsys.readouterr()
    assert main(["curve", name], within="evaluate") == 2
    assert "trained with other settings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "expected names of curves or --all"),
        (["soc_il", "--all"], "expected names of curves or --all"),
        (["no_such"], "curve: unknown name 'no_such'"),
        (["soc_il", "--family", "soc_dag"], "--family needs --all"),
        (["--all", "--family", "chess"], "--family: unknown value 'chess'"),
    ],
)
def test_mistakes_take_one_line(words, message, tmp_path, capsys):
    assert main(["curve", *words], within="evaluate") == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("name", config_names(KIND))
def test_curves_of_the_package(name):
    """Every file loads, under both budgets, and its lines name methods that exist."""
    curve = load_curve(name)
    assert curve.content.about
    assert curve.content.checks, "a curve says what its shape is"
    for quick in (False, True):
        cut, budget = curve.under(quick)
        assert cut.suite is None or all(cut.suite.groups.values())
        for line in cut.content.lines:
            if line.preset or line.title in budget.without or line.method.startswith("policy:"):
                continue
            for text, _ in methods_of(line, None):
                parse_methods([text], curve.family)
    placed = {*curve.content.places, *(place for line in curve.content.lines for place in line.over)}
    placed |= set(curve.content.after.over) if curve.content.after else set()
    for panel in curve.content.panels:
        known = placed | {*ROW_COLUMNS, "decisions", *get_family(curve.family).objectives}
        assert panel.x in known, f"{name}: {panel.x}"


def test_places_are_facts_of_the_instances():
    """The first instance of every curve whose data is here has the places that the file names."""
    seen = 0
    for name in config_names(KIND):
        curve, _ = load_curve(name).under(True)
        if curve.suite is None:
            continue
        try:
            instances = load_instances(curve.suite)
        except InputError:
            continue
        family = get_family(curve.family)
        known = {"group", "instance", *curve.content.by_group}
        for entry in instances[:1]:
            known |= set(family.axes(entry.instance)) if family.axes else set()
        assert set(curve.content.places) <= known, name
        seen += 1
    assert seen
