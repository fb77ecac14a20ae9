import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ganttlet_agents.cli import main
from ganttlet_agents.evaluation.report import page, render_leaderboard, render_report, write_leaderboard
from ganttlet_agents.evaluation.report.board import boards_of, common_references
from ganttlet_agents.evaluation.report.figures import staircase
from ganttlet_agents.evaluation.report.limits import MOST_BYTES, limits_of
from ganttlet_agents.evaluation.report.rowdata import make_row_data
from ganttlet_agents.evaluation.report.section import part_names
from ganttlet_agents.evaluation.results import load_results, new_folder
from ganttlet_agents.evaluation.runner import plan_run, run
from ganttlet_agents.evaluation.suite import Suite

SMALLEST, RANDOM, EXACT, SEER = "rule:smallest:fraction=0.6", "rule:random", "solver:exact", "rule:seer"
EVIL = "</script><script>alert('x')</script>&\"'{{body}}\u2028"


@pytest.fixture
def ran(tmp_path, sack):
    def run_suite(name, instances, methods, **settings):
        suite = Suite(name, "test", "", "sack", ("count",), {"": tuple(instances)}, methods, **settings)
        folder = new_folder(tmp_path / name, "", False)
        run(plan_run(suite), folder, f"command of {name}")
        return load_results(folder.folder)

    return run_suite


@pytest.fixture
def three(ran):
    """Two folders on the same instances, and one on more."""
    same = [f"s{index:02d}" for index in range(1, 6)]
    more = [f"s{index:02d}" for index in range(9)]
    return [
        ran("left", same, (SMALLEST, EXACT)),
        ran("right", same, (RANDOM, SEER, SMALLEST)),
        ran("wide", more, (RANDOM, EXACT)),
    ]


def test_methods_are_ranked_over_the_same_instances_only(three):
    narrow, wide = boards_of(three)
    assert (narrow.suites, narrow.instances, wide.suites, wide.instances) == (["left", "right"], 5, ["wide"], 9)
    assert [(place.method, place.folder, place.rank) for place in narrow.places] == [
        (EXACT, 0, 1),
        (EXACT, 2, 1),
        *[(method, folder, rank) for rank, method, folder in ordered(three, narrow)],
        (SEER, 1, None),
    ]
    # Means are over the board's five instances, also of the folder that met nine.
    five = {row.digest for row in three[0].rows}
    for place in narrow.places:
        gaps = [r.gap for r in three[place.folder].rows if r.method == place.method and r.digest in five]
        assert place.mean.value == pytest.approx(np.mean(gaps))
        assert place.rows == 5
        assert place.others == (4 if place.folder == 2 else 0)
    assert {(place.method, place.folder) for place in wide.places} == {(RANDOM, 2), (EXACT, 2)}
    assert {(method, folder, shared) for method, folder, shared in wide.partial} == {
        (SMALLEST, 0, 5),
        (EXACT, 0, 5),
        (RANDOM, 1, 5),
        (SEER, 1, 5),
        (SMALLEST, 1, 5),
    }


def ordered(folders, board):
    """Return (rank, method, folder) of the causal methods behind the two exact ones, by their own mean gaps."""
    five = {row.digest for row in folders[0].rows}
    means = {}
    for folder, results in enumerate(folders):
        for row in results.rows:
            if row.method in (SMALLEST, RANDOM) and row.digest in five:
                means.setdefault((row.method, folder), []).append(row.gap)
    means = {key: np.mean(gaps) for key, gaps in means.items()}
    ranks = [(3 + sum(other < mean for other in means.values()), *key) for key, mean in means.items()]
    return sorted(ranks, key=lambda entry: entry[0])


