"""Memory maps: rectangles stand where the offsets say, in all three forms."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from families_allocation import EVEN, ODD, problem
from ganttlet.core.errors import InputError
from ganttlet.memory_allocation import (
    Allocation,
    AllocationInstance,
    memory_ansi,
    memory_rgb,
    memory_svg,
    resolve,
    save_memory,
)
from ganttlet.memory_allocation.render import BOTTOM, HEIGHT, INK, LEFT, MARK, TOP, WIDTH

SVG = "{http://www.w3.org/2000/svg}"


def allocation(instance, offset):
    return Allocation(offset, instance.digest)


def boxes(text):
    """Return name -> (x, y, width, height, edge) of the rectangles of buffers."""
    found = {}
    for rect in ElementTree.fromstring(text).iter(f"{SVG}rect"):
        title = rect.find(f"{SVG}title")
        if title is not None:
            numbers = tuple(float(rect.get(key)) for key in ("x", "y", "width", "height"))
            found[title.text] = (*numbers, rect.get("stroke"))
    return found


def test_svg_rectangles():
    instance = resolve(EVEN)
    text = memory_svg(instance, [0, 0, 4, 0, -1])
    base, across, up = TOP + HEIGHT, (WIDTH - LEFT - 20) / 21, HEIGHT / 12
    found = boxes(text)
    assert set(found) == {
        "b0: 0 … 3 (4 bytes), time 0 … 2",
        "b1: 0 … 3 (4 bytes), time 3 … 8",
        "b2: 4 … 7 (4 bytes), time 0 … 8",
        "b3: 0 … 3 (4 bytes), time 9 … 20",
    }
    x, y, width, height, edge = found["b2: 4 … 7 (4 bytes), time 0 … 8"]
    expected = LEFT, base - 8 * up, 9 * across, 4 * up
    assert (x, y, width, height) == pytest.approx(expected, abs=0.01)
    assert edge == "#fff"
    assert "4/5 buffers, height 8 fits 12" in text
    assert f"{instance.name} (5x3)" in text
    assert f'viewBox="0 0 {WIDTH:g} {base + BOTTOM:g}"' in text


def test_svg_marks_fixed_buffers_and_an_exceeded_capacity():
    odd = resolve(ODD)
    text = memory_svg(odd, odd.fixed)
    assert [box[4] for box in boxes(text).values()] == [INK, INK]
    assert MARK not in text
    small = resolve(problem([(0, 1, 2), (0, 1, 2)], 3))
    high = memory_svg(small, allocation(small, [0, 2]), "a <title>")
    assert "exceeds 3" in high
    assert "a &lt;title&gt;" in high
    assert high.count(MARK) == 1
    (line,) = re.findall(rf'd="M[\d.]+ ([\d.]+)H[\d.]+" stroke="{MARK}"', high)
    assert float(line) == pytest.approx(TOP + HEIGHT - 3 * HEIGHT / 4, abs=0.05)


def test_names_are_escaped():
    one = AllocationInstance("x", [0], [1], [2], None, None, None, ["a<b"])
    assert "<title>a&lt;b: 0 … 1 (2 bytes), time 0 … 0</title>" in memory_svg(one, [0])


def test_text():
    instance = resolve(problem([(0, 10, 8), (0, 20, 4), (10, 20, 8)], 12))
    lines = memory_ansi(instance, allocation(instance, [0, 8, 0])).splitlines()
    assert lines[0].endswith("3/3 buffers, height 12 fits 12")
    rows = [line.split("|")[1] for line in lines[1:-1]]
    assert len(rows) == 16
    assert rows[0] == "1" * 20
    assert rows[-1] == "0" * 10 + "2" * 10
    assert (rows.count(rows[0]), rows.count(rows[-1])) == (5, 11)
    assert lines[-1].split() == ["0", "0", "20"]
    empty = memory_ansi(instance, [-1, -1, -1])
    assert set("".join(line.split("|")[1] for line in empty.splitlines()[1:-1])) == {"."}


def test_text_shows_where_the_capacity_is_exceeded():
    instance = resolve(problem([(0, 10, 8), (0, 10, 8)], 8))
    lines = memory_ansi(instance, [0, 8]).splitlines()
    at = next(row for row, line in enumerate(lines) if "---" in line)
    assert at == 9
    assert lines[at].split()[0] == "8"
    assert all("1" in line.split("|")[1] for line in lines[1:at])
    assert all("0" in line.split("|")[1] for line in lines[at + 1 : -1])


def test_pixels():
    pytest.importorskip("matplotlib")
    instance = resolve(EVEN)
    empty, full = memory_rgb(instance, [-1] * 5), memory_rgb(instance, [0, 0, 4, 0, 8])
    assert (full.dtype, full.shape) == (np.uint8, empty.shape) == (np.uint8, (450, 800, 3))
    assert (full != empty).any()


@pytest.mark.parametrize("ending", ["svg", "png", "pdf", "txt"])
def test_files(tmp_path, ending):
    if ending in ("png", "pdf"):
        pytest.importorskip("matplotlib")
    instance = resolve(EVEN)
    save_memory(instance, allocation(instance, [0, 0, 4, 0, 8]), tmp_path / f"map.{ending}", "title")
    assert (tmp_path / f"map.{ending}").stat().st_size > 300
    assert len(list(tmp_path.iterdir())) == 1


def test_what_cannot_be_drawn(tmp_path):
    instance = resolve(EVEN)
    with pytest.raises(InputError, match=r"map of by-hand: offsets of shape \(2,\), expected \(5,\)"):
        memory_svg(instance, [0, 1])
    with pytest.raises(InputError, match=r"unknown ending '\.gif'"):
        save_memory(instance, [0] * 5, tmp_path / "map.gif")
    assert list(tmp_path.iterdir()) == []
