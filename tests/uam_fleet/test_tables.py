"""Bounds, result entries, curves, pictures and tables of benchmarks/uam_*.py, on two hours of small fleets."""

import csv
import json
import sys

import numpy as np
import pytest

from benches import benchmark_modules
from ganttlet.core.errors import InputError
from ganttlet.uam_fleet import generate, validate
from ganttlet_agents.evaluation.bounds import load_bounds
from ganttlet_agents.evaluation.methods import parse_methods
from ganttlet_agents.evaluation.results import load_results, new_folder
from ganttlet_agents.evaluation.runner import plan_run, run
from ganttlet_agents.evaluation.suite import load_instances, load_suite
from ganttlet_agents.rules.uam_fleet import run_rule
from ganttlet_agents.solvers.uam_fleet import lp_bound

OWN = ("uam_bounds", "uam_quality", "uam_curves", "uam_plots", "publish_uam", "publish")
SMALL = {"name": "captain-2024", "ports": 4, "fleet": 5, "demand": 150, "area": 30.0, "day_end": 480.0, "high": 2}
SUITE = """
about: two hours
family: uam_fleet
instances:
  few: [{generator: captain-2024, ports: 4, fleet: 5, demand: 150, area: 30, day_end: 480, high: 2, seeds: 0..2}]
  many: [{generator: captain-2024, ports: 4, fleet: 9, demand: 150, area: 30, day_end: 480, high: 2, seeds: 0..2}]
methods: [rule:greedy, rule:random]
reference: {method: rule:greedy}
"""
RULES = ("greedy", "random")


@pytest.fixture
def bench(monkeypatch):
    with benchmark_modules(monkeypatch, OWN) as found:
        yield found


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "uam_test.yaml"
    path.write_text(SUITE, encoding="utf-8")
    return str(path)


@pytest.fixture
def entries(bench, suite, tmp_path):
    """Entries of a run of the suite, kept in a file."""
    folder = new_folder(tmp_path / "out", "", False)
    run(plan_run(load_suite(suite)), folder, "python evaluate.py run --suite uam_test")
    bench.uam_quality.FILE = tmp_path / "uam_quality.json"
    bench.publish_uam.RESULTS = tmp_path
    bench.uam_quality.main([str(folder.folder)])
    return bench.uam_quality.read()


def days_of(suite, group):
    return [entry.instance for entry in load_instances(load_suite(suite)) if entry.group == group]


def values_of(rule, day):
    return validate(day, run_rule(rule, day)[0]).values


def test_bounds_are_kept_and_only_ever_lowered(bench, suite, tmp_path, monkeypatch, capsys):
    path = tmp_path / "bounds.csv"

    def make(*words):
        monkeypatch.setattr(sys, "argv", ["uam_bounds.py", "--out", str(path), *words])
        bench.uam_bounds.main()
        with open(path, encoding="utf-8", newline="") as file:
            return {row["digest"]: row for row in csv.DictReader(file)}

    few = days_of(suite, "few")
    rows = make("--suites", suite, "--groups", "few", "--step", "20", "--days", "2")
    assert list(rows) == [day.digest for day in few[:2]]
    for day in few[:2]:
        bound = lp_bound(day, step=20.0)
        assert bound <= float(rows[day.digest]["bound"]) <= bound + 0.011
        assert float(rows[day.digest]["bound"]) > max(values_of(rule, day)["profit"] for rule in RULES)
    capsys.readouterr()
    # A run goes on where it was: known days are passed over, others join, and a finer grid comes instead.
    rows = make("--suites", suite, "--groups", "few", "--step", "20")
    assert list(rows) == [day.digest for day in few]
    assert capsys.readouterr().out.count("step 20") == 1
    finer = make("--suites", suite, "--groups", "few", "--step", "10", "--days", "1")
    assert list(finer) == list(rows)
    first, *others = (day.digest for day in few)
    assert float(finer[first]["bound"]) < float(rows[first]["bound"])
    assert all(finer[digest] == rows[digest] for digest in others)
    known = load_bounds(path, load_plan(suite).family)
    assert known[first, "profit"].source.endswith("step=10")
    assert make("--suites", suite, "--groups", "few", "--step", "10", "--days", "1") == finer


def test_bounds_of_a_curves_days(bench, suite, tmp_path, monkeypatch):
    curve, path = tmp_path / "curve.yaml", tmp_path / "bounds.csv"
    text = "about: some\nsuite: uam_test.yaml\nlines: [rule:greedy]\npanels: [{x: fleet, y: profit}]\nplaces: [fleet]\n"
    curve.write_text(text, encoding="utf-8")
    words = ["uam_bounds.py", "--curves", str(curve), "--step", "20", "--days", "1", "--out", str(path)]
    monkeypatch.setattr(sys, "argv", words)
    bench.uam_bounds.main()
    known = load_bounds(path, load_plan(suite).family)
    assert [digest for digest, _ in known] == [days_of(suite, group)[0].digest for group in ("few", "many")]


def load_plan(suite):
    return plan_run(load_suite(suite))


def test_entries_are_what_the_validator_says(suite, entries):
    assert [(entry["group"], entry["method"]) for entry in entries] == [
        (group, f"rule:{rule}") for group in ("few", "many") for rule in RULES
    ]
    for entry in entries:
        days = days_of(suite, entry["group"])
        values = [values_of(entry["method"].removeprefix("rule:"), day) for day in days]
        assert entry["suite"] == "uam_test"
        assert entry["profit"] == {day.digest: round(one["profit"], 2) for day, one in zip(days, values, strict=True)}
        total = {name: sum(one[name] for one in values) for name in values[0]}
        assert entry["served"] == pytest.approx(total["served"] / sum(day.demand.sum() for day in days), abs=1e-5)
        assert entry["load"] == pytest.approx(total["served"] / (4 * total["flights"]), abs=1e-5)
        assert entry["empty"] == pytest.approx(total["empty_flights"] / total["flights"], abs=1e-5)
        assert entry["seconds"] > 0


