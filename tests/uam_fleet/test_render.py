"""Pictures of a day: what is drawn where, sizes, files and errors."""

import dataclasses
import itertools
import re
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from ganttlet.core.errors import InputError, MissingExtraError
from ganttlet.uam_fleet import FleetLog, Scenario, fleet_ansi, fleet_rgb, fleet_svg, flows, resolve, save_fleet
from ganttlet.uam_fleet.render import EMPTY, FULL, PALEST, STAY, clock, shade

PAIR = 1.0 - np.eye(2)
SCENARIO = Scenario(
    "a & b",
    ["<A>", "B"],
    [[0.0, 0.0], [10.0, 10.0]],
    14.9 * PAIR,
    parking=[3, 3],
    charging=[1, 0],
    start_port=[0, 1],
    start_charge=[110.0, 110.0],
    ready=[360.0, 360.0],
    downtime_probability=[0.0, 0.0],
    demand=np.stack([9 * PAIR, 3 * PAIR]),
    forecast=np.stack([9 * PAIR, 3 * PAIR]),
    fare=np.stack([20 * PAIR, 20 * PAIR]),
    electricity=[0.2, 0.2],
    closed=np.zeros((2, 2, 2), int),
    closure_probability=0.0 * PAIR,
    delay_mean=[0.0, 0.0],
    delay_sd=[0.0, 0.0],
    day_end=480.0,
)
LOG = FleetLog(
    aircraft=[0, 1, 0, 1],
    origin=[0, 1, 1, 0],
    destination=[1, 1, 0, 1],
    passengers=[4, 0, 0, 1],
    time=[360.0, 360.0, 420.0, 440.0],
    departure=[360.0, 360.0, 420.0, 440.0],
    arrival=[390.0, 360.0, 450.0, 470.0],
    instance_digest=SCENARIO.digest,
)
NOTHING = FleetLog([], [], [], [], [], [], [])


def test_flows():
    carried, flights = flows(SCENARIO, LOG)
    assert carried.tolist() == [[[0, 4], [0, 0]], [[0, 1], [0, 0]]]
    assert flights.tolist() == [[[0, 1], [0, 0]], [[0, 1], [1, 0]]]


def test_svg():
    text = fleet_svg(SCENARIO, LOG, "<day>")
    root = ElementTree.fromstring(text)
    titles = [element.text for element in root.iter("{http://www.w3.org/2000/svg}title")]
    assert [title for title in titles if "passenger" in title and not title.startswith("aircraft")] == [
        "<A> to B: 4 passengers, 1 flight",
        "B to <A>: 0 passengers, 1 flight",
        "<A> to B: 1 passenger, 1 flight",
    ]
    assert [title for title in titles if title.startswith("aircraft")] == [
        "aircraft 0: <A> to B, 06:00 to 06:30, 4 passengers",
        "aircraft 0: B to <A>, 07:00 to 07:30, 0 passengers",
        "aircraft 1: <A> to B, 07:20 to 07:50, 1 passengers",
    ]
    words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "<day>" in words
    assert any(word.startswith("5 of 24 passengers, 3 flights, 1 of them empty") for word in words)
    assert {"4 of 18", "1 of 6"} <= set(words)
    # B has no charger, and so is a ring; the flights' boxes begin and end on a line of 872 pixels for 120 minutes.
    assert text.count('fill="#fff" stroke="#333333"') == 2
    starts = {
        color: [float(x) for x in re.findall(r"M([\d.]+) [\d.]+h", path.get("d"))]
        for path in root.iter("{http://www.w3.org/2000/svg}path")
        for color in [path.get("fill")]
        if path.find("{http://www.w3.org/2000/svg}title") is not None
    }
    assert starts[FULL] == [64.0]
    assert starts[EMPTY] == [64.0 + 872 / 2]
    assert starts[PALEST] == [pytest.approx(64.0 + 872 * 80 / 120, abs=0.05)]
    assert STAY in text
    assert "a &amp; b (2x2)" in fleet_svg(SCENARIO, NOTHING)


def test_colours_and_clock():
    assert [shade(count, 4) for count in (0, 1, 4)] == [EMPTY, PALEST, FULL]
    assert shade(1, 1) == FULL
    assert (clock(365.0), clock(1079.9)) == ("06:05", "18:00")


