"""Curves: files, points, checks against published points, pictures; on a family of the tests' own."""

import csv
import io
import json
import math
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import scipy.stats

from ganttlet.core.errors import InputError
from ganttlet_agents.evaluation.curves import published as reference_files
from ganttlet_agents.evaluation.curves.agreement import compare, rank_correlation, series
from ganttlet_agents.evaluation.curves.load import load_curve
from ganttlet_agents.evaluation.curves.make import AbsentError, Way, make
from ganttlet_agents.evaluation.curves.points import Point
from ganttlet_agents.evaluation.results import load_results

FILE = """\
about: items packed by size of the sack
source: "A paper, Fig. 1"
family: sack
objective: count
instances:
  few: [{{generator: uniform, items: 4, seeds: 0..5}}]
  many: [{{generator: uniform, items: 12, seeds: 0..5}}]
places: [items]
lines:
  - {{method: solver:exact, name: exact, published: Best}}
  - {{method: "rule:smallest:fraction={{share}}", name: share, over: {{share: [0.5, 1.0]}}}}
panels: [{{x: items, y: count}}]
published: sacks
{more}
"""
REFERENCE = """\
method,items,count,mark,source
Best,4,4.0,read,"A paper, Table 1"
Best,12,9.0,read,"A paper, Table 1"
Worst,4,1.0,digitised,"A paper, Fig. 1"
Worst,12,2.0,digitised,"A paper, Fig. 1"
Best,4,4.1,run,"its code"
"""


@pytest.fixture
def curve_of(tmp_path, sack, monkeypatch):
    """Return the function that writes a curve's file and loads it; the reference file ``sacks`` is there."""
    folder = tmp_path / "configs" / "curves" / "reference"
    folder.mkdir(parents=True)
    (folder / "sacks.csv").write_text(REFERENCE, encoding="utf-8")
    monkeypatch.setattr(reference_files, "config_root", lambda: tmp_path / "configs")

    def curve_of(more="", text=FILE):
        path = tmp_path / "sacks.yaml"
        path.write_text(text.format(more=more), encoding="utf-8")
        return load_curve(str(path))

    return curve_of


def made_of(curve, tmp_path, quick=False, **options):
    return make(curve, quick, lambda line, budget: None, Way(tmp_path / "out", "the command", **options))


def rows_of(made):
    return list(csv.DictReader(io.StringIO(made.files["csv"].read_text(encoding="utf-8"))))


def test_points_are_means_of_validated_rows(curve_of, tmp_path):
    made = made_of(curve_of(), tmp_path)
    results = load_results(tmp_path / "out" / "sacks")
    assert not made.failed
    ours = [row for row in rows_of(made) if row["mark"] == "measured"]
    assert [(row["line"], row["items"], row["share"]) for row in ours] == [
        ("exact", "4.0", ""),
        ("exact", "12.0", ""),
        ("share", "4.0", "0.5"),
        ("share", "4.0", "1.0"),
        ("share", "12.0", "0.5"),
        ("share", "12.0", "1.0"),
    ]
    for row in ours:
        group = "few" if row["items"] == "4.0" else "many"
        label = {"": "solver:exact", "0.5": "rule:smallest:fraction=0.5", "1.0": "rule:smallest"}[row["share"]]
        values = [one.value for one in results.rows if one.group == group and one.method == label]
        assert len(values) == int(row["instances"]) == 6
        assert float(row["count"]) == pytest.approx(np.mean(values))
        if np.ptp(values):
            assert float(row["count_low"]) <= float(row["count"]) <= float(row["count_high"])
    theirs = [row for row in rows_of(made) if row["mark"] != "measured"]
    assert [row["line"] for row in theirs] == ["Best", "Best", "Worst", "Worst", "Best (run)"]
    assert {row["source"] for row in theirs} == {"A paper, Table 1", "A paper, Fig. 1", "its code"}


def test_files_are_pictures_and_a_text(curve_of, tmp_path):
    made = made_of(curve_of("checks: [{claim: larger sacks hold more, rising: [exact]}]"), tmp_path)
    assert made.files["png"].read_bytes().startswith(b"\x89PNG")
    svg = made.files["svg"].read_text(encoding="utf-8")
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    assert "Worst (off a figure)" in svg
    again = made_of(curve_of(), tmp_path / "again")
    assert again.files["svg"].read_text(encoding="utf-8") == svg
    text = made.files["md"].read_text(encoding="utf-8")
    assert "Source of the curve: A paper, Fig. 1." in text
    assert "printed in the source: A paper, Table 1" in text
    data = json.loads(made.files["json"].read_text(encoding="utf-8"))
    assert data["command"] == "the command"
    assert data["budget"] == "full"
    assert data["checks"][0]["published"]["holds"]