def test_later_entries_replace_earlier_ones(bench, entries):
    other = {**entries[1], "served": 0.5}
    new = {**entries[0], "method": "policy:x"}
    assert bench.uam_quality.merged(entries, [other, new]) == [entries[0], other, *entries[2:], new]
    fewer = {**other, "profit": dict(list(other["profit"].items())[:2])}
    assert bench.uam_quality.merged(entries, [fewer]) == entries


def test_failed_and_unfinished_runs_are_refused(bench, entries, tmp_path):
    folder = tmp_path / "out"
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    (folder / "meta.json").write_text(json.dumps({**meta, "state": "interrupted"}), encoding="utf-8")
    with pytest.raises(InputError, match="out: expected a finished run of uam_fleet by profit"):
        bench.uam_quality.entries_of(folder)
    assert bench.uam_quality.entries_of(folder, unfinished=True) == entries
    (folder / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
    lines = [json.loads(row.to_json()) for row in load_results(folder).rows]
    lines[1] |= {"value": None, "gap": None, "error": "no luck"}
    (folder / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    with pytest.raises(InputError, match=r"out: rule:random failed on \S+: no luck"):
        bench.uam_quality.entries_of(folder)


def test_tables_show_levels_shares_and_paired_differences(bench, entries, suite, tmp_path):
    greedy, chance = (next(e for e in entries if (e["group"], e["method"]) == ("few", f"rule:{r}")) for r in RULES)
    days = [day.digest for day in days_of(suite, "few")]
    bounds = {day: 2.0 * greedy["profit"][day] for day in days[:2]}
    text = "".join(f"{day},profit,{bound},half,x,1\n" for day, bound in bounds.items())
    bench.publish_uam.BOUNDS = tmp_path / "bounds.csv"
    bench.publish_uam.BOUNDS.write_text(f"digest,objective,bound,source,instance,seconds\n{text}", encoding="utf-8")
    shown = bench.publish_uam.quality(bench.publish.table)
    values = np.array([greedy["profit"][day] for day in days])
    line = next(line for line in shown.splitlines() if line.startswith("| `rule:greedy`"))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[1:5] == [
        "3", f"{values.mean():,.0f}", f"{values.std(ddof=1):,.0f}", f"{np.percentile(values, 5):,.0f}"
    ]  # fmt: skip
    assert cells[5] == f"{100 * greedy['served']:.1f}"
    assert cells[9:] == ["50.0 (2 days)", "", ""]
    difference = np.mean([chance["profit"][day] - greedy["profit"][day] for day in days])
    line = next(line for line in shown.splitlines() if line.startswith("| `rule:random`"))
    assert f"| {difference:+,.0f} [" in line
    assert "Made by `python evaluate.py run --suite uam_test`" in shown
    assert "(50.0 (2 days))" in bench.publish_uam.short(bench.publish.table)


def test_other_suites_are_shown_against_greedy(bench, entries):
    moved = [{**entry, "suite": "uam_sizes"} for entry in entries]
    bench.uam_quality.FILE.write_text(json.dumps({"rows": moved}), encoding="utf-8")
    shown = bench.publish_uam.transfer(bench.publish.table)
    greedy, chance = (list(entries[at]["profit"].values()) for at in (0, 1))
    percent = 100 * (np.mean(chance) / np.mean(greedy) - 1)
    assert f"| `rule:random` | {percent:+.1f} [" in shown
    assert f"| `rule:greedy`, USD a day | {np.mean(greedy):,.0f} |" in shown
    assert bench.publish_uam.quality(bench.publish.table) == bench.publish_uam.NONE


def test_what_was_not_measured_is_said(bench, tmp_path):
    bench.publish_uam.RESULTS = tmp_path
    for write in bench.publish_uam.regions(bench.publish.table).values():
        assert write() == bench.publish_uam.NONE


def test_time_is_that_of_validated_days(bench, monkeypatch):
    monkeypatch.setattr(bench.uam_curves, "NYC", SMALL)
    points = []
    bench.uam_curves.measure(parse_methods("rule:greedy,rule:random", "uam_fleet"), 2, points.append)
    assert [point["method"] for point in points] == ["rule:greedy", "rule:random"]
    days = [generate(SMALL, bench.uam_curves.FIRST + day) for day in (0, 1)]
    assert points[0]["profit"] == [round(values_of("greedy", day)["profit"], 2) for day in days]
    assert all(point["processor"] > 0 and point["seconds"] > 0 for point in points)


def test_pictures_are_drawn_of_what_there_is(bench, entries, tmp_path):
    run_of = {"decisions": [0, 1000, 2000], "profit": [1.0, 2e4, 3e4], "rules": {"rule:greedy": 2.5e4}}
    groups = [{**entry, "group": "nyc"} for entry in entries[:2]]
    drawn = bench.uam_plots.draw({"points": [], "learning": {"a": run_of}}, groups, tmp_path / "images")
    assert [path.name for path in drawn] == ["uam_profit.png", "uam_learning.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)
    assert bench.uam_plots.draw({"points": [], "learning": {}}, [], tmp_path / "none") == []
