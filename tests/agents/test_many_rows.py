"""Runs of many rows: what they hold in memory, rows that arrive in any order, going on, and runs without solutions."""

import json
import random
import tracemalloc
from dataclasses import asdict, replace

import numpy as np
import pytest

from ganttlet_agents.cli import main
from ganttlet_agents.evaluation.ledger import Ledger
from ganttlet_agents.evaluation.results import load_results, new_folder, solution_path
from ganttlet_agents.evaluation.rows import MEASURED, Row, beats, claimed_bound
from ganttlet_agents.evaluation.runner import _Runner, plan_run, run
from ganttlet_agents.evaluation.suite import Suite


@pytest.fixture
def execute(tmp_path, sack):
    def execute(*methods, out="out", seeds=range(3), instances=("s01", "s02", "s05"), reference="none", **how):
        suite = Suite("t", "t.yaml", "", "sack", ("count", "slack"), {"": instances}, methods, tuple(seeds), reference)
        folder = new_folder(tmp_path / out, "", False, resume=how.get("resume", False))
        return run(plan_run(suite), folder, "", **how), folder.folder

    return execute


def unmeasured(rows):
    return [{key: value for key, value in asdict(row).items() if key not in MEASURED} for row in rows]


def shuffle_arrivals(monkeypatch, seed):
    """Let attempts arrive in another order than the plan's, as those of other processes do."""
    attempts = _Runner._attempts

    def shuffled(self):
        found = list(attempts(self))
        random.Random(seed).shuffle(found)
        yield from found

    monkeypatch.setattr(_Runner, "_attempts", shuffled)


@pytest.mark.parametrize("reference", ["none", "rule:random"])
def test_rows_that_arrive_in_any_order_end_in_the_plans_with_the_same_marks(execute, monkeypatch, reference):
    methods = ("rule:liar", "rule:smallest", "rule:random", "rule:crash")
    rows, _ = execute(*methods, reference=reference)
    expected = unmeasured(rows)
    assert {row["reference_conflict"] for row in expected} == {True, False}
    for seed in range(3):
        shuffle_arrivals(monkeypatch, seed)
        arrived = []
        found, folder = execute(*methods, reference=reference, out=str(seed), on_row=arrived.append)
        keys = [row.key for row in arrived]
        assert keys != [row["key"] for row in expected]
        assert sorted(keys) == sorted(row["key"] for row in expected)
        assert unmeasured(found) == unmeasured(load_results(folder).rows) == expected
        # What was handed over as it was written is what can be read, marks apart.
        by_key = {row.key: {**asdict(row), "reference_conflict": False} for row in arrived}
        assert [by_key[row.key] for row in found] == [{**asdict(row), "reference_conflict": False} for row in found]
        assert not list(folder.glob(".*"))


def test_stored_rows_are_a_sequence(execute):
    rows, folder = execute("rule:smallest", "rule:random")
    loaded = load_results(folder).rows
    assert len(rows) == len(loaded) == 3 * 2 * 2 * 3
    assert list(rows) == loaded
    assert (rows[0], rows[-1], list(rows[5:9])) == (loaded[0], loaded[-1], loaded[5:9])
    with pytest.raises(IndexError):
        rows[len(loaded)]


