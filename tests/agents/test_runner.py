import json
import re
import sys
from dataclasses import asdict, replace
from functools import cached_property

import pytest

from ganttlet.core.errors import InputError
from ganttlet.core.family import get_family
from ganttlet_agents.evaluation.ledger import Ledger
from ganttlet_agents.evaluation.report import render_report
from ganttlet_agents.evaluation.results import META_SHAPE, instance_path, load_results, new_folder, solution_path
from ganttlet_agents.evaluation.rows import (
    MEASURED,
    Row,
    beats,
    difference_of,
    gap_of,
    row_key,
)
from ganttlet_agents.evaluation.runner import plan_run, run
from ganttlet_agents.evaluation.suite import Suite
from ganttlet_agents.evaluation.summary import problems


def suite_of(*methods, **changes):
    fields = {
        "name": "test",
        "source": "test.yaml",
        "about": "",
        "family": "sack",
        "objectives": ("count",),
        "groups": {"": ("s01", "s02", "s05")},
        "methods": methods,
    }
    return Suite(**{**fields, **changes})


@pytest.fixture
def execute(tmp_path, sack):
    def execute(*methods, out="out", **changes):
        folder = new_folder(tmp_path / out, "", False)
        rows = list(run(plan_run(suite_of(*methods, **changes)), folder, "the command"))
        return rows, folder.folder

    return execute


def marks(rows):
    """Return which rows of two methods are marked."""
    ledger = Ledger(len(rows))
    for place, row in enumerate(rows):
        ledger.note(place, 0, row)
    return ledger.conflicts([rows[0].sense], 2).tolist()


def untimed(rows):
    return [{key: value for key, value in asdict(row).items() if key not in MEASURED} for row in rows]


@pytest.mark.parametrize(
    ("value", "reference", "sense", "gap", "difference"),
    [
        (110.0, 100.0, "min", 0.1, 10.0),
        (90.0, 100.0, "min", -0.1, -10.0),
        (90.0, 100.0, "max", 0.1, 10.0),
        (110.0, 100.0, "max", -0.1, -10.0),
        (5.0, 0.0, "min", None, 5.0),
        (0.0, 0.0, "min", None, 0.0),
        (5.0, -10.0, "min", None, 15.0),
        (-5.0, 10.0, "max", None, 15.0),
        (-9.0, -10.0, "min", 0.1, 1.0),
        (-11.0, -10.0, "max", 0.1, 1.0),
        (0.0, 10.0, "max", 1.0, 10.0),
    ],
)
def test_gap_and_difference_are_positive_when_worse(value, reference, sense, gap, difference):
    assert gap_of(value, reference, sense) == (None if gap is None else pytest.approx(gap))
    assert difference_of(value, reference, sense) == pytest.approx(difference)


def test_bounds_are_beaten_only_beyond_rounding():
    assert beats(99.0, 100.0, "min")
    assert not beats(100.0, 100.0 + 1e-6, "min")
    assert beats(101.0, 100.0, "max")
    assert not beats(99.0, 100.0, "max")


def test_rows_hold_what_was_found(execute, sack):
    rows, folder = execute("rule:smallest:fraction=0.5", "solver:exact", seeds=(3,))
    assert [(row.instance, row.method) for row in rows[:2]] == [
        ("s01", "rule:smallest:fraction=0.5"),
        ("s01", "solver:exact"),
    ]
    for row in rows:
        problem = sack.resolve(row.instance)
        assert row.digest == problem.digest
        assert (row.family, row.objective, row.sense, row.seed) == ("sack", "count", "max", 3)
        assert (row.reference, row.reference_kind) == (sack.optimum(problem), "optimal")
        assert row.gap == pytest.approx((row.reference - row.value) / row.reference)
        assert row.difference == row.reference - row.value
        assert row.feasible
        assert row.error is None
        assert row.decisions == len(problem.size)
        assert row.key == row_key("sack", row.digest, "count", row.method, 3)
        solution = sack.Packing.load(solution_path(folder, row.key))
        assert sack.validate(problem, solution).values == row.values
        assert row.values["count"] == row.value
        assert sack.Sack.load(instance_path(folder, row.digest)) == problem
    exact = [row for row in rows if row.method == "solver:exact"]
    assert all(row.optimal and row.gap == 0 and row.bound == row.value and not row.deterministic for row in exact)
    assert any(row.gap > 0 for row in rows)
    assert len({row.config_hash for row in rows}) == 1


