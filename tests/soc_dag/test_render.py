"""Pictures of runs and task graphs: bars stand where and as long as the records say, on axes read off the picture."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from ganttlet.core.errors import InputError
from ganttlet.soc_dag.application import Application
from ganttlet.soc_dag.dag_picture import dag_svg, layout_of, save_dag
from ganttlet.soc_dag.instance import Workload
from ganttlet.soc_dag.platform import Cluster, Platform
from ganttlet.soc_dag.render import run_ansi, run_rgb, run_svg, save_gantt
from ganttlet.soc_dag.scenario import Scenario
from ganttlet.soc_dag.scene import NEUTRAL, color_of, hatch, paler, round_times, shorten
from ganttlet.soc_dag.solution import Run

SVG = "{http://www.w3.org/2000/svg}"
FORK = Application("fork", ("load", "fft", "mul", "store"), ((0, 1, 30), (0, 2, 7), (1, 3, 5), (2, 3, 0)))
TIMES = {"load": (6, 4), "fft": (9, None), "mul": (3, 5), "store": (0, 2)}


def fork(counts=(2, 1), **scenario):
    """Return a workload of one graph of four tasks on clusters cpu and acc."""
    clusters = tuple(Cluster(name, count) for name, count in zip(("cpu", "acc"), counts, strict=True))
    platform = Platform("soc", clusters, [[10, 5], [5, 10]], 100, {"fork": TIMES})
    return Workload.build(platform, [FORK], Scenario(**{"scale": 10.0, "capacity": 3, "length": 1000} | scenario))


def by_hand(workload, **fields):
    """Return two jobs: the first is done at 21; of the second one task is running, one queued, at time 26."""
    run = {
        "app": [0, 0],
        "arrival": [0, 5],
        "inject": [0, 12],
        "pe": [[0, 0, 2, 1], [1, 0, 0, -1]],
        "start": [[0, 6, 8, 21], [13, 21, -1, -1]],
        "finish": [[6, 15, 13, 21], [19, -1, -1, -1]],
        "end": 26,
        "instance_digest": workload.digest,
    }
    return Run(**run | fields)


def stream(workload, n_jobs, gap=3, pause=0):
    """Return ``n_jobs`` jobs, each of whose tasks goes to the PE that is free first, whatever its data.

    A job comes every ``gap`` ticks, and after every 50 of them none for another ``pause``.
    """
    tasks, free = int(workload.n_tasks[0]), np.zeros(workload.n_pes, np.int64)
    pe, start, finish = (np.full((n_jobs, tasks), -1, np.int64) for _ in range(3))
    arrival = gap * np.arange(n_jobs) + pause * (np.arange(n_jobs) // 50)
    for job in range(n_jobs):
        for task in range(tasks):
            able = np.flatnonzero(workload.exec_time[0, task] >= 0)
            p = able[np.argmin(free[able])]
            pe[job, task], start[job, task] = p, max(free[p], arrival[job])
            free[p] = finish[job, task] = start[job, task] + workload.exec_time[0, task, p]
    return Run(np.zeros(n_jobs, int), arrival, arrival, pe, start, finish, int(finish.max()), workload.digest)


def wide_chain(n_tasks, **scenario):
    """Return a workload of one chain of equal tasks on a single PE."""
    chain = Application("chain", ("k",) * n_tasks, tuple((i, i + 1, 1) for i in range(n_tasks - 1)))
    platform = Platform("one", (Cluster("cpu", 1),), [[5]], 9, {"chain": {"k": [7]}})
    return Workload.build(platform, [chain], Scenario(**{"scale": 10.0} | scenario))


class Picture:
    """An SVG read back."""

    def __init__(self, svg):
        self.root = ElementTree.fromstring(svg)
        self.paths = list(self.root.iter(f"{SVG}path"))
        self.texts = [text.text for text in self.root.iter(f"{SVG}text")]

    def text(self, name):
        (found,) = (text for text in self.root.iter(f"{SVG}text") if text.text == name)
        return float(found.get("x")), float(found.get("y"))

    def hovers(self):
        """Return hover text -> (path, boxes)."""
        return {path[0].text: (path, boxes(path)) for path in self.paths if len(path)}

    def axis(self):
        """Return the time axis read off its labels: pixels of time 0 and pixels per tick."""
        size = [t for t in self.root.iter(f"{SVG}text") if t.get("text-anchor") == "middle" and t.text.isdigit()]
        low = max(float(t.get("y")) for t in size)
        labels = [(int(t.text), float(t.get("x"))) for t in size if float(t.get("y")) == low]
        (first, left), (last, right) = labels[0], labels[-1]
        scale = (right - left) / (last - first)
        return left - scale * first, scale


def boxes(path):
    return [tuple(map(float, box)) for box in re.findall(r"M([\d.-]+) ([\d.-]+)h([\d.]+)v([\d.]+)", path.get("d"))]


def test_bars_are_where_the_records_say():
    workload = fork()
    picture = Picture(run_svg(workload, by_hand(workload), "a <b> & c"))
    assert picture.texts[:2] == ["a <b> & c", "0 … 26 us: all 6 tasks of 2 jobs"]
    zero, scale = picture.axis()
    found = picture.hovers()
    done, open_ = "job 0 (fork), latency 21 us; ", "job 1 (fork), not done; "
    expected = {
        done + "task 0: load on cpu 0, start 0, finish 6 (6 us, mean 6)": ("cpu 0", 0, 6, color_of(0)),
        done + "task 1: fft on cpu 0, start 6, finish 15 (9 us, mean 9)": ("cpu 0", 6, 15, color_of(0)),
        done + "task 2: mul on acc 2, start 8, finish 13 (5 us, mean 5)": ("acc 2", 8, 13, color_of(0)),
        done + "task 3: store on cpu 1, start 21, finish 21 (0 us, mean 0)": ("cpu 1", 21, 21, color_of(0)),
        open_ + "task 0: load on cpu 1, start 13, finish 19 (6 us, mean 6)": ("cpu 1", 13, 19, color_of(1)),
        open_ + "task 1: fft on cpu 0, started 21, not finished (mean 9)": ("cpu 0", 21, 26, paler(color_of(1))),
    }
    assert set(found) == set(expected)
    for words, (lane, begin, finish, fill) in expected.items():
        path, ((x, y, wide, high),) = found[words]
        assert path.get("fill") == fill
        assert x == pytest.approx(zero + scale * begin, abs=0.2)
        assert wide == pytest.approx(max(0.8, scale * (finish - begin)), abs=0.2)
        assert y < picture.text(lane)[1] < y + high
    # Lanes of another cluster stand apart.
    first, second, third = (picture.text(name)[1] for name in ("cpu 0", "cpu 1", "acc 2"))
    assert third - second == second - first + 5


def test_latency_is_counted_from_the_arrival_only_in_a_queue():
    run = {"inject": [1, 12]}
    for full, words in (("queue", "latency 21 us"), ("block", "latency 20 us"), ("redraw", "latency 20 us")):
        workload = fork(full=full)
        hovers = Picture(run_svg(workload, by_hand(workload, **run))).hovers()
        assert sum(f"job 0 (fork), {words};" in hover for hover in hovers) == 4


def test_outages_are_hatched_boxes():
    workload = fork(outages=((1, 4, 9), (2, 20, 500), (0, 600, 700)))
    picture = Picture(run_svg(workload, by_hand(workload)))
    zero, scale = picture.axis()
    found = {words: at for words, (_, at) in picture.hovers().items() if words.startswith("outage")}
    assert set(found) == {"outage of cpu 1, 4 … 9", "outage of acc 2, 20 … 500"}
    ((x, y, wide, high),) = found["outage of acc 2, 20 … 500"]
    assert (x, wide) == pytest.approx((zero + scale * 20, scale * 6), abs=0.2)
    assert y < picture.text("acc 2")[1] < y + high
    for (left, bottom), (right, top) in hatch((x, y, wide, high)):
        assert x <= left < right <= x + wide + 1e-9
        assert y <= top < bottom <= y + high + 1e-9
        assert right - left == pytest.approx(bottom - top)


def test_arrivals_completions_waits_and_jobs_in_system():
    workload = fork()
    picture = Picture(run_svg(workload, by_hand(workload)))
    zero, scale = picture.axis()
    strips = [path for path in picture.paths if path.get("stroke-width") == "1.6"]
    times = [(round((float(re.match(r"M([\d.]+)", p.get("d"))[1]) - zero) / scale), p.get("stroke")) for p in strips]
    assert times == [(0, color_of(0)), (5, color_of(1)), (21, color_of(0))]
    (wait,) = (path for path in picture.paths if path.get("stroke-width") == "1" and path.get("stroke") == "#777")
    (left, right) = (round((float(x) - zero) / scale) for x in re.findall(r"[ML]([\d.]+)", wait.get("d")))
    assert (left, right) == (5, 12)
    (steps,) = (path for path in picture.paths if path.get("stroke-width") == "1.3")
    points = [tuple(map(float, point)) for point in re.findall(r"[ML]([\d.]+) ([\d.]+)", steps.get("d"))]
    (dash,) = (path for path in picture.paths if path.get("stroke-dasharray"))
    level = float(re.match(r"M[\d.]+ ([\d.]+)", dash.get("d"))[1])
    base = picture.text("jobs in system")[1] + 1
    counts = [(round((x - zero) / scale), round(3 * (base - y) / (base - level), 1)) for x, y in points]
    assert list(dict.fromkeys(counts)) == [(0, 1), (12, 1), (12, 2), (21, 2), (21, 1), (26, 1)]


def test_a_long_run_shows_its_first_tasks_after_the_warm_up_and_says_so():
    workload = fork(warmup=200, length=3000)
    run = stream(workload, 200)
    picture = Picture(run_svg(workload, run))
    last = np.sort(run.start[run.start >= 200])[300]
    inside = (run.start <= last) & (run.finish >= 200)
    jobs = inside.any(axis=1).sum()
    assert (
        picture.texts[1]
        == f"200 … {last} us: the first 300 of {run.start.size} tasks after the warm-up, of {jobs} jobs"
    )
    assert len(picture.hovers()) == inside.sum()
    assert 300 <= inside.sum() <= 300 + 3 * workload.n_pes
    unfinished = by_hand(workload)  # nothing after the warm-up yet
    assert Picture(run_svg(workload, unfinished)).texts[1] == "0 … 26 us: all 6 tasks of 2 jobs"
    calm = fork(length=3000)
    assert Picture(run_svg(calm, stream(calm, 200))).texts[1].startswith("0 … ")


def test_a_window_of_choice(tmp_path):
    workload = fork(length=3000)
    run = stream(workload, 200)
    path = tmp_path / "part.svg"
    save_gantt(workload, run, path, 100, 160, color="app", title="part")
    picture = Picture(path.read_text())
    inside = (run.start <= 160) & (run.finish >= 100)
    assert picture.texts[0] == "part"
    assert picture.texts[1].startswith(f"100 … 160 us: {inside.sum()} of 800 tasks of ")
    assert "fork" in picture.texts
    zero, scale = picture.axis()
    for path, ((x, _, wide, _),) in picture.hovers().values():
        assert path.get("fill") == color_of(0)
        assert zero + scale * 100 - 0.2 <= x
        assert x + wide <= zero + scale * 160 + 1
    with pytest.raises(InputError, match=r"picture of soc-fork: window 160 … 100; expected 0 ≤ begin < end"):
        save_gantt(workload, run, tmp_path / "none.svg", 160, 100)
    with pytest.raises(InputError, match="color: unknown value 'pe'; expected one of job, app"):
        save_gantt(workload, run, tmp_path / "none.svg", color="pe")
    assert not (tmp_path / "none.svg").exists()


def test_many_tasks_become_busy_time_and_stay_light(tmp_path):
    workload = fork((7, 2), length=9000)
    run = stream(workload, 4000, pause=100)
    save_gantt(workload, run, tmp_path / "all.svg", 0)
    text = (tmp_path / "all.svg").read_text()
    picture = Picture(text)
    assert len(text) < 1_500_000
    assert picture.texts[1].endswith("16000 of 16000 tasks of 4000 jobs; busy time only")
    (busy,) = (path for path in picture.paths if path.get("fill") == NEUTRAL)
    _, scale = picture.axis()
    drawn = sum(wide for _, _, wide, _ in boxes(busy))
    closed = 0.0  # pixels of gaps below half a pixel, which are drawn as busy
    for p in range(workload.n_pes):
        gaps = np.diff(np.sort(np.concatenate([run.start[run.pe == p], run.finish[run.pe == p]])))[1::2] * scale
        closed += gaps[gaps < 0.5].sum()
    # Lengths are written to a tenth of a pixel; the shortest are drawn longer, so that they show.
    assert drawn == pytest.approx(scale * (run.finish - run.start).sum() + closed, abs=0.8 * len(boxes(busy)))
    assert 100 < len(boxes(busy)) < 10_000
    save_gantt(workload, run, tmp_path / "some.svg", 0, 5000)
    some = Picture((tmp_path / "some.svg").read_text())
    inside = (run.start <= 5000) & (run.finish >= 0)
    assert 2000 < inside.sum() < 6000
    assert len(some.hovers()) == inside.any(axis=1).sum()  # one per job


def test_text_shows_the_job_that_holds_most_of_a_column():
    workload = fork(outages=((1, 2, 9),), length=1000)
    run = by_hand(workload)
    lines = run_ansi(workload, run, width=2000).splitlines()
    span = 6 * int(workload.critical_path[0])
    assert lines[0] == f"soc-fork  0 ... {span} us  now 26  1/2 jobs done"
    rows = {line.split("|")[0].strip(): line.split("|")[1] for line in lines[1:]}
    assert rows["cpu 0"] == ("0" * 15 + "." * 6 + "1" * 5).ljust(span, ".")
    assert rows["cpu 1"] == (".." + "#" * 7 + "." * 4 + "1" * 6).ljust(span, ".")
    assert rows["acc 2"] == ("." * 8 + "0" * 5).ljust(span, ".")
    assert rows["jobs"] == ("1" * 12 + "2" * 9 + "1" * 6).ljust(span, "0")
    assert all(len(line) <= 60 for line in run_ansi(workload, run, width=60).splitlines()[1:])


def test_frames_of_an_episode_scroll_and_keep_their_size():
    workload = fork(length=3000)
    whole = stream(workload, 60)
    frames = [by_hand(workload, app=[], arrival=[], inject=[], pe=[], start=[], finish=[], end=0), by_hand(workload)]
    pictures = [run_rgb(workload, run) for run in (*frames, whole)]
    assert {picture.shape for picture in pictures} == {pictures[0].shape}
    assert pictures[0].shape[1:] == (960, 3)
    assert pictures[0].dtype == np.uint8
    colour = [int(color_of(0)[at : at + 2], 16) for at in (1, 3, 5)]
    assert [(picture == colour).all(axis=2).sum() > 1000 for picture in pictures] == [False, True, False]
    span = 6 * int(workload.critical_path[0])
    begin, end = map(int, re.match(r"soc-fork  (\d+) ... (\d+)", run_ansi(workload, whole)).groups())
    assert (begin, end) == (whole.end - span, whole.end)


@pytest.mark.parametrize("workload", [fork((1, 0)), fork((50, 14)), wide_chain(1000)], ids=["one", "64 PEs", "1000"])
def test_sizes_at_the_ends(workload, tmp_path):
    empty = Run([], [], [], [], [], [], 0)
    picture = Picture(run_svg(workload, empty))
    assert picture.texts[1] == "0 … 1 us: no tasks"
    assert len(picture.hovers()) == 0
    lanes = [text for text in picture.texts if re.fullmatch(r"(cpu|acc) \d+", text)]
    assert lanes == [f"{'acc' if p >= 50 else 'cpu'} {p}" for p in range(workload.n_pes)]
    waiting = Run([0], [3], [-1], -np.ones((1, workload.exec_time.shape[1])), *(2 * [-np.ones_like(workload.std)]), 9)
    assert Picture(run_svg(workload, waiting)).texts[1] == "0 … 9 us: no tasks"
    run = stream(workload, 2)
    save_gantt(workload, run, tmp_path / "run.png")
    save_dag(workload, 0, tmp_path / "dag.png", run)
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "dag.png").read_bytes().startswith(b"\x89PNG")
    assert len(dag_svg(workload, 0, run, 1)) < 500_000


@pytest.mark.parametrize(("ending", "magic"), [(".svg", b"<svg"), (".png", b"\x89PNG"), (".txt", b"soc-fork")])
def test_files(tmp_path, ending, magic):
    workload = fork()
    save_gantt(workload, by_hand(workload), tmp_path / f"run{ending}")
    assert (tmp_path / f"run{ending}").read_bytes().startswith(magic)
    assert len(list(tmp_path.iterdir())) == 1


def test_runs_that_do_not_fit_are_refused(tmp_path):
    workload, other = fork(), fork(seed=1)
    with pytest.raises(InputError, match=f"the run belongs to workload {other.digest}, expected {workload.digest}"):
        run_svg(workload, by_hand(other))
    chain = wide_chain(6)
    with pytest.raises(InputError, match="field 'pe' has 4 tasks a job, expected 6"):
        run_rgb(chain, by_hand(workload, instance_digest=""))
    with pytest.raises(InputError, match=r"field 'app': expected applications 0 … 0"):
        run_ansi(workload, by_hand(workload, app=[0, 1]))
    with pytest.raises(InputError, match=r"field 'pe': expected PEs 0 … 2"):
        dag_svg(workload, 0, by_hand(workload, pe=[[0, 0, 3, 1], [1, 0, 0, -1]]))
    with pytest.raises(InputError, match=r"run\.gif: unknown ending '\.gif'; expected \.svg, \.png or \.pdf"):
        save_gantt(workload, by_hand(workload), tmp_path / "run.gif")
    assert list(tmp_path.iterdir()) == []


def test_dag_names_kernels_and_volumes():
    picture = Picture(dag_svg(fork(), "fork"))
    assert picture.texts[:2] == ["fork: 4 tasks, 4 edges, critical path 13 us", "numbers on edges are volumes"]
    assert [text for text in picture.texts if text.isdigit()] == ["30", "7", "5"]  # none for a volume of 0
    for task, (kernel, times) in enumerate((("load", "4–6"), ("fft", "9"), ("mul", "3–5"), ("store", "0–2"))):
        assert f"{task} {kernel}" in picture.texts
        assert picture.hovers()[f"task {task}: {kernel}, {times} us"][1]
    x = {task: at[0][0] for task, (_, at) in enumerate(picture.hovers().values())}
    assert x[0] < x[1] == x[2] < x[3]


def test_dag_shows_where_and_when_a_job_ran():
    workload = fork()
    run = by_hand(workload)
    picture = Picture(dag_svg(workload, 0, run, 1, "title"))
    words = "job 1 (fork), not done, arrival 5, entry 12; numbers on edges are volumes"
    assert picture.texts[:2] == ["title", words]
    assert {"cpu 1 13–19", "cpu 0 21–", "cpu 0 queued", "not assigned"} < set(picture.texts)
    fills = [path.get("fill") for path, _ in picture.hovers().values()]
    assert fills == [color_of(0), paler(color_of(0)), paler(color_of(0), 0.85), "#ffffff"]
    assert "cpu" in picture.texts
    assert "acc" not in picture.texts  # no task of this job is there
    first = Picture(dag_svg(workload, 0, run))
    assert first.texts[1].startswith("job 0 (fork), latency 21 us, arrival 0, entry 0, end 21")
    assert {"cpu", "acc"} < set(first.texts)
    nothing = Run([], [], [], [], [], [], 0)
    assert Picture(dag_svg(workload, 0, nothing)).texts[1] == "the run has no job of it; numbers on edges are volumes"


def test_dag_input_is_checked():
    workload = fork()
    run = by_hand(workload)
    for app in ("spoon", 1, -1):
        with pytest.raises(InputError, match=rf"application {app!r}; expected fork or 0 … 0"):
            dag_svg(workload, app)
    with pytest.raises(InputError, match=r"job 2; expected a job of a run, 0 … 1"):
        dag_svg(workload, 0, run, 2)
    with pytest.raises(InputError, match=r"job 0; expected a job of a run$"):
        dag_svg(workload, 0, None, 0)
    platform = Platform("soc", (Cluster("cpu", 1),), [[1]], 1, {"*": {kernel: [1] for kernel in TIMES}})
    two = Workload.build(platform, [FORK, replace(FORK, name="knife")], Scenario())
    mixed = stream(two, 1)
    with pytest.raises(InputError, match=r"job 0 is of application fork; expected one of knife"):
        dag_svg(two, "knife", mixed, 0)
    assert Picture(dag_svg(two, "knife", mixed)).texts[1].startswith("the run has no job of it")


@pytest.mark.parametrize(("n_tasks", "density", "seed"), [(12, 0.3, 0), (60, 0.1, 1), (200, 0.02, 2), (40, 0.0, 3)])
def test_layers_follow_the_edges_and_nothing_overlaps(n_tasks, density, seed):
    rng = np.random.default_rng(seed)
    order = rng.permutation(n_tasks)
    edges = [(int(order[i]), int(order[j]), 1) for j in range(n_tasks) for i in range(j) if rng.random() < density]
    layout = layout_of(n_tasks, edges)
    parents = {task: [s for s, t, _ in edges if t == task] for task in range(n_tasks)}
    assert all(
        layout.layer[task] == max((layout.layer[s] + 1 for s in parents[task]), default=0) for task in range(n_tasks)
    )
    for (source, target, _), chain in zip(edges, layout.chains, strict=True):
        assert (chain[0], chain[-1]) == (source, target)
        assert [layout.layer[node] for node in chain] == list(range(layout.layer[source], layout.layer[target] + 1))
    for level in set(layout.layer):
        row = sorted((layout.y[node], node < n_tasks) for node, at in enumerate(layout.layer) if at == level)
        for (above, one), (below, other) in pairwise(row):
            assert below - above >= (1.0 if one and other else 0.5) - 1e-9


def test_parallel_branches_are_drawn_straight():
    edges = [(0, 1 + 3 * k, 1) for k in range(3)]
    edges += [(1 + 3 * k + i, 2 + 3 * k + i, 1) for k in range(3) for i in range(2)] + [
        (3 + 3 * k, 10, 1) for k in range(3)
    ]
    layout = layout_of(11, edges)
    for k in range(3):
        assert np.ptp(layout.y[1 + 3 * k : 4 + 3 * k]) == pytest.approx(0, abs=1e-9)
    assert layout.y[0] == pytest.approx(layout.y[10]) == pytest.approx(np.median(layout.y[1:10]))


def test_small_things():
    assert round_times(0, 26) == list(range(0, 27, 5))
    assert round_times(201, 1399) == list(range(300, 1301, 100))
    assert all(len(round_times(begin, begin + span)) <= 13 for begin in (0, 7, 999) for span in range(1, 4000, 7))
    assert (shorten("kernel", 6), shorten("kernels", 6)) == ("kernel", "kerne…")
    assert len({color_of(number) for number in range(60)}) == 60
    assert color_of(61) == color_of(1)


def test_drawing_svg_and_text_needs_no_matplotlib():
    code = (
        "import sys, ganttlet.soc_dag.dag_picture; print(sorted({'matplotlib', 'torch', 'ortools'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