def test_contradictions_are_those_of_every_pair():
    rng = np.random.default_rng(0)
    senses, size, instances = ("min", "max"), 7, 40

    class Told:
        """What a ledger reads of a row."""

        def __init__(self):
            maybe = [None if rng.random() < 0.6 else float(rng.integers(95, 105)) for _ in range(3)]
            self.value = float(rng.integers(95, 105)) if rng.random() < 0.8 else None
            self.reference_bound, self.bound = maybe[:2] if rng.random() < 0.5 else (None, maybe[1])
            self.optimal, self.reference_conflict = rng.random() < 0.1, rng.random() < 0.02

    rows = [Told() for _ in range(instances * len(senses) * size)]
    ledger = Ledger(len(rows))
    left_out = set(rng.choice(len(rows), 25, replace=False).tolist())
    for place in rng.permutation(len(rows)).tolist():
        if place not in left_out:
            ledger.note(place, 0, rows[place])
    expected = np.array([place not in left_out and row.reference_conflict for place, row in enumerate(rows)])
    for first in range(0, len(rows), size):
        sense = senses[first // size % 2]
        members = [place for place in range(first, first + size) if place not in left_out]
        for one in members:
            value, known = rows[one].value, rows[one].reference_bound
            if value is None:
                continue
            expected[one] |= known is not None and beats(value, known, sense)
            for other in members:
                bound = claimed_bound(rows[other])
                if bound is not None and beats(value, bound, sense):
                    expected[[one, other]] = True
    assert 0.1 < expected.mean() < 0.9
    assert ledger.conflicts(senses, size).tolist() == expected.tolist()


def test_a_run_holds_a_few_bytes_of_each_row(execute):
    held = []

    def on_row(row):
        if row.seed in (500, 1900):
            held.append(tracemalloc.get_traced_memory()[0])

    tracemalloc.start()
    try:
        rows, _ = execute("rule:random", seeds=range(2000), instances=("s01",), solutions=False, on_row=on_row)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(rows) == 4000
    # Of both objectives: 500, 1900, 500, 1900. A row alone takes more than 500 bytes.
    assert max(held) - min(held) < 30 * (3400 - 500)
    assert peak < 5_000_000


def test_half_of_a_large_file_goes_on(execute):
    whole, folder = execute("rule:random", "rule:smallest", seeds=range(200))
    expected, made = unmeasured(whole), list(whole)
    path = folder / "rows.jsonl"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2 + 100])
    assert not path.read_bytes().endswith(b"\n")
    kept = path.read_bytes().count(b"\n")
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    (folder / "meta.json").write_text(json.dumps({**meta, "state": "running"}), encoding="utf-8")
    told = []
    again, _ = execute("rule:random", "rule:smallest", seeds=range(200), resume=True, on_row=told.append)
    assert told == made[:kept] + list(again)[kept:]
    assert unmeasured(again) == unmeasured(load_results(folder).rows) == expected


def test_a_run_without_solutions_has_the_same_rows(execute):
    rows, folder = execute("rule:smallest", "rule:random", out="with")
    without, bare = execute("rule:smallest", "rule:random", out="without", solutions=False)
    assert unmeasured(rows) == unmeasured(without)
    assert [load_results(one).meta["solutions"] for one in (folder, bare)] == [True, False]
    assert solution_path(folder, rows[0].key).exists()
    assert not (bare / "solutions").exists()
    assert len(list((bare / "instances").iterdir())) == 3


def test_no_solutions_is_told_and_stays_told(tmp_path, sack, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["run", "--instances", "sack:s01..s02", "--methods", "rule:smallest", "--out", "out"]
    assert main([*words, "--no-solutions"], within="evaluate") == 0
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    note = "No pictures: the run did not keep the solutions of all its rows."
    assert note in page
    assert '<figure class="picture">' not in page
    # Going on with them cannot make up for those that are missing.
    path = tmp_path / "out" / "rows.jsonl"
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    assert main([*words, "--resume"], within="evaluate") == 0
    assert len(list((tmp_path / "out" / "solutions").iterdir())) == 1
    assert load_results(tmp_path / "out").meta["solutions"] is False
    assert note in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    meta = json.loads((tmp_path / "out" / "meta.json").read_text(encoding="utf-8"))
    (tmp_path / "out" / "meta.json").write_text(json.dumps({**meta, "solutions": "no"}), encoding="utf-8")
    capsys.readouterr()
    assert main(["report", "out"], within="evaluate") == 2
    assert "meta.json: key 'solutions': got 'no'; expected true or false" in capsys.readouterr().err


def test_rows_that_are_read_share_what_they_have_in_common(execute):
    _, folder = execute("rule:smallest", "rule:random", seeds=range(300))
    load_results(folder)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        rows = load_results(folder).rows
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert len(rows) == 3600
    assert held / len(rows) < 600
    smallest = [row for row in rows if (row.method, row.objective, row.instance) == ("rule:smallest", "count", "s01")]
    assert len(smallest) == 300
    assert len({id(row.values) for row in smallest}) == 1
    assert len({id(row.method) for row in rows}) == 2


def test_numbers_keep_their_sign_and_type(execute):
    rows, _ = execute("rule:smallest")
    numbers = (0.0, -0.0, 0.0, 5.0, 5)
    signed = [replace(rows[0], value=one, values={"count": one}) for one in numbers]
    read = [Row.from_json(row.to_json(), "here") for row in signed]
    assert [str(row.value) for row in read] == [str(row.values["count"]) for row in read] == list(map(str, numbers))
