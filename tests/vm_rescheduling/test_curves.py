"""Curves from result folders, on small clusters: means over shared clusters, published points with their mark."""

import csv
import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from ganttlet.core.family import get_family
from ganttlet.vm_rescheduling.churn import achieved
from ganttlet.vm_rescheduling.solution import Plan, validate
from ganttlet_agents.config import config_names
from ganttlet_agents.evaluation import methods
from ganttlet_agents.evaluation.methods import MethodType, Option, Outcome
from ganttlet_agents.evaluation.results import load_results, new_folder
from ganttlet_agents.evaluation.runner import plan_run, run
from ganttlet_agents.evaluation.suite import Suite, load_suite
from reference.vm_samples import sample_plan

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
LEVEL = {"generator": "level", "level": "H", "hosts": 6}


class Wander:
    """Plans of random feasible moves, as many as the limit allows; best of several by the fragment rate."""

    def __init__(self, seed, best_of=1):
        self.seed, self.best_of = seed, best_of

    def solve(self, instance, *, objective, seed):
        plans = [sample_plan(instance, instance.limit, self.seed + draw) for draw in range(self.best_of)]
        return Outcome(min(plans, key=lambda plan: validate(instance, plan).values["fr16"]), status="done")


@pytest.fixture
def curves(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    kinds = [
        MethodType(
            "rule",
            name,
            "vm_rescheduling",
            "wanders",
            {"best_of": Option(int, 1, "plans")},
            lambda options, s=s: Wander(s, options["best_of"]),
        )
        for s, name in enumerate(("here", "there"))
    ]
    monkeypatch.setattr(methods, "_registry", lambda: tuple(kinds))
    yield importlib.import_module("vm_curves")
    sys.modules.pop("vm_curves")
    sys.modules.pop("vm_plots")


def stage(folder, groups, names, objective="fr16"):
    """Run methods into a result folder."""
    suite = Suite("tiny", "test", "", "vm_rescheduling", (objective,), groups, names, reference="none")
    made = new_folder(folder, "", False)
    rows = run(plan_run(suite), made, "python benchmarks/vm_curves.py run")
    assert not any(row.failed for row in rows)
    return folder


def rows_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def limits(limits, seeds):
    return {f"MNL {m}": tuple({**LEVEL, "mnl": m, "seed": seed} for seed in seeds) for m in limits}


def test_points_are_means_over_the_clusters_that_methods_share(curves, tmp_path):
    folders = [
        stage(tmp_path / "a", limits((2, 4), (0, 1)), ("rule:here",)),
        stage(tmp_path / "b", limits((2,), (1, 2)), ("rule:there",)),
    ]
    curves.main(["draw", "mnl", *map(str, folders), "--images", str(tmp_path), "--results", str(tmp_path)])
    points = rows_of(tmp_path / "vm_mnl.csv")
    ours = {(row["method"], float(row["mnl"])): row for row in points if row["mark"] == "measured"}
    assert set(ours) == {("rule:here", 0), ("rule:there", 0), ("rule:here", 2), ("rule:there", 2), ("rule:here", 4)}
    assert [ours[key]["clusters"] for key in (("rule:here", 2), ("rule:here", 4))] == ["1", "2"]
    rows = load_results(folders[0]).rows
    at_four = [row.values for row in rows if row.group == "MNL 4"]
    for name in ("fr16", "n16", "moves"):
        expected = np.mean([values[name] for values in at_four])
        assert float(ours["rule:here", 4][name]) == pytest.approx(expected, abs=1e-6)
    shared = [row for row in rows if row.group == "MNL 2" and "seed1" in row.instance]
    assert float(ours["rule:here", 2]["fr16"]) == pytest.approx(shared[0].value, abs=1e-6)
    assert ours["rule:here", 0]["fr16"] == ours["rule:there", 0]["fr16"]
    theirs = [row for row in points if row["mark"] == "digitised"]
    assert len(theirs) == 8 * 11 + 8 * 6
    assert all("EuroSys 2025" in row["source"] for row in theirs)
    assert (tmp_path / "vm_mnl.png").read_bytes().startswith(b"\x89PNG")


def test_churn_replays_the_plans_at_every_delay_and_at_their_own(curves, tmp_path):
    folder = stage(tmp_path / "a", {"": ({**LEVEL, "mnl": 4, "seed": 0},)}, ("rule:here",))
    where = ["--images", str(tmp_path), "--results", str(tmp_path)]
    curves.main(["draw", "churn", str(folder), "--seeds", "2", "--rate", "9", "--on-invalid", "skip", *where])
    points = [row for row in rows_of(tmp_path / "vm_churn.csv") if row["mark"] == "measured"]
    assert [float(row["delay_seconds"]) for row in points] == [-1.0, *curves.DELAYS]
    (entry,), _ = curves.read([folder])
    for row in points:
        delay = float(row["delay_seconds"]) if float(row["delay_seconds"]) >= 0 else entry.row.seconds
        end = achieved(entry.cluster, entry.plan(), delay, rate=9.0, on_invalid="skip", seeds=range(2))
        assert float(row["fr16"]) == pytest.approx(end.fr, abs=1e-6)
        assert float(row["moves"]) == pytest.approx(end.moves_done, abs=1e-6)


def test_best_of_is_read_from_the_methods_name(curves, tmp_path):
    names = ("rule:here", "rule:here:best_of=3", "rule:there:best_of=2")
    folder = stage(tmp_path / "a", {"": ({**LEVEL, "mnl": 4, "seed": 0},)}, names)
    curves.main(["draw", "best_of", str(folder), "--images", str(tmp_path), "--results", str(tmp_path)])
    points = [row for row in rows_of(tmp_path / "vm_best_of.csv") if row["mark"] == "measured"]
    assert [(row["method"], float(row["samples"])) for row in points] == [
        ("rule:here", 1),
        ("rule:there", 2),
        ("rule:here", 3),
    ]
    assert float(points[2]["fr16"]) <= float(points[0]["fr16"])


def test_a_missed_goal_counts_with_the_limit(curves, tmp_path):
    groups = {f"FR {goal}": ({**LEVEL, "mnl": 3, "goal": goal, "seed": 0},) for goal in (0.0, 1.0)}
    folder = stage(tmp_path / "a", groups, ("rule:here",), "goal")
    curves.main(["draw", "goal", str(folder), "--images", str(tmp_path), "--results", str(tmp_path)])
    points = [row for row in rows_of(tmp_path / "vm_goal.csv") if row["mark"] == "measured"]
    assert [(float(row["goal"]), float(row["moves"]), float(row["reached"])) for row in points] == [
        (0, 3, 0),
        (1, 3, 1),
    ]


def test_a_stage_runs_the_first_instances_of_a_suite(curves, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="0"):
        curves.main(["run", "mnl", "--methods", "rule:here", "--instances", "1", "--name", "first"])
    rows = load_results(tmp_path / "results" / "vm_curves" / "mnl" / "first").rows
    assert [row.values["moves"] for row in rows] == list(range(5, 55, 5))
    with pytest.raises(SystemExit, match="holds no results"):
        curves.main(["draw", "goal"])


def test_every_curve_has_its_suite_and_its_published_rows(curves):
    assert {curve.suite for curve in curves.CURVES.values()} <= set(config_names("suites"))
    for curve in curves.CURVES.values():
        assert load_suite(curve.suite).family == "vm_rescheduling"
        for column, name in curve.reference.items():
            rows = curves.published(name)
            assert {row["mark"] for row in rows} == {"digitised"}
            assert all(isinstance(row[column], float) and row["source"] for row in rows)


def test_objectives_beside_one_another_exist():
    family = get_family("vm_rescheduling")
    assert set(family.beside) <= set(family.objectives)
    assert {name for names in family.beside.values() for name in names} <= set(family.objectives)
    instance = family.generate({"name": "level", "level": "H", "hosts": 4, "mnl": 2}, 0)
    assert {"fr16", *family.beside["fr16"]} <= set(validate(instance, Plan([], instance.digest)).values)
