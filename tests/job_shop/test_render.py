"""Gantt charts: what is drawn equals the schedule, partial schedules included."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganttlet.core.errors import InputError
from ganttlet.job_shop import gantt_ansi, gantt_rgb, gantt_svg, resolve, save_gantt, toy
from ganttlet.job_shop.render import LEFT, WIDTH, _ticks, colors
from reference.job_shop_strategies import instances, random_schedule

SVG = "{http://www.w3.org/2000/svg}"


def bars(svg):
    """Return the (job, x, y, width) of every bar of a chart."""
    found = []
    for path in ElementTree.fromstring(svg).iter(f"{SVG}path"):
        title = path.find(f"{SVG}title")
        if title is not None:
            job = int(title.text.split()[1])
            for x, y, width in re.findall(r"M([\d.]+) ([\d.]+)h([\d.]+)v", path.get("d")):
                found.append((job, float(x), float(y), float(width)))
    return found


def test_svg_draws_every_operation_in_its_place():
    instance = resolve("ft06")
    schedule = random_schedule(instance, 0)
    svg = gantt_svg(instance, schedule, "a <b> & c")
    assert "a &lt;b&gt; &amp; c" in svg
    end = int((schedule.start + instance.duration).max())
    drawn = bars(svg)
    assert len(drawn) == 36
    scale = (WIDTH - LEFT - 70) / end
    expected = {
        (j, round(LEFT + scale * schedule.start[j, i], 1), round(scale * instance.duration[j, i], 1))
        for j in range(6)
        for i in range(6)
    }
    assert {(job, x, width) for job, x, _, width in drawn} == expected
    rows = sorted({y for _, _, y, _ in drawn})
    assert len(rows) == 6
    for job, x, y, _ in drawn:
        i = instance.machine[job].tolist().index(rows.index(y))
        assert x == round(LEFT + scale * schedule.start[job, i], 1)
    assert f">{end}</text>" in svg
    words = [title.text for title in ElementTree.fromstring(svg).iter(f"{SVG}title")]
    assert words == [
        f"job {j} operation {i} on M{instance.machine[j, i]}: {schedule.start[j, i]} … "
        f"{schedule.start[j, i] + instance.duration[j, i]} ({instance.duration[j, i]})"
        for j in range(6)
        for i in range(6)
    ]


def test_svg_is_deterministic_and_takes_start_times():
    instance = resolve("ft06")
    schedule = random_schedule(instance, 1)
    assert gantt_svg(instance, schedule) == gantt_svg(instance, schedule.start)
    assert "ft06 (6x6)" in gantt_svg(instance, schedule)


def test_large_chart_is_light():
    instance = resolve("ta80")
    svg = gantt_svg(instance, random_schedule(instance, 0))
    assert len(bars(svg)) == 2000
    assert len(svg) < 80_000


def test_wrong_shape_is_refused():
    with pytest.raises(InputError, match=r"chart of ft06: start times of shape \(1, 1\)"):
        gantt_svg(resolve("ft06"), np.zeros((1, 1)))


@settings(deadline=None, max_examples=40)
@given(instances(), st.integers(0, 2**32), st.integers(0, 6))
def test_partial_schedules_in_every_chart(instance, seed, keep):
    start = random_schedule(instance, seed).start.copy()
    start[:, keep:] = -1
    placed = int(((start >= 0) & (instance.duration > 0)).sum())
    assert len(bars(gantt_svg(instance, start))) == placed
    lines = gantt_ansi(instance, start, width=60).splitlines()
    assert len(lines) == instance.n_machines + 2
    assert all(len(line) <= 60 for line in lines[1:])
    assert f" {int((start >= 0).sum())}/{int(instance.n_ops.sum())} operations" in lines[0]


def test_ansi_shows_one_symbol_per_tick():
    instance, schedule = toy({"jobs": 3, "machines": 2, "horizon": 20}, 0)
    lines = gantt_ansi(instance, schedule).splitlines()
    expected = np.full((2, 20), ".")
    for j, i in np.argwhere(instance.machine >= 0):
        begin = schedule.start[j, i]
        expected[instance.machine[j, i], begin : begin + instance.duration[j, i]] = str(j)
    assert lines[1:3] == [f"M{k} |{''.join(expected[k])}|" for k in range(2)]
    assert "." not in "".join(lines[1:3])
    assert lines[0].endswith("end 20 ticks")


def test_ansi_of_an_empty_schedule():
    instance = resolve("ft06")
    text = gantt_ansi(instance, np.full((6, 6), -1))
    assert "0/36 operations  end 0 ticks" in text


def test_rgb_keeps_its_size_and_shows_the_jobs():
    instance = resolve("ft06")
    start = random_schedule(instance, 0).start.copy()
    full = gantt_rgb(instance, start)
    assert (full.shape, full.dtype) == ((450, 800, 3), np.dtype("u1"))
    for color in colors(6):
        rgb = [int(color[at : at + 2], 16) for at in (1, 3, 5)]
        assert (full == rgb).all(axis=2).sum() > 100
    start[:] = -1
    empty = gantt_rgb(instance, start, horizon=100)
    assert empty.shape == full.shape
    rgb = [int(colors(6)[0][at : at + 2], 16) for at in (1, 3, 5)]
    assert (empty == rgb).all(axis=2).sum() == 0


@pytest.mark.parametrize(("ending", "magic"), [(".svg", b"<svg"), (".png", b"\x89PNG"), (".pdf", b"%PDF")])
def test_files(tmp_path, ending, magic):
    instance = resolve("ft06")
    save_gantt(instance, random_schedule(instance, 0), tmp_path / f"chart{ending}", "title")
    assert (tmp_path / f"chart{ending}").read_bytes().startswith(magic)
    assert len(list(tmp_path.iterdir())) == 1


def test_unknown_ending_writes_nothing(tmp_path):
    instance = resolve("ft06")
    with pytest.raises(InputError, match=r"chart\.gif: unknown ending '\.gif'; expected \.svg, \.png or \.pdf"):
        save_gantt(instance, random_schedule(instance, 0), tmp_path / "chart.gif")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("end", [0, 1, 7, 12, 13, 24, 25, 60, 61, 119, 120, 121, 1462, 5848, 2**31 - 1])
def test_ticks_are_round_and_few(end):
    ticks = _ticks(end)
    assert ticks[0] == 0
    assert len(ticks) <= 13
    assert end < 5 or len(ticks) >= 5
    if len(ticks) > 1:
        step = ticks[1]
        assert str(step).rstrip("0") in {"1", "2", "5"}
        assert ticks[-1] <= end < ticks[-1] + step


@pytest.mark.parametrize("n", [1, 10, 11, 100])
def test_colors_are_distinct(n):
    assert len(set(colors(n))) == n


def test_importing_the_family_does_not_import_matplotlib():
    code = "import sys, ganttlet.job_shop; print(sorted({'matplotlib', 'torch', 'ortools'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
