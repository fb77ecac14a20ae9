"""Bounds that a suite brings along, and shares of them."""

from dataclasses import replace

import pytest
from rich.console import Console

from ganttlet.core.errors import InputError
from ganttlet_agents.evaluation.bounds import load_bounds, shares_of_bound, tighter
from ganttlet_agents.evaluation.report import render_report
from ganttlet_agents.evaluation.results import load_results, new_folder
from ganttlet_agents.evaluation.runner import plan_run, run
from ganttlet_agents.evaluation.suite import load_suite
from ganttlet_agents.evaluation.summary import summarise
from ganttlet_agents.evaluation.tables import OF_BOUND, print_summaries

HEAD = "digest,objective,bound,source,remark"
SUITE = """
family: sack
objective: {objective}
instances: [s01, s02, s05]
methods: {methods}
reference: {reference}
bounds: sacks.csv
"""


@pytest.fixture
def execute(tmp_path, sack):
    """Runs a suite in whose file s01 and s02 have bounds of twice their optimum."""

    def execute(methods="[rule:smallest]", reference="best_known", objective="count", factor=2.0):
        lines = [HEAD]
        for name in ("s01", "s02"):
            instance = sack.resolve(name)
            lines.append(f"{instance.digest},{objective},{factor * sack.optimum(instance)},by hand,of {name}")
        (tmp_path / "sacks.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        path = tmp_path / "mine.yaml"
        path.write_text(SUITE.format(methods=methods, reference=reference, objective=objective), encoding="utf-8")
        folder = new_folder(tmp_path / f"out-{len(list(tmp_path.iterdir()))}", "", False)
        return list(run(plan_run(load_suite(str(path))), folder, "the command")), folder.folder

    return execute


@pytest.mark.parametrize(
    ("first", "second", "sense", "found"),
    [
        (3.0, 2.0, "max", 2.0),
        (2.0, 3.0, "max", 2.0),
        (3.0, 2.0, "min", 3.0),
        (None, 2.0, "min", 2.0),
        (2.0, None, "max", 2.0),
        (None, None, "max", None),
    ],
)
def test_the_tighter_bound_is_the_one_nearer_to_the_optimum(first, second, sense, found):
    assert tighter(first, second, sense) == found


def test_rows_carry_the_bound_of_the_file(execute, sack):
    rows, folder = execute(reference="none")
    optima = [sack.optimum(sack.resolve(name)) for name in ("s01", "s02")]
    assert [row.reference_bound for row in rows] == [2 * optima[0], 2 * optima[1], None]
    assert all(row.reference is None and row.gap is None for row in rows)
    shares = shares_of_bound(rows)
    assert [shares.get(row.key) for row in rows] == [
        pytest.approx(row.value / row.reference_bound) if row.reference_bound else None for row in rows
    ]
    assert load_results(folder).rows == rows


def test_of_two_bounds_the_tighter_one_counts(execute, sack):
    loose, _ = execute()
    optima = [sack.optimum(sack.resolve(name)) for name in ("s01", "s02", "s05")]
    assert [row.reference_bound for row in loose] == optima
    rows, folder = execute(reference='{method: "rule:smallest"}')
    assert [row.reference_bound for row in rows] == [2 * optima[0], 2 * optima[1], None]
    notes = [entry["count"] for entry in load_results(folder).meta["references"].values()]
    assert [entry["source"] for entry in notes] == [*["rule:smallest; bound: by hand"] * 2, "rule:smallest"]
    assert [entry["bound"] for entry in notes] == [2 * optima[0], 2 * optima[1], None]


def test_a_bound_that_a_method_proves_serves_all_rows_of_the_instance(execute, sack):
    rows, _ = execute("[rule:smallest, solver:exact]", "none")
    shares = shares_of_bound(rows)
    for row in rows:
        assert shares[row.key] == pytest.approx(row.value / sack.optimum(sack.resolve(row.instance)))
    assert {shares[row.key] for row in rows if row.method == "solver:exact"} == {1.0}


def test_a_minimised_objective_has_no_share(execute):
    rows, _ = execute(objective="slack", reference="none")
    assert rows[0].reference_bound is not None
    assert shares_of_bound(rows) == {}


def test_a_bound_that_is_not_positive_has_no_share(execute):
    rows, _ = execute(reference="none", factor=0.0)
    assert shares_of_bound(rows) == {}
    # And a value above it is a contradiction.
    assert [row.reference_conflict for row in rows] == [True, True, False]


def test_tables_and_report_name_the_share(execute):
    rows, folder = execute("['rule:smallest:fraction=0.5', rule:crash]", "none")
    (summary,) = summarise(rows)
    smallest, crash = summary.methods
    expected = [row.value / row.reference_bound for row in rows[::2][:2]]
    assert smallest.of_bound.value == pytest.approx(sum(expected) / 2)
    assert smallest.of_bound.low <= smallest.of_bound.value <= smallest.of_bound.high
    assert (crash.of_bound, summary.bounded, summary.instances) == (None, 2, 3)
    console = Console(record=True, width=200)
    print_summaries(console, [summary])
    page, text = render_report(load_results(folder)), console.export_text()
    for shown in (page, text):
        assert OF_BOUND in shown
        assert f"{100 * smallest.of_bound.value:.2f}" in shown
        assert "2 of 3 have one" in shown
    assert f"{100 * expected[0]:.2f}" in page


def test_without_bounds_nothing_is_said_of_them(execute):
    rows, _ = execute(reference="none")
    console = Console(record=True, width=200)
    print_summaries(console, summarise([replace(row, reference_bound=None) for row in rows]))
    assert OF_BOUND not in console.export_text()


def test_bounds_count_in_the_hash_of_a_run(execute):
    assert execute()[0][0].config_hash != execute(factor=3.0)[0][0].config_hash


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("digest,objective,bound\na,count,1\n", r"sacks\.csv: column 'source' is missing; expected digest, objective"),
        (f"{HEAD}\na,cuont,1,x,\n", r"sacks\.csv, line 2: objective: unknown value 'cuont'; expected one of count"),
        (f"{HEAD}\na,count,1,x,\nb,count,inf,x,\n", r"line 3: bound is 'inf'; expected a finite number"),
        (f"{HEAD}\na,count,many,x,\n", r"line 2: bound is 'many'; expected a finite number"),
        (f"{HEAD}\na,count,1\n", r"line 2: expected a value in each of digest, objective, bound, source"),
        (f"{HEAD}\na,count,1,x,\na,count,2,x,\n", r"line 3: a second bound on count of instance a"),
    ],
)
def test_mistakes_in_a_file_are_named(tmp_path, sack, text, message):
    path = tmp_path / "sacks.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load_bounds(path, sack.FAMILY)


def test_a_missing_file_stops_a_plan(tmp_path, sack):
    path = tmp_path / "mine.yaml"
    path.write_text(SUITE.format(methods="[rule:smallest]", reference="none", objective="count"), encoding="utf-8")
    with pytest.raises(InputError, match=r"bounds: .*sacks\.csv: cannot be read"):
        plan_run(load_suite(str(path)))
    path.write_text("family: sack\ninstances: [s01]\nbounds: 3\n", encoding="utf-8")
    with pytest.raises(InputError, match="key 'bounds': expected a text"):
        load_suite(str(path))