def test_rows_and_meta_are_read_back(execute):
    rows, folder = execute("rule:random", "rule:seer", seeds=(0, 1), objectives=("count", "slack"))
    found = load_results(folder)
    assert found.rows == rows
    assert len(rows) == 3 * 2 * 2 * 2
    assert found.meta["state"] == "complete"
    assert found.meta["command"] == "the command"
    assert [entry["label"] for entry in found.meta["methods"]] == ["rule:random", "rule:seer"]
    assert [entry["information"] for entry in found.meta["methods"]] == ["causal", "clairvoyant"]
    assert found.meta["objectives"]["count"]["sense"] == "max"
    assert found.meta["config_hash"] == rows[0].config_hash
    assert {row.information for row in rows if row.method == "rule:seer"} == {"clairvoyant"}


@pytest.mark.parametrize("schema", [1, 2])
def test_rows_of_older_schemas_are_read(execute, schema):
    rows, folder = execute("rule:smallest", "rule:crash")
    old = []
    for line in (folder / "rows.jsonl").read_text(encoding="utf-8").splitlines():
        data = json.loads(line)
        for key in ("simulated", "latency_mean", "latency_p99", "peak_memory", *(["values"] if schema == 1 else [])):
            del data[key]
        old.append(json.dumps({**data, "schema": schema}))
    (folder / "rows.jsonl").write_text("\n".join(old) + "\n", encoding="utf-8")
    found = load_results(folder).rows
    unknown = {"simulated": 0, "latency_mean": None, "latency_p99": None, "peak_memory": None}
    expected = [replace(row, **unknown) for row in rows]
    if schema == 1:
        judged = [{"count": row.value} if row.value is not None else {} for row in rows]
        expected = [replace(row, values=values) for row, values in zip(expected, judged, strict=True)]
    assert found == expected
    assert {row.method: bool(row.values) for row in found} == {"rule:smallest": True, "rule:crash": False}


def test_infinite_values_are_no_values(execute, sack, monkeypatch):
    judge = sack.FAMILY.validate

    def validate(instance, solution):
        verdict = judge(instance, solution)
        return replace(verdict, values={**verdict.values, "slack": float("inf")})

    monkeypatch.setattr(sys.modules["sack_family"], "FAMILY", replace(sack.FAMILY, validate=validate))
    get_family.cache_clear()
    rows, folder = execute("rule:smallest", objectives=("count", "slack"))
    assert load_results(folder).rows == rows
    for row in rows:
        assert set(row.values) == {"count"}
        assert (row.value is None) == (row.error is not None) == (row.objective == "slack")


def test_equal_runs_give_equal_rows_and_other_settings_another_hash(execute):
    first, _ = execute("rule:random", seeds=(0, 1), out="a")
    second, _ = execute("rule:random", seeds=(0, 1), out="b")
    assert untimed(first) == untimed(second)
    assert len({row.value for row in first}) > 1
    third, _ = execute("rule:random", seeds=(0, 2), out="c")
    assert third[0].config_hash != first[0].config_hash