def test_equal_methods_share_a_rank_and_the_future_has_none(three):
    narrow, _ = boards_of(three)
    ranks = {(place.method, place.folder): place.rank for place in narrow.places}
    assert ranks[SMALLEST, 0] == ranks[SMALLEST, 1]
    assert ranks[SEER, 1] is None
    first = narrow.places[0]
    assert first.behind is None
    behind = {(place.method, place.folder): place.behind for place in narrow.places[1:]}
    assert behind[EXACT, 2].difference.value == 0
    assert behind[SMALLEST, 0].difference.value > 0
    assert behind[SMALLEST, 0].n == 5


def test_a_failed_row_costs_the_rank(three):
    rows = [
        replace(row, value=None, gap=None, feasible=False, error="none") if index == 0 else row
        for index, row in enumerate(three[0].rows)
    ]
    narrow, _ = boards_of([replace(three[0], rows=rows), *three[1:]])
    place = next(place for place in narrow.places if (place.method, place.folder) == (rows[0].method, 0))
    assert (place.rank, place.mean, place.behind, place.valid, place.rows) == (None, None, None, 4, 5)


def test_gaps_are_to_one_reference(three):
    # "count" is maximised: the larger reference is the better one.
    other = [replace(row, reference=row.reference + 1, gap=0.0) for row in three[1].rows]
    best, disputed = common_references([*three[0].rows, *other])
    assert disputed == {row.digest for row in other}
    assert best == {row.digest: row.reference for row in other}
    narrow, _ = boards_of([three[0], replace(three[1], rows=other), three[2]])
    assert narrow.disputed == 5
    for place in narrow.places:
        rows = [three, [None, replace(three[1], rows=other)]][place.folder == 1][place.folder].rows
        own = [row for row in rows if row.method == place.method and row.digest in best]
        gaps = [(best[row.digest] - row.value) / best[row.digest] for row in own]
        assert place.mean.value == pytest.approx(np.mean(gaps))


def test_instances_without_a_gap_are_left_out_for_all(three):
    digest = three[0].rows[0].digest
    without = [
        replace(results, rows=[replace(r, reference=0.0, gap=None) if r.digest == digest else r for r in results.rows])
        for results in three
    ]
    narrow, _ = boards_of(without)
    assert (narrow.metric, narrow.instances, narrow.compared) == ("gap", 5, 4)
    assert {place.behind.n for place in narrow.places[1:]} == {4}
    none = [
        replace(results, rows=[replace(r, reference=None, gap=None, reference_kind="none") for r in results.rows])
        for results in three
    ]
    narrow, _ = boards_of(none)
    assert (narrow.metric, narrow.compared) == ("value", 5)
    # More is better, so the exact ones are first still.
    assert [place.method for place in narrow.places[:2]] == [EXACT, EXACT]
    assert all(place.behind.difference.value >= 0 for place in narrow.places[1:] if place.rank)


def test_page_names_folders_and_what_is_not_ranked(three, tmp_path):
    text = render_leaderboard(three, baseline=RANDOM)
    for words in (
        "Less is better. Intervals: 95 % bootstrap over instances",
        f"{EXACT}, {RANDOM} of wide: 4 further instance(s) do not count here.",
        f"Not ranked here: {SMALLEST}, {EXACT} of left, run on 5 of these 9.",
        "command of right",
        f"Paired against {RANDOM}",
        f"Paired against {SMALLEST}",
        three[0].rows[0].commit[:10],
    ):
        assert words in text
    targets = set(re.findall(r'href="#([^"]+)"', text))
    ids = re.findall(r' id="([^"]+)"', text)
    assert targets <= set(ids)
    assert len([name for name in ids if name.startswith(("run", "board"))]) == len(set(ids) - {"tip"})
    assert render_leaderboard(three) == render_leaderboard([load_results(results.folder) for results in three])
    written = write_leaderboard([results.folder for results in three], tmp_path / "new" / "page.html")
    assert written.read_text(encoding="utf-8") == render_leaderboard(three)


