import io
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from ganttlet.core.errors import InputError
from ganttlet_agents.evaluation.charts import pick_charts, render_charts
from ganttlet_agents.evaluation.plots import (
    Point,
    Series,
    Strip,
    linear_axis,
    log_axis,
    nice_ticks,
    strip_plot,
    xy_plot,
)
from ganttlet_agents.evaluation.report import render_report, write_report
from ganttlet_agents.evaluation.results import load_results, new_folder
from ganttlet_agents.evaluation.runner import plan_run, run
from ganttlet_agents.evaluation.statistics import Estimate
from ganttlet_agents.evaluation.suite import Suite
from ganttlet_agents.evaluation.summary import summarise
from ganttlet_agents.evaluation.tables import number, print_problems, print_summaries

VOID = {"meta", "br", "link", "input"}


class Page(HTMLParser):
    """Collects text, attributes and tags, and checks that tags are closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.text, self.attributes, self.tags = [], [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture
def folder(tmp_path, sack):
    suite = Suite(
        name="<b>bold</b> & more",
        source="test",
        about="<script>alert(1)</script>",
        family="sack",
        objectives=("count", "slack"),
        groups={"few": ("s01", "s02"), "many": ("s10", "s11", "s12")},
        methods=("rule:smallest:fraction=0.6", "rule:random", "solver:exact", "rule:seer"),
        seeds=(0, 1),
    )
    made = new_folder(tmp_path / "out", "", False)
    run(plan_run(suite), made, "evaluate --suite '<x>'")
    return made.folder


@pytest.fixture
def failing(tmp_path, sack):
    methods = ("rule:smallest", "rule:crash", "rule:liar", "rule:overload")
    suite = Suite("bad", "test", "", "sack", ("count",), {"": ("s01", "s02")}, methods)
    made = new_folder(tmp_path / "bad", "", False)
    run(plan_run(suite), made, "command")
    return made.folder


def printed(rows, baseline=None, reference=""):
    console = Console(file=io.StringIO(), width=200, highlight=False)
    print_summaries(console, summarise(rows, baseline, reference))
    print_problems(console, rows)
    return console.file.getvalue()


def test_summary_means_agree_with_the_rows(folder):
    rows = load_results(folder).rows
    count, slack = summarise(rows)
    assert (count.objective, count.metric, count.groups, count.instances) == ("count", "gap", ["few", "many"], 5)
    assert (slack.objective, slack.metric) == ("slack", "value")
    assert count.references == {"optimal": 5}
    for entry in count.methods:
        gaps = [row.gap for row in rows if row.method == entry.method and row.objective == "count"]
        assert entry.mean.value == pytest.approx(sum(gaps) / len(gaps))
        assert (entry.rows, entry.feasible, entry.failed, entry.complete) == (10, 10, 0, True)
        few = [row.gap for row in rows if row.method == entry.method and row.group == "few" and row.gap is not None]
        assert entry.groups["few"] == pytest.approx(sum(few) / len(few))


def test_further_objectives_stand_beside(folder):
    rows = load_results(folder).rows
    count, slack = summarise(rows)
    assert (count.beside, slack.beside) == (["count", "slack"], [])
    for entry in count.methods:
        own = [row.values for row in rows if row.method == entry.method and row.objective == "count"]
        means = {name: sum(values[name] for values in own) / len(own) for name in ("count", "slack")}
        assert entry.beside == pytest.approx(means)
    assert not any(entry.beside for entry in slack.methods)
    # By value, the objective's own mean is the metric.
    assert summarise([replace(row, gap=None) for row in rows])[0].beside == ["slack"]
    shown = number(count.methods[0].beside["slack"], "value")
    for words in (printed(rows), "".join(Page(render_report(load_results(folder))).text)):
        assert "mean slack" in words
        assert shown in words


def test_values_that_rows_lack_leave_the_mean_alone(folder):
    rows = [row for row in load_results(folder).rows if row.objective == "count"]
    without = [replace(row, values={}) if row.instance != "s01" else row for row in rows]
    kept = [row.values["slack"] for row in rows if row.instance == "s01" and row.method == rows[0].method]
    assert summarise(without)[0].methods[0].beside["slack"] == pytest.approx(sum(kept) / len(kept))
    bare = [replace(row, values={}) for row in rows]
    assert summarise(bare)[0].methods[0].beside == {}
    assert "mean slack" in printed(bare)


def test_clairvoyant_methods_come_last_and_never_win(folder):
    count = summarise(load_results(folder).rows)[0]
    assert [entry.method for entry in count.methods][-1] == "rule:seer"
    assert count.methods[-1].mean.value == 0
    assert count.best() == {"solver:exact"}
    assert count.best("few") >= {"solver:exact"}
    assert "rule:seer" not in count.best("few")


def test_maximised_values_are_compared_the_right_way_round(folder):
    rows = [replace(row, gap=None) for row in load_results(folder).rows if row.objective == "count"]
    (count,) = summarise(rows, baseline="solver:exact")
    assert count.metric == "value"
    assert count.best() == {"solver:exact"}
    worse = next(entry for entry in count.methods if entry.method == "rule:smallest:fraction=0.6")
    assert worse.paired.difference.value > 0
    assert worse.paired.losses > 0 == worse.paired.wins


def test_wins_are_counted_where_no_gap_exists(folder):
    rows = [
        replace(row, gap=None) if row.group == "many" else row
        for row in load_results(folder).rows
        if row.objective == "count"
    ]
    (count,) = summarise(rows, baseline="rule:smallest:fraction=0.6")
    exact = next(entry for entry in count.methods if entry.method == "solver:exact")
    assert exact.paired.n == 5
    assert exact.measured == 4
    assert re.search(r"Gap undefined on 6 valid row\(s\) of .*solver:exact", printed(rows))


def test_incomplete_methods_are_never_best(failing):
    (count,) = summarise(load_results(failing).rows)
    assert count.best() == set()
    assert {entry.method: entry.failed for entry in count.methods}["rule:crash"] == 2


def test_baseline_must_exist(folder):
    with pytest.raises(InputError, match="baseline: unknown value 'rule:other'; expected one of rule:smallest"):
        summarise(load_results(folder).rows, "rule:other")
    with pytest.raises(InputError, match="no result rows"):
        summarise([])


def test_terminal_table_names_everything(folder):
    rows = load_results(folder).rows
    text = printed(rows, "rule:random")
    assert "Reference best_known, kind (instances): optimum (5)." in printed(rows, reference="best_known")
    for words in ("count, 5 instances", "gap %", "few", "many", "rule:seer (clairvoyant)", "10/10"):
        assert words in text
    assert "paired against rule:random" in text


def test_intervals_are_stratified_by_the_suites_groups(folder):
    rows = [row for row in load_results(folder).rows if row.objective == "count" and row.method != "rule:random"]
    level = {"few": 0.1, "many": 0.5}
    rows = [replace(row, gap=level[row.group] if row.method == "solver:exact" else 0.0) for row in rows]
    exact = next(entry for entry in summarise(rows)[0].methods if entry.method == "solver:exact")
    for found in (exact.mean, exact.iqm, exact.paired.difference):
        assert found.low == pytest.approx(found.value) == pytest.approx(found.high)
        assert found.stratified
    assert "Intervals: 95 % stratified bootstrap over instances. IQM" in printed(rows)
    plain = [replace(row, group="") for row in rows]
    assert "Intervals: 95 % bootstrap over instances. IQM" in printed(plain)
    exact = next(entry for entry in summarise(plain)[0].methods if entry.method == "solver:exact")
    assert exact.mean.low < exact.mean.value < exact.mean.high
    assert exact.paired.difference.low < exact.paired.difference.high


def test_stratified_values_have_stratified_differences(folder):
    rows = [row for row in load_results(folder).rows if row.objective == "slack" and row.gap is None]
    level = {"few": 1.0, "many": 9.0}
    rows = [replace(row, value=level[row.group] if row.method == "solver:exact" else 0.0) for row in rows]
    exact = next(entry for entry in summarise(rows)[0].methods if entry.method == "solver:exact")
    assert exact.paired.difference.low == exact.paired.difference.high == pytest.approx(exact.mean.value)


def test_mixed_intervals_say_which_is_whose(folder):
    rows = [replace(row, group="") for row in load_results(folder).rows]
    words = "stratified bootstrap over seeds for rule:random"
    assert f", {words}. IQM" in printed(rows) or f" {words}, bootstrap over instances for" in printed(rows)


def test_one_instance_is_singular(folder):
    rows = [row for row in load_results(folder).rows if row.instance == "s01"]
    text = printed(rows)
    assert "count, 1 instance\n" in text
    assert "1 instances" not in text


def test_terminal_tells_failures(failing):
    text = printed(load_results(failing).rows)
    assert "rule:crash failed on 2 rows; first s01, count, seed 0: ZeroDivisionError" in text
    assert "rule:overload failed on 2 rows" in text
    assert "rule:liar conflicts with a proven bound on 2 rows" in text
    assert "rule:smallest conflicts with a proven bound on 2 rows" in text


@pytest.mark.parametrize(
    ("value", "metric", "text"),
    [(0.12345, "gap", "12.35"), (None, "gap", "–"), (12.3456, "value", "12.35"), (1234567.0, "value", "1,234,567")],
)
def test_numbers_are_printed_with_sense(value, metric, text):
    assert number(value, metric) == text


def test_page_is_whole_and_escaped(folder):
    text = render_report(load_results(folder))
    page = Page(text)
    joined = "".join(page.text)
    for words in (
        "<b>bold</b> & more",
        "<script>alert(1)</script>",
        "evaluate --suite '<x>'",
        "rule:random",
        "smallest first",
    ):
        assert words in joined
    # The page's own script, and the block of rows, which is no script.
    assert page.tags.count("script") == 2
    assert page.attributes.count(("type", "application/json")) == 1
    assert page.tags.count("b") == text.count("<b>")
    assert "alert(1)" not in re.sub(r"&lt;script&gt;alert\(1\)", "", text)


def test_page_asks_for_nothing_outside_itself(folder):
    text = render_report(load_results(folder))
    page = Page(text)
    assert not {name for name, _ in page.attributes} & {"src", "srcset", "action"}
    targets = [value for name, value in page.attributes if name == "href"]
    assert targets
    assert {value[0] for value in targets} == {"#"}
    assert {value[1:] for value in targets} <= {value for name, value in page.attributes if name == "id"}
    assert "link" not in page.tags
    assert "@import" not in text
    assert "url(" not in text
    assert any(name == "content" and "default-src 'none'" in value for name, value in page.attributes)


def test_page_holds_every_row_and_the_pictures(folder):
    results = load_results(folder)
    text = render_report(results, charts=4)
    assert text.count("<!-- ") == 4
    assert f"All rows ({len(results.rows)})" in text
    assert 'class="picture"' not in render_report(results, charts=0)


def test_page_is_written_from_the_files_alone(folder, tmp_path):
    first = write_report(load_results(folder))
    moved = tmp_path / "moved"
    shutil.copytree(folder, moved)
    shutil.rmtree(folder)
    again = write_report(load_results(moved), tmp_path / "page.html")
    assert again == tmp_path / "page.html"
    assert first == folder / "report.html"
    assert again.read_bytes() == (moved / "report.html").read_bytes()


def test_page_shows_failures_and_interruption(failing):
    results = load_results(failing)
    results.meta["state"] = "interrupted"
    text = render_report(results)
    assert "The run did not finish" in text
    assert "rule:crash failed on 2 rows" in text


def test_missing_solution_is_told_not_fatal(folder):
    shutil.rmtree(folder / "solutions")
    assert "no picture" in render_report(load_results(folder), charts=2)


def test_pictures_are_best_and_worst_of_spread_instances(folder):
    rows = [row for row in load_results(folder).rows if row.objective == "count"]
    picked = pick_charts(rows, 4)
    assert [row.instance for row in picked] == ["s01", "s01", "s12", "s12"]
    for best, worst in zip(picked[::2], picked[1::2], strict=True):
        values = [row.value for row in rows if row.instance == best.instance]
        assert (best.value, worst.value) == (max(values), min(values))
    assert len(pick_charts(rows, 1)) == 1
    assert pick_charts([], 4) == []


def test_pictures_stop_at_the_size_limit(folder):
    rows = pick_charts(load_results(folder).rows, 4)
    figures, left_out = render_charts(folder, rows, limit=60)
    assert len(figures) + left_out == len(rows)
    assert left_out > 0


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3, 47), (0, 0), (0, 1e-5), (0, 123456), (-0.2, 0.1)])
def test_ticks_cover_the_range_and_are_few(low, high):
    ticks = nice_ticks(low, high)
    assert ticks[0] <= low
    assert ticks[-1] >= high
    assert len(ticks) <= 11
    assert ticks == sorted(set(ticks))


def test_plot_keeps_its_dots_inside():
    points = [Point(0.0, words="a"), Point(55.5, words="b <c>"), Point(-3.0, row=7)]
    mean = Estimate(10, -8, 20, "instances")
    text = strip_plot([Strip("m & n", 0, points, mean), Strip("empty", 9, [], None)], "gap")
    page = Page(text)
    xs = [float(x) for x in re.findall(r'cx="([-\d.]+)"', text)]
    assert len(xs) == 3
    bar = [float(x) for x in re.search(r'class="bar" d="M([\d.]+) \d+H([\d.]+)"', text).groups()]
    assert all(0 <= x <= 900 for x in [*xs, *bar])
    assert xs[2] < xs[0] < xs[1]
    assert "b &lt;c&gt;" in text
    assert "m &amp; n" in text
    assert [value for name, value in page.attributes if name == "data-r"] == ["7"]
    assert [value for name, value in page.attributes if name == "data-m"] == ["0", "9"]
    assert "c1 hollow" in text


@pytest.mark.parametrize(("low", "high"), [(0.0012, 0.0049), (1, 1), (3e-6, 4e3), (0.9, 1.1), (0.02, 50)])
def test_logarithmic_axes_cover_the_range(low, high):
    axis = log_axis("seconds", [low, high])
    assert axis.low <= low <= high <= axis.high
    assert 0 <= axis.share(low) <= axis.share(high) <= 1
    assert 2 <= len(axis.ticks) <= 8 or high / low > 1e3
    # No more than one step of 1, 2, 5 is empty at either end.
    assert low / axis.low <= 2.6
    assert axis.high / high <= 2.6 or low == high


def test_two_axes_put_better_and_faster_where_they_belong():
    dots = [Point(0.1, 5.0, "slow good"), Point(0.001, 50.0, "fast bad")]
    across, up = log_axis("seconds", [0.001, 0.1]), linear_axis("gap", [5.0, 50.0])
    text = xy_plot([Series(3, dots, [(0.001, 5.0), (0.1, 50.0)])], across, up, "a & b")
    Page(text)
    slow, fast = (tuple(map(float, pair)) for pair in re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', text))
    assert slow[0] > fast[0]
    assert slow[1] > fast[1]  # y grows downwards
    assert "a &amp; b" in text


@pytest.mark.parametrize("name", ["page.html", "page.css", "page.js"])
def test_page_parts_are_packaged(name):
    import ganttlet_agents.evaluation.report as package

    assert (Path(package.__file__).parent / name).is_file()