def test_gap_is_null_where_the_reference_is_zero(execute):
    rows, _ = execute("rule:smallest", objectives=("slack",))
    assert all(row.reference == 0 and row.gap is None and row.difference == row.value for row in rows)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("rule:crash", r"ZeroDivisionError: no luck \(conftest\.py:\d+\)"),
        ("rule:nothing", r"no solution \(status: gave up\)"),
        ("rule:foreign", "the solution is a list, expected Packing"),
        ("rule:overload", r"invalid solution: load \d+ exceeds capacity \d+"),
    ],
)
def test_failures_cost_their_own_rows_only(execute, method, message):
    rows, folder = execute(method, "rule:smallest")
    failed = [row for row in rows if row.method == method]
    assert len(failed) == 3
    for row in failed:
        assert row.failed
        assert (row.value, row.gap, row.feasible) == (None, None, False)
        assert re.match(message, row.error.removeprefix("TypeError: "))
    assert not any(row.failed for row in rows if row.method == "rule:smallest")
    assert load_results(folder).rows == rows
    assert problems(rows)[0].startswith(f"{method} failed on 3 rows; first s01")


def test_a_solution_better_than_a_proven_bound_marks_both_rows(execute):
    rows, folder = execute("rule:liar", "rule:smallest", "rule:crash", reference="none")
    assert all(row.reference_conflict and row.failed for row in rows if row.method != "rule:crash")
    assert not any(row.reference_conflict for row in rows if row.method == "rule:crash")
    assert load_results(folder).rows == rows


def test_conflicts_stay_within_instance_and_objective(execute):
    rows, _ = execute("rule:smallest", "solver:exact")
    lie = replace(rows[0], bound=rows[0].value - 1)
    assert marks([lie, *rows[1:]]) == [True, True, False, False, False, False]
    known = replace(rows[0], reference_bound=rows[0].value - 1)
    assert marks([known, *rows[1:]]) == [True] + 5 * [False]
    assert marks(rows) == 6 * [False]


def test_an_optimality_claim_counts_as_a_bound(execute):
    rows, _ = execute("rule:smallest", "solver:exact")
    claim = replace(rows[1], bound=None, value=rows[1].value - 1)
    assert marks([rows[0], claim]) == [True, True]


def test_reference_method_runs_first_and_once(execute):
    rows, folder = execute("rule:random", "rule:smallest", reference="rule:smallest", seeds=(0, 1))
    assert [row.method for row in rows[:4]] == ["rule:smallest"] * 2 + ["rule:random"] * 2
    assert len(rows) == 12
    assert {row.reference_kind for row in rows} == {"method"}
    assert all(row.gap == 0 for row in rows if row.method == "rule:smallest")
    sources = {entry["count"]["source"] for entry in load_results(folder).meta["references"].values()}
    assert sources == {"rule:smallest"}


def test_reference_method_that_proves_optimality(execute):
    rows, _ = execute("rule:random", reference="solver:exact")
    assert {row.reference_kind for row in rows} == {"optimal"}


def test_reference_method_that_fails_leaves_no_reference(execute):
    rows, _ = execute("rule:smallest", reference="rule:crash")
    assert all(row.reference is None and row.reference_kind == "none" and row.gap is None for row in rows)


def test_no_reference(execute):
    rows, _ = execute("rule:smallest", reference="none")
    assert all((row.reference, row.reference_kind, row.difference) == (None, "none", None) for row in rows)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": ()}, "test.yaml: names no methods"),
        ({"methods": ("rule:largest",)}, "unknown rule 'largest'"),
        ({"reference": "rule:smallest,rule:random"}, "expected one method"),
        ({"reference": "best"}, "expected kind:name"),
        ({"reference": "optimal"}, "reference: expected one of best_known, none, or a method; method 'optimal'"),
        ({"groups": {"": ("s99",)}}, "unknown name"),
    ],
)
def test_mistakes_stop_a_plan(sack, changes, message):
    with pytest.raises(InputError, match=message):
        plan_run(replace(suite_of("rule:smallest"), **changes))


def test_warm_up_runs_once_and_untimed(execute, sack, monkeypatch):
    calls = []
    monkeypatch.setattr(
        sack.Pack, "warm_up", lambda self, instance, *, objective: calls.append(objective), raising=False
    )
    execute("rule:smallest", "rule:random")
    assert calls == ["count", "count"]