def test_lines_keep_to_the_right():
    """From A, below on the left, to B: east of the way back, and wider by what it carries."""
    root = ElementTree.fromstring(fleet_svg(SCENARIO, dataclasses.replace(LOG, passengers=[4, 0, 1, 1])))
    lines = {line[0].text: line for line in root.iter("{http://www.w3.org/2000/svg}line") if len(line)}
    there, back = lines["<A> to B: 1 passenger, 1 flight"], lines["B to <A>: 1 passenger, 1 flight"]
    assert float(there.get("x1")) > float(back.get("x2"))
    assert float(there.get("y1")) > float(back.get("y2")) > float(there.get("y2"))
    assert there.get("stroke") == back.get("stroke") == PALEST
    assert float(lines["<A> to B: 4 passengers, 1 flight"].get("stroke-width")) > float(there.get("stroke-width"))


def test_names_do_not_cover_one_another():
    """Three ports side by side, as heliports of one city."""
    three = resolve({"name": "nyc", "ports": ["JRB", "JRA", "6N5", "LGA", "JFK"], "fleet": 5})
    root = ElementTree.fromstring(fleet_svg(three, NOTHING))
    boxes = []
    for word in root.iter("{http://www.w3.org/2000/svg}text"):
        if word.text in three.port_name.tolist() and len(boxes) < 5:
            wide = 0.62 * 7 * len(word.text)
            left = float(word.get("x")) - wide * {None: 0.0, "middle": 0.5, "end": 1.0}[word.get("text-anchor")]
            boxes.append((left, float(word.get("y")) - 7, left + wide, float(word.get("y"))))
    assert len(boxes) == 5
    for one, other in itertools.combinations(boxes, 2):
        apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        assert apart, (one, other)


def test_ansi():
    lines = fleet_ansi(SCENARIO, LOG, width=28).splitlines()
    assert lines[0] == "a & b (2x2)  3 flights  5/24 passengers"
    # 24 characters, five minutes each.
    assert lines[1] == "0 |" + "1" * 6 + "." * 6 + "-" * 6 + "." * 6 + "|"
    assert lines[2] == "1 |" + "." * 16 + "1" * 6 + "." * 2 + "|"
    assert lines[3] == "  06:00" + " " * 15 + "08:00"
    assert lines[4] == "to: 0=<A> 1=B"


def test_pixels_have_one_size_and_show_the_day():
    pytest.importorskip("matplotlib")
    nothing, some = fleet_rgb(SCENARIO, NOTHING), fleet_rgb(SCENARIO, LOG)
    assert nothing.shape == some.shape
    assert some.dtype == np.uint8
    red = [int((np.abs(picture.astype(int) - (0xE1, 0x57, 0x59)).max(axis=2) < 8).sum()) for picture in (nothing, some)]
    # An empty flight of 30 minutes takes 218 pixels of a lane of 8, besides the key's square.
    assert red[1] - red[0] == pytest.approx(218 * 8, rel=0.2)


@pytest.mark.parametrize(("ending", "head"), [("svg", b"<svg"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_save(tmp_path, ending, head):
    if ending != "svg":
        pytest.importorskip("matplotlib")
    save_fleet(SCENARIO, LOG, tmp_path / f"day.{ending}")
    assert (tmp_path / f"day.{ending}").read_bytes().startswith(head)
    assert len(list(tmp_path.iterdir())) == 1


def test_many_aircraft_are_cut():
    many = dataclasses.replace(
        SCENARIO,
        parking=[100, 3],
        start_port=[0] * 80,
        start_charge=[110.0] * 80,
        ready=[360.0] * 80,
        downtime_probability=[0.0] * 80,
    )
    assert "the first 60 of 80 aircraft" in fleet_svg(many, NOTHING)
    assert len(fleet_ansi(many, NOTHING).splitlines()) == 63


def test_errors(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"unknown ending '\.gif'"):
        save_fleet(SCENARIO, LOG, tmp_path / "day.gif")
    with pytest.raises(InputError, match="the log belongs to scenario"):
        fleet_svg(dataclasses.replace(SCENARIO, seats=5), LOG)
    with pytest.raises(InputError, match="field 'destination': expected 0 … 1, got 0 … 2"):
        fleet_ansi(SCENARIO, dataclasses.replace(LOG, destination=[1, 2, 0, 1]))
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match="matplotlib is not installed"):
        fleet_rgb(SCENARIO, LOG)
