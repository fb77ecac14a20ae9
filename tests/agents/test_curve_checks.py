"""Checks of curves: what they compare, on points made up for it."""

import pytest

from ganttlet.core.errors import InputError
from ganttlet_agents.evaluation.curves.agreement import compare
from ganttlet_agents.evaluation.curves.points import Point
from ganttlet_agents.evaluation.curves.spec import Check, Content, Curve, Line, Panel

OURS = {"net": [9.0, 5.0, 6.0], "rule": [8.0, 8.0, 8.0]}
THEIRS = {"Net": [12.0, 9.0, 7.0]}


def judged(**check):
    lines = (Line("rule:spt", "net", published=("Net",)), Line("rule:mor", "rule"))
    content = Content("", lines, (Panel("x", "y"),), checks=(Check("", **check),))
    ours, theirs = (
        [
            Point(line, {"x": float(x), "mark": "read"}, 1, {"y": y})
            for line, ys in points.items()
            for x, y in enumerate(ys)
        ]
        for points in (OURS, THEIRS)
    )
    return compare(Curve("c", "c.yaml", content, "job_shop", None), ours, theirs, []).tested[0]


def test_ends_leave_out_the_steps_between():
    assert not judged(falling=("net",)).ours.holds
    found = judged(falling=("net",), ends=True)
    assert found.ours.holds
    assert "net 9 at 0, 6 at 2" in found.ours.why
    assert not judged(rising=("net",), ends=True).ours.holds
    assert judged(falling=("net",), ends=True).theirs.holds


def test_ends_belong_to_rising_and_falling():
    with pytest.raises(InputError, match="ends: belongs to rising and falling, not to below"):
        Check("", below=("net", "rule"), ends=True)


def test_a_published_line_does_not_stand_for_ours_against_itself():
    found = judged(below=("net", "Net"))
    assert found.ours.holds
    assert found.theirs is None