def test_a_resumed_curve_keeps_its_rows(curve_of, tmp_path):
    made_of(curve_of(), tmp_path)
    path = tmp_path / "out" / "sacks" / "rows.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:5]), encoding="utf-8")
    made_of(curve_of(), tmp_path, resume=True)
    again = path.read_text(encoding="utf-8").splitlines(keepends=True)
    assert again[:5] == lines[:5]
    assert len(again) == len(lines)


def test_the_quick_budget_cuts_instances_lines_and_values(curve_of, tmp_path):
    more = "quick: {instances: 1, groups: [many], over: {share: [0.5]}, without: [exact]}"
    made = made_of(curve_of(more), tmp_path, quick=True)
    assert [(row["line"], row["items"], row["share"], row["instances"]) for row in rows_of(made)[:-5]] == [
        ("share", "12.0", "0.5", "1")
    ]
    assert made.agreement.missing == ["exact"]
    assert "exact: not run" in made.files["svg"].read_text(encoding="utf-8")


def test_what_becomes_of_solutions(curve_of, tmp_path):
    more = "after: {name: late, over: {delay: [0, 2]}, own: delay}"
    made = made_of(curve_of(more), tmp_path)
    exact = [row for row in rows_of(made) if row["line"] == "exact" and row["items"] == "4.0"]
    first, second, own = exact
    assert float(first["count"]) - float(second["count"]) == pytest.approx(2.0)
    assert own["own"] == "1"
    assert float(own["count"]) == pytest.approx(float(first["count"]) - float(own["seconds"]), abs=1e-6)


def test_ratios_geometric_means_and_stand_ins(curve_of, tmp_path):
    text = FILE.replace("name: exact, published: Best", "name: exact, use: bound")
    made = made_of(curve_of("mean: geometric\nagainst: exact", text), tmp_path)
    rows = [row for row in load_results(tmp_path / "out" / "sacks").rows if row.group == "many"]
    bounds = {row.digest: row.bound for row in rows if row.method == "solver:exact"}
    half = {row.digest: row.value for row in rows if row.method == "rule:smallest:fraction=0.5"}
    found = next(row for row in rows_of(made) if row["share"] == "0.5" and row["items"] == "12.0")
    expected = math.exp(np.mean([math.log(half[digest] / bounds[digest]) for digest in half]))
    assert float(found["count_ratio"]) == pytest.approx(expected)


def test_a_failed_row_is_no_point(curve_of, tmp_path):
    text = FILE.replace('"rule:smallest:fraction={{share}}", name: share, over: {{share: [0.5, 1.0]}}', "rule:crash")
    made = made_of(curve_of("", text), tmp_path)
    assert len(made.failed) == 12
    assert {row["line"] for row in rows_of(made) if row["mark"] == "measured"} == {"exact"}
    assert made.agreement.missing == ["rule:crash"]


def test_missing_instances_and_untrained_lines(curve_of, tmp_path):
    text = FILE.replace("{{generator: uniform, items: 4, seeds: 0..5}}", "absent")
    with pytest.raises(AbsentError, match="absent"):
        made_of(curve_of("", text), tmp_path)
    text = FILE.replace("lines:", 'lines:\n  - {{method: "policy:{{run}}", name: trained, preset: quick, run: a}}')
    assert made_of(curve_of("", text), tmp_path, quick=True).agreement.missing == ["trained"]


def line_of(name, ys, xs=(1.0, 2.0, 3.0, 4.0), mark=None):
    place = {"mark": mark, "source": "s"} if mark else {}
    return [Point(name, {**place, "items": x}, 1, {"count": y}) for x, y in zip(xs, ys, strict=True)]


CHECKS = [
    ("below: [exact, share]", True),
    ("below: [share, exact]", False),
    ("below: [share, exact], within: 0.6", True),
    ("below: [share, exact], since: 4", False),
    ("near: [exact, share], within: 0.34", True),
    ("near: [exact, share], within: 0.33", False),
    ("rising: [exact]", True),
    ("rising: [share]", False),
    ("rising: [share], until: 3", True),
    ("falling: [share], since: 3", True),
    ("flat: [share], within: 0.17", True),
    ("flat: [exact], within: 0.17", False),
    ("level: [exact], low: 2, high: 3.5", True),
    ("level: [exact], low: 2.5", False),
    ("level: [exact], at: last, low: 3.4", True),
    ("level: [exact], at: 1.5, high: 2.25", True),
    ("below: [exact, Worst]", True),
    ("near: [exact, Best], within: 0.1", None),
]


@pytest.mark.parametrize(("check", "holds"), CHECKS)
def test_checks(curve_of, check, holds):
    curve = curve_of(f"checks: [{{claim: c, {check}}}]")
    points = [*line_of("exact", (2.0, 2.5, 3.0, 3.5)), *line_of("share", (3.0, 3.5, 4.0, 3.9))]
    published = line_of("Worst", (9.0, 9.0, 9.0, 9.0), mark="read")
    (tested,) = compare(curve, points, published, []).tested
    assert (tested.ours and tested.ours.holds) is holds