def test_page_lists_its_folders(three):
    unfinished = replace(three[1], meta=three[1].meta | {"state": "interrupted"})
    text = render_leaderboard([three[0], unfinished, three[2]])
    lines = [line for line in text.splitlines() if line.startswith('<tr><td class="text"><a href="#run-')]
    names = [re.search(r'href="#run-(\d)">(\w+)</a>', line).groups() for line in lines]
    assert names == [("1", "left"), ("2", "right"), ("3", "wide")]
    assert ["not finished" in line for line in lines] == [False, True, False]
    assert "command of wide" in lines[2]


def test_folders_with_equal_names_are_told_apart():
    assert part_names(["a/run", "b/run", "c/other/"]) == ["a/run", "b/run", "other"]


def test_command_writes_the_page_and_prints_the_ranks(three, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", "report", "left", "right", "wide", "--charts", "0"]) == 0
    out = capsys.readouterr().out
    assert "sack, count: left, right, 5 instances" in out
    assert "sack, count: wide, 9 instances" in out
    assert "leaderboard.html" in out
    assert "board-2" in Path("results/leaderboard.html").read_text(encoding="utf-8")
    for words, message in (
        (["left", "./left"], "left: given twice, as left before"),
        (["left", "nowhere"], "meta.json: cannot be read"),
        (["left", "right", "--baseline", "rule:no"], "baseline: unknown value 'rule:no'"),
    ):
        assert main(["evaluate", "report", *words]) == 2
        assert message in capsys.readouterr().err.replace("\n", " ")


def test_results_cannot_break_out_of_the_page(three):
    rows = [replace(row, method=row.method + EVIL, instance=EVIL, status=EVIL, group=EVIL) for row in three[0].rows]
    evil = replace(three[0], rows=rows)
    for text in (render_report(evil), render_leaderboard([evil, three[2]])):
        assert "<script>alert" not in text
        assert text.count("<script") == text.count("</script>") == text.count('class="data"') + 1
        assert text.count("{{body}}") > 0
        assert text.count("<main>") == 1
        assert text.count("Content-Security-Policy") == 1
        block = re.search(r'<script type="application/json" class="data">(.*?)</script>', text, re.DOTALL)[1]
        assert "\u2028" not in block
        data = json.loads(block)
        assert data["texts"][data["rows"][0][2]] == EVIL


def test_rows_of_the_page_are_the_folders_rows(three):
    results = three[1]
    data = make_row_data(results.rows, [RANDOM, SMALLEST, SEER], [], 1000)
    block = json.loads(data.text)
    titles = [title for title, *_ in block["columns"]]
    assert titles[:9] == ["instance", "objective", "method", "seed", "value", "gap %", "% of bound", "status", "s"]
    assert "decisions" in titles
    assert "simulator steps" not in titles
    assert block["max"] == ["count"]
    assert len(block["rows"]) == len(results.rows) == 15
    for line, row in zip(block["rows"], results.rows, strict=True):
        assert line[0] == [RANDOM, SMALLEST, SEER].index(row.method)
        cells = dict(zip(titles, line[2:], strict=True))
        assert block["texts"][cells["instance"]] == row.instance
        assert cells["value"] == row.value
        assert cells["gap %"] == pytest.approx(row.gap, abs=1e-9)
    part = make_row_data(results.rows, [RANDOM, SMALLEST, SEER], [], 4)
    assert (part.stride, part.total, len(part.rows)) == (4, 15, 4)
    assert list(part.place.values()) == [0, 1, 2, 3]


def test_costs_of_methods_are_shown_where_they_are_known(three):
    bare = [replace(row, latency_mean=None, latency_p99=None, peak_memory=None) for row in three[0].rows]
    assert not re.search("ms / decision|MiB|simulator steps", render_report(replace(three[0], rows=bare), charts=0))
    known = [
        replace(row, latency_mean=0.002, latency_p99=0.0123, peak_memory=100.0 + index, simulated=40)
        if row.method == EXACT
        else row
        for index, row in enumerate(bare)
    ]
    text = render_report(replace(three[0], rows=known), charts=0)
    assert '<td data-v="0.002">2<span class="ci">p99 12.3</span></td>' in text
    assert f'<td data-v="{100.0 + len(bare) - 1}">109</td>' in text
    for title in ("s / decision", "p99", "MiB", "simulator steps"):
        assert f'["{title}",' in text


def test_a_run_that_went_on_names_both_commands_and_commits(three):
    meta = three[0].meta | {"resumed": [{"command": "again & again", "started": "later"}]}
    rows = [replace(row, commit="c0ffee") if index == 3 else row for index, row in enumerate(three[0].rows)]
    text = render_report(replace(three[0], rows=rows, meta=meta), charts=0)
    assert "command of left\nagain &amp; again" in text
    assert f"{rows[0].commit}, c0ffee" in text


def test_stairs_of_a_profile():
    assert staircase([1.0, 3.0], [0.5, 0.75], 0.0, 4.0) == [(0, 0), (1, 0), (1, 0.5), (3, 0.5), (3, 0.75), (4, 0.75)]
    assert staircase([], [], 0.0, 4.0) == [(0, 0), (4, 0)]


@pytest.mark.parametrize("metric", ["gap", "value"])
def test_profile_counts_failed_rows_and_turns_what_is_maximised(three, metric):
    rows = three[0].rows
    if metric == "value":
        rows = [replace(row, reference=None, reference_kind="none", gap=None) for row in rows]
    last = [row for row in rows if row.method == EXACT][-1]
    failed = replace(last, value=None, gap=None, feasible=False, error="none")
    text = render_report(replace(three[0], rows=[failed if row is last else row for row in rows]), charts=0)
    steps = re.findall(rf"<title>{EXACT}: ([\d.]+) % \(([\d.]+) … ([\d.]+)\) of rows ([≤≥]) ([\d.]+)", text)
    shares = [float(step[0]) for step in steps]
    assert shares == sorted(shares)
    assert shares[-1] == 80
    assert all(float(low) <= float(share) <= float(high) for share, low, high, *_ in steps)
    assert {sign for *_, sign, _ in steps} == {"≤" if metric == "gap" else "≥"}
    values = [float(step[-1]) for step in steps]
    assert values == sorted(values, reverse=metric == "value")
    assert text.count("<polygon") == text.count("<polyline") == 2


def test_many_rows_stay_below_the_limit(three):
    base = three[1].rows
    many = [
        replace(row, key=f"{row.key}{copy}", digest=f"{row.digest}{copy}", instance=f"{row.instance} number {copy}")
        for copy in range(400)
        for row in base
    ]
    text = render_report(replace(three[1], rows=many), charts=0)
    assert 300_000 < len(text.encode("utf-8")) < MOST_BYTES / 4
    assert "All rows (6000)" in text
    assert "3000 of 6000 rows are drawn." in text
    assert "of 2000 instances, spread over the run" in text
    # Two plots have dots of rows.
    assert text.count("data-r=") == 6000


def test_a_page_is_thinned_until_it_fits(monkeypatch):
    monkeypatch.setattr(page, "MOST_BYTES", 40_000)
    scales = []

    def limits(scale):
        scales.append(scale)
        return limits_of(1, 1, scale)

    text = page.fitted("title", lambda limits: "é" * limits.rows, limits)
    assert scales == [1.0, 0.5, 0.25, 0.125][: len(scales)]
    assert len(scales) > 1
    assert len(text.encode("utf-8")) <= 40_000
    # What tables alone take cannot be thinned; it is written as it is.
    assert "x" * 50_000 in page.fitted("title", lambda limits: "x" * 50_000, limits)


def test_pictures_share_the_page(three, monkeypatch):
    text = render_report(three[2], charts=6)
    assert text.count('class="picture"') == 5
    monkeypatch.setattr(page, "limits_of", lambda *args: replace(limits_of(*args), pictures=60))
    text = render_report(three[2], charts=6)
    assert text.count('class="picture"') == 2
    assert "3 more picture(s) left out to keep the page small." in text
