"""Memory maps: what is drawn where, for whole mappings and for games under way, and errors."""

import dataclasses
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from families_memory import program
from ganttlet.core.errors import InputError, MissingExtraError
from ganttlet.memory_mapping import Mapping, all_slow_mapping, gantt_ansi, gantt_rgb, gantt_svg, save_gantt, validate

S = 1e6  # µs; a byte takes slow memory a second and fast memory a quarter
# 10 s each: v is copied during i0 and read at i1; a is made at i0 and read at i2; i3 waits 4 s for w.
PROGRAM = program(
    {"v": ("param", 4), "w": ("param", 4), "a": ("temp", 8)},
    [(10, "", "a"), (10, "v", ""), (10, "a", ""), (6, "w", "")],
)
MAPPING = Mapping(
    fast=[1, 1, 1, 1],
    rect_buffer=[2, 0, 1],
    rect_start=[0, 0, 3],
    rect_end=[2, 1, 3],
    rect_offset=[0, 8, 0],
    copy_buffer=[0, 1],
    copy_out=[0, 0],
    copy_release=[0, 3],
    copy_deadline=[1, 3],
    instance_digest=PROGRAM.digest,
    move_copy=[0, 1],
    move_time=[0, 3],
    move_us=[4 * S, 4 * S],
    stall=[0, 0, 0, 4 * S],
)


def test_the_example_is_feasible():
    assert validate(PROGRAM, MAPPING).values["latency"] == 40 * S


def test_ansi_by_hand():
    lines = gantt_ansi(PROGRAM, MAPPING, width=49).splitlines()
    assert lines[0].startswith("by-hand (4x3x4)  4/4 slots  4 fast  end 4e+07 µs, stalls 4e+06 µs")
    rows = [line.split("|")[1] for line in lines[1:17]]
    # 42 characters for 40 s, 16 rows for 16 bytes, the highest first.
    seconds = [(at + 0.5) * 40 / len(rows[0]) for at in range(len(rows[0]))]
    assert rows[:4] == ["." * len(rows[0])] * 4
    upper = ["".join(":" if t < 10 else "P" if t < 20 else "." for t in seconds)] * 4
    assert rows[4:8] == upper
    # The slots use a at i0 and i2; in between it only lies there.
    assert rows[8:12] == ["".join("T" if t < 10 else "t" if t < 20 else "T" if t < 30 else "." for t in seconds)] * 4
    lower = "".join("T" if t < 10 else "t" if t < 20 else "T" if t < 30 else ":" if t < 34 else "P" for t in seconds)
    assert rows[12:] == [lower] * 4
    assert lines[1].split("|")[0].strip() == "16"
    assert max(map(len, lines[1:])) <= 49


def test_svg_by_hand():
    text = gantt_svg(PROGRAM, MAPPING, "a <title>")
    root = ElementTree.fromstring(text)
    space = {"svg": "http://www.w3.org/2000/svg"}
    assert "a &lt;title&gt;" in text
    boxes = [group for group in root.iter(f"{{{space['svg']}}}g") if group.find("svg:title", space) is not None]
    titles = [box.find("svg:title", space).text for box in boxes]
    assert titles == ["2: b2, offset 0, 8 bytes", "0: b0, offset 8, 4 bytes", "1: b1, offset 0, 4 bytes"]
    found = [[path.attrib for path in box.findall("svg:path", space)] for box in boxes]
    # a: there at once, used twice. v and w: pale while they come, then full, then hatched.
    assert ["fill-opacity" in path for path in found[0]] == [False, False]
    for paths in found[1:]:
        assert ["fill-opacity" in path for path in paths] == [True, False, False]
    assert [paths[-1]["fill"] for paths in found] == ["url(#use)"] * 3
    assert [paths[-1]["d"].count("M") for paths in found] == [2, 1, 1]
    assert len({paths[0]["fill"] for paths in found}) == 2
    assert gantt_svg(PROGRAM, all_slow_mapping(PROGRAM)).count("<title>") == 0


def test_names_in_svg_are_escaped():
    named = dataclasses.replace(PROGRAM, name="p & q", buffer_name=["<v>", "w", "a"])
    root = ElementTree.fromstring(gantt_svg(named, MAPPING))
    assert any(element.text == "0: <v>, offset 8, 4 bytes" for element in root.iter())
    assert any(element.text == "p & q (4x3x4)" for element in root.iter())


def test_under_way():
    started = dataclasses.replace(
        all_slow_mapping(PROGRAM),
        fast=[1, -1, -1, -1],
        rect_buffer=[2],
        rect_start=[0],
        rect_end=[2],
        rect_offset=[0],
        stall=None,
    )
    assert "1/4 slots  1 fast" in gantt_ansi(PROGRAM, started)
    assert gantt_svg(PROGRAM, started).count("<title>") == 1


def test_pixels_have_one_size_and_show_the_mapping():
    pytest.importorskip("matplotlib")
    nothing = gantt_rgb(PROGRAM, all_slow_mapping(PROGRAM))
    full = gantt_rgb(PROGRAM, MAPPING, horizon=100 * S)
    assert nothing.shape == full.shape == (450, 800, 3)
    assert full.dtype == np.uint8
    assert not np.array_equal(nothing, full)
    assert gantt_rgb(PROGRAM, MAPPING, size=(3.0, 2.0)).shape == (200, 300, 3)
    # A longer axis leaves less room for the same rectangles: orange is the kind of a.
    orange = [
        int((np.abs(picture.astype(int) - (0xF2, 0x8E, 0x2B)).max(axis=2) < 8).sum())
        for picture in (gantt_rgb(PROGRAM, MAPPING), full)
    ]
    assert orange[0] > 1.5 * orange[1] > 0


@pytest.mark.parametrize(("ending", "head"), [("svg", b"<svg"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_save(tmp_path, ending, head):
    if ending != "svg":
        pytest.importorskip("matplotlib")
    save_gantt(PROGRAM, MAPPING, tmp_path / f"map.{ending}")
    assert (tmp_path / f"map.{ending}").read_bytes().startswith(head)
    assert len(list(tmp_path.iterdir())) == 1


def test_errors(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"unknown ending '\.gif'"):
        save_gantt(PROGRAM, MAPPING, tmp_path / "map.gif")
    with pytest.raises(InputError, match="the mapping belongs to another program"):
        gantt_svg(PROGRAM.on("tight"), MAPPING)
    with pytest.raises(InputError, match="expected 4 slots, got 3"):
        gantt_ansi(PROGRAM, dataclasses.replace(MAPPING, fast=[1, 1, 1]))
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match="matplotlib is not installed"):
        gantt_rgb(PROGRAM, MAPPING)
