"""Panels of curves: which lines they draw, from where, in which unit; levels with a place, or that are bounds."""

from pathlib import Path

import pytest

from ganttlet.core.errors import InputError
from ganttlet.job_shop import resolve
from ganttlet_agents.evaluation.curves.agreement import series
from ganttlet_agents.evaluation.curves.draw import draw
from ganttlet_agents.evaluation.curves.load import load_curve
from ganttlet_agents.evaluation.curves.make import Run, Way, make
from ganttlet_agents.evaluation.curves.points import Point

BARS = """\
about: bars
family: job_shop
instances: [ft06]
lines: [rule:spt, rule:mwkr]
columns: 1
panels:
  - {x: group, y: value, kind: bars, base: 1.0, unit: 10, lines: [rule:mwkr], title: one}
  - {x: group, y: value, kind: bars, percent: true, title: both}
  - {x: size, y: value, where: {group: a}, title: levels}
"""
LEARNING = """\
about: learning
family: job_shop
learning:
  skip: 0
  levels: [rule:mwkr, {name: proven, method: rule:mwkr, use: reference_bound},
    {name: none, method: rule:spt, use: bound}]
lines: [{name: ours, preset: quick, run: mine}]
panels: [{x: decisions, y: gap}]
checks: [{claim: above the bound, below: [proven, ours]}]
"""


def curve_of(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return load_curve(str(path))


def point(line, value, **place):
    return Point(line, place, 1, {"value": value}, {"value": [value]})


POINTS = [
    point("rule:spt", 20.0, group="a"),
    point("rule:mwkr", 30.0, group="a"),
    point("rule:spt", 5.0, group="b"),
    point("rule:mwkr", 40.0, group="b"),
]


def test_panels_draw_their_lines_from_a_base_in_a_unit_one_below_the_other(tmp_path, monkeypatch):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    figures = []
    monkeypatch.setattr(pyplot, "close", figures.append)
    assert set(draw(curve_of(tmp_path, BARS), POINTS, [], [])) == {"png", "svg"}
    one, both, levels = figures[0].axes
    assert [(bar.get_y(), bar.get_height()) for bar in one.patches] == [(1.0, 2.0), (1.0, 3.0)]
    assert [bar.get_height() for bar in both.patches] == [2000.0, 500.0, 3000.0, 4000.0]
    assert one.get_position().x0 == both.get_position().x0
    assert one.get_position().y0 > both.get_position().y1
    # No point has a size: those of group a stand at all sizes.
    assert [line.get_ydata()[0] for line in levels.lines] == [20.0, 30.0]


def test_a_level_of_a_group_is_none_of_another():
    assert series(POINTS, "rule:spt", "size", "value", {"group": "b"}) == {None: 5.0}
    assert series([point("rule:spt", 7.0)], "rule:spt", "size", "value", {"group": "b"}) == {None: 7.0}


def test_levels_of_training_may_be_bounds(tmp_path):
    ft06 = resolve("ft06")
    run = Run(
        Path("mine"),
        [{"timesteps": 100, "seconds": 1.0, "value": 66.0, "gap": 0.2}],
        {"": [ft06]},
        "makespan",
        "best_known",
    )
    made = make(curve_of(tmp_path, LEARNING), False, lambda line, budget: run, Way(tmp_path / "out", "the command"))
    rows = [line.split(",") for line in made.files["csv"].read_text(encoding="utf-8").splitlines()]
    found = {row[0]: dict(zip(rows[0], row, strict=True)) for row in rows[1:]}
    # The optimum of ft06 is 55; no rule proves a bound, so that level is left out.
    assert set(found) == {"ours", "rule:mwkr", "proven"}
    assert float(found["proven"]["value"]) == 55.0
    assert float(found["proven"]["gap"]) == 0.0
    assert float(found["rule:mwkr"]["gap"]) == pytest.approx(float(found["rule:mwkr"]["value"]) / 55.0 - 1.0)
    assert made.agreement.tested[0].ours.holds


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("unit: 10", "unit: 0", "unit: expected a number above 0"),
        ("lines: [rule:mwkr], title", "lines: [rule:fifo], title", "panels, entry 1: lines"),
    ],
)
def test_mistakes_name_the_panel(tmp_path, old, new, message):
    with pytest.raises(InputError, match=message):
        curve_of(tmp_path, BARS.replace(old, new))


def test_a_level_is_no_training_run(tmp_path):
    with pytest.raises(InputError, match="expected a method without preset"):
        curve_of(tmp_path, LEARNING.replace("levels: [rule:mwkr,", "levels: [{preset: quick, run: other},"))