def test_tables_of_an_instance_are_made_before_any_method_is_timed(execute, sack, monkeypatch):
    order = []

    def table(self):
        order.append("table")

    def impossible(self):
        order.append("impossible")
        raise ValueError("not of this instance")

    for name, made in (("table", table), ("impossible", impossible)):
        kept = cached_property(made)
        kept.__set_name__(sack.Sack, name)
        monkeypatch.setattr(sack.Sack, name, kept, raising=False)
    solve = sack.Pack.solve

    def noted(self, instance, **given):
        order.append(instance.table or "solve")
        return solve(self, instance, **given)

    monkeypatch.setattr(sack.Pack, "solve", noted)
    rows, _ = execute("rule:smallest", "rule:random")
    assert order == ["impossible", "table", "solve", "solve"] * 3
    assert not any(row.failed for row in rows)


def test_interrupt_keeps_the_rows_so_far(tmp_path, sack, monkeypatch):
    folder = new_folder(tmp_path / "out", "", False)
    seen = []

    def stop(row):
        seen.append(row)
        if len(seen) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(plan_run(suite_of("rule:smallest", "rule:random")), folder, "", stop)
    found = load_results(folder.folder)
    assert found.rows == seen
    assert found.meta["state"] == "interrupted"


def test_folder_is_not_overwritten_unasked(execute, tmp_path):
    _, folder = execute("rule:smallest")
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    before = (folder / "rows.jsonl").read_bytes()
    with pytest.raises(InputError, match=r"exists already; .* pass --resume to go on with it, or --overwrite"):
        new_folder(folder, "", overwrite=False)
    assert (folder / "rows.jsonl").read_bytes() == before
    new_folder(folder, "", overwrite=True)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_a_folder_without_results_is_never_overwritten(tmp_path):
    (tmp_path / "thesis.tex").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match="holds no results"):
        new_folder(tmp_path, "", overwrite=True)
    assert (tmp_path / "thesis.tex").exists()