def test_distance_and_order(curve_of):
    text = FILE.replace("name: share,", "name: share, published: Worst,")
    curve = curve_of("", text)
    ours = [*line_of("exact", (2.0, 3.0, 4.0, 5.0)), *line_of("share", (3.0, 2.5, 5.0, 6.0))]
    theirs = [
        *line_of("Best", (2.0, 3.3, 4.0), (1.0, 2.5, 4.5), mark="read"),
        *line_of("Worst", (3.0, 4.0, 5.0), (1.0, 2.0, 4.0), mark="read"),
    ]
    found = compare(curve, ours, theirs, ["one"])
    close = {one.line: one for one in found.close}
    # At 4.5 ours has no value; at 2.5 it is halfway between 3 and 4.
    assert (close["exact"].n, close["exact"].worst_at) == (2, 2.5)
    assert close["exact"].worst == pytest.approx(0.2 / 3.3)
    assert close["share"].correlation == pytest.approx(scipy.stats.spearmanr([3.0, 2.5, 6.0], [3.0, 4.0, 5.0])[0])
    (order,) = found.orders
    # Theirs at 1 and 2.5: Worst above both times; ours at 2.5 has share (3.75) above exact (3.5).
    assert (order.pairs, order.agreed, order.others) == (2, 2, [])
    assert found.missing == ["one"]


def test_rank_correlation_is_spearmans():
    rng = np.random.default_rng(0)
    for _ in range(20):
        first, second = rng.integers(0, 6, 12).astype(float), rng.normal(size=12)
        assert rank_correlation(first, second) == pytest.approx(scipy.stats.spearmanr(first, second)[0])
    assert rank_correlation([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]) is None
    assert rank_correlation([1.0, 2.0], [1.0, 2.0]) is None


def test_series_keep_the_order_of_texts():
    points = [Point("a", {"size": size}, 1, {"y": y}) for size, y in (("9x9", 1.0), ("10x10", 2.0), ("2x2", math.nan))]
    assert series(points, "a", "size", "y") == {"9x9": 1.0, "10x10": 2.0}
    assert list(series(points, "a", "size", "y")) == ["9x9", "10x10"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("checks: [{claim: c, below: [exact, nobody]}]", "checks, entry 1: below: unknown value 'nobody'"),
        ("checks: [{claim: c}]", "expected one of below, near"),
        ("checks: [{claim: c, below: [exact]}]", "expected two lines"),
        ("places: [items, weight]", "key 'places' is given twice"),
        ("against: nobody", "against: unknown value 'nobody'"),
        ("after: {name: never, over: {delay: [1]}}", "after: name: unknown value 'never'; expected one of late"),
        ("quick: {groups: [some]}", "quick: groups: unknown value 'some'"),
        ("quick: {over: {shares: [1]}}", "quick: over: unknown value 'shares'"),
        ("quick: {without: [nobody]}", "quick: line: unknown value 'nobody'"),
        ("by_group: {level: {some: 1}}", "by_group: level: unknown value 'some'"),
        ("mean: median", "mean: unknown value 'median'"),
        ("suite: taillard", "keys 'suite' and 'family' are both given"),
        ("learning: {}", "learning needs the key 'family' and no suite"),
        ("colour: red", "unknown key 'colour'"),
    ],
)
def test_mistakes_of_a_file(curve_of, more, message):
    with pytest.raises(InputError, match=message):
        curve_of(more)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("method,items", "who,items", "column 'method' is missing"),
        ("Best,4,4.0,read,", "Best,4,4.0,guessed,", "line 2: mark: unknown value 'guessed'"),
        ('"A paper, Table 1"\nBest,12', "\nBest,12", "line 2: source is empty"),
        ("Worst,4,1.0,digitised,", "Worst,4,1.0,digitised,more,", "line 4: expected 5 cells"),
    ],
)
def test_mistakes_of_a_reference_file(curve_of, tmp_path, old, new, message):
    path = tmp_path / "configs" / "curves" / "reference" / "sacks.csv"
    path.write_text(REFERENCE.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        curve_of()


def test_unknown_places_and_methods_are_told(curve_of, tmp_path):
    with pytest.raises(InputError, match="places: unknown name 'weight'; expected one of group, instance, items"):
        made_of(curve_of("", FILE.replace("places: [items]", "places: [weight]")), tmp_path)
    with pytest.raises(InputError, match=r"none_such\.csv: cannot be read"):
        curve_of("", FILE.replace("published: sacks", "published: none_such"))
    with pytest.raises(InputError, match=r"line .exact.: .*unknown solver .best."):
        made_of(curve_of("", FILE.replace("solver:exact", "solver:best")), tmp_path)