def test_numbered_folders_count_up(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert [new_folder(None, "demo", False).folder.as_posix() for _ in range(2)] == [
        "results/demo-1",
        "results/demo-2",
    ]
    (tmp_path / "results" / "demo-9").mkdir()
    assert new_folder(None, "demo", False).folder.name == "demo-10"
    assert new_folder(None, "dem", False).folder.name == "dem-1"
    with pytest.raises(InputError, match="expected letters, digits"):
        new_folder(None, "../demo", False)


def test_half_a_last_row_is_passed_over(execute):
    rows, folder = execute("rule:smallest")
    path = folder / "rows.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    assert load_results(folder).rows == rows[:-1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: {**data, "schema": 99}, r"rows\.jsonl, line 2: schema is 99, expected 1 to 3"),
        (lambda data: {**data, "extra": 1}, r"line 2: unknown key 'extra'"),
        (lambda data: {key: data[key] for key in data if key != "gap"}, r"line 2: field 'gap' is missing"),
        (lambda data: [], r"line 2: expected a mapping"),
        (lambda data: {**data, "gap": "abc"}, r"line 2: field 'gap': got 'abc'; expected a number or null"),
        (lambda data: {**data, "gap": True}, r"field 'gap': got True; expected a number or null"),
        (lambda data: {**data, "value": float("nan")}, r"field 'value': got nan; expected a number or null"),
        (lambda data: {**data, "value": 10**400}, r"field 'value': got 10+…; expected a number or null"),
        (lambda data: {**data, "value": None}, r"line 2: field 'gap' is given without a 'value'"),
        (lambda data: {**data, "seconds": None}, r"field 'seconds': got None; expected a number$"),
        (lambda data: {**data, "seed": 0.5}, r"field 'seed': got 0\.5; expected an integer"),
        (lambda data: {**data, "method": ["x"]}, r"field 'method': got \['x'\]; expected a text"),
        (lambda data: {**data, "feasible": 1}, r"field 'feasible': got 1; expected true or false"),
        (lambda data: {**data, "sense": "up"}, r"field 'sense': got 'up'; expected 'min' or 'max'"),
        (lambda data: {**data, "values": {"count": "x"}}, r"'values': key 'count': got 'x'; expected a number"),
        (lambda data: {**data, "values": None}, r"field 'values': got None; expected a mapping"),
        (lambda data: {**data, "error": 3}, r"field 'error': got 3; expected a text or null"),
        (lambda data: {**data, "objective": "slack"}, r"field 'objective': unknown value 'slack'; .* count"),
    ],
)
def test_malformed_rows_are_named(execute, change, message):
    _, folder = execute("rule:smallest")
    path = folder / "rows.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[1] = json.dumps(change(json.loads(lines[1])))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load_results(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda meta: {"schema": 1}, r"meta\.json: key 'state' is missing"),
        (lambda meta: {**meta, "suite": []}, r"meta\.json: key 'suite': got \[\]; expected a mapping"),
        (
            lambda meta: {**meta, "suite": {**meta["suite"], "reference": None}},
            "key 'suite': key 'reference': got None; expected a text",
        ),
        (lambda meta: {**meta, "methods": {}}, r"key 'methods': got \{\}; expected a list"),
        (
            lambda meta: {**meta, "methods": [*meta["methods"], {"label": 3}]},
            "key 'methods': entry 2: key 'label': got 3; expected a text",
        ),
        (lambda meta: {**meta, "objectives": {"count": {}}}, "key 'objectives': key 'count': key 'unit' is missing"),
        (lambda meta: {**meta, "references": {"x": {"count": 1}}}, "key 'x': key 'count': got 1; expected a mapping"),
        (lambda meta: {**meta, "versions": {"numpy": 2}}, "key 'versions': key 'numpy': got 2; expected a text"),
        (lambda meta: {**meta, "commit": 1}, "key 'commit': got 1; expected a text or null"),
    ],
)
def test_malformed_meta_is_named(execute, change, message):
    _, folder = execute("rule:smallest")
    path = folder / "meta.json"
    path.write_text(json.dumps(change(json.loads(path.read_text(encoding="utf-8")))), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load_results(folder)


def pruned(value, shape):
    if isinstance(shape, list):
        return [pruned(entry, shape[0]) for entry in value]
    if not isinstance(shape, dict) or not shape:
        return value
    if "*" in shape:
        return {key: pruned(inner, shape["*"]) for key, inner in value.items()}
    return {key: pruned(value[key], inner) for key, inner in shape.items()}


def test_a_report_reads_no_more_of_meta_than_is_checked(execute):
    _, folder = execute("rule:smallest", "rule:random", seeds=(0, 1))
    results = load_results(folder)
    least = pruned(results.meta, META_SHAPE)
    further = {"schema", "finished", "settings", "jobs", "backend", "timeout", "solutions"}
    assert set(results.meta) - set(least) == further
    assert render_report(replace(results, meta=least)) == render_report(results)


def test_missing_meta_is_named(tmp_path):
    with pytest.raises(InputError, match=r"meta\.json: cannot be read"):
        load_results(tmp_path)


def test_row_json_is_strict(execute):
    rows, _ = execute("rule:smallest")
    with pytest.raises(InputError, match="here: not valid JSON"):
        Row.from_json("{", "here")
    assert Row.from_json(rows[0].to_json(), "here") == rows[0]


def test_every_row_is_on_disk_before_the_next(tmp_path, sack):
    folder = new_folder(tmp_path / "out", "", False)
    lengths = []
    run(
        plan_run(suite_of("rule:smallest")),
        folder,
        "",
        lambda row: lengths.append(len(load_results(folder.folder).rows)),
    )
    assert lengths == [1, 2, 3]
