"""Rows by worker processes: the same as in one process, whatever a method does to its process."""

import os
import sys
import time
from dataclasses import asdict

import pytest

from ganttlet.core.errors import InputError
from ganttlet_agents.cli import main
from ganttlet_agents.evaluation import workers
from ganttlet_agents.evaluation.results import load_results, new_folder
from ganttlet_agents.evaluation.rows import MEASURED
from ganttlet_agents.evaluation.runner import plan_run, run
from ganttlet_agents.evaluation.suite import Suite


@pytest.fixture
def execute(tmp_path, trials):
    def execute(*methods, out="out", count=3, seeds=(0,), reference="best_known", **how):
        entries = tuple({"generator": "three", "seed": seed} for seed in range(count))
        suite = Suite(
            "trial", "trial.yaml", "", "one_machine", ("flow_time",), {"": entries}, methods, seeds, reference
        )
        folder = new_folder(tmp_path / out, "", False)
        return list(run(plan_run(suite), folder, "", **how)), folder.folder

    return execute


def unmeasured(rows):
    return [{key: value for key, value in asdict(row).items() if key not in MEASURED} for row in rows]


def test_rows_do_not_depend_on_the_number_of_processes(execute):
    # The first row takes longest, so that others are done before it.
    methods = ("trial:random:wait=0.2", "trial:random:tries=2", "rule:shortest")
    one, _ = execute(*methods, out="one", seeds=(0, 1))
    two, folder = execute(*methods, out="two", seeds=(0, 1), jobs=2)
    assert unmeasured(one) == unmeasured(two)
    assert load_results(folder).rows == two
    assert load_results(folder).meta["jobs"] == 2
    assert len(list((folder / "solutions").iterdir())) == len(two) == 18


def test_rows_are_spread_over_processes_and_none_is_this_one(execute):
    # Each worker is given one of the two at once.
    rows, _ = execute("trial:process", count=1, seeds=(0, 1), jobs=2)
    found = {row.status for row in rows}
    assert len(found) == 2
    assert str(os.getpid()) not in found


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_reference_method_serves_whoever_is_done_first(execute, jobs):
    methods = ("trial:random", "trial:second_seed")
    rows, folder = execute(*methods, reference="trial:random:wait=0.2:tries=9", seeds=(0, 1), jobs=jobs)
    assert [row.method for row in rows[:4]] == ["trial:random:wait=0.2:tries=9"] * 2 + ["trial:random"] * 2
    for row in rows:
        first = next(other for other in rows if other.instance == row.instance)
        assert row.reference == first.value
    assert len(load_results(folder).meta["references"]) == 3


def test_a_reference_that_fails_at_first_is_the_next_seeds(execute):
    one, two = (
        execute("trial:random", reference="trial:second_seed", seeds=(0, 1), jobs=jobs, out=str(jobs))[0]
        for jobs in (1, 2)
    )
    assert unmeasured(one) == unmeasured(two)
    assert [row.reference is None for row in one[:4]] == [True, False, False, False]
    assert one[2].reference == one[1].value


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("trial:exit", "the worker process ended with exit code 3"),
        pytest.param(
            "trial:killed",
            "the worker process was ended by SIGKILL (out of memory?)",
            marks=pytest.mark.skipif(sys.platform == "win32", reason="no signals"),
        ),
    ],
)
def test_a_worker_that_dies_costs_its_row(execute, method, message):
    rows, folder = execute(method, "trial:random", jobs=2)
    assert [row.error for row in rows] == [message, None] * 3
    assert load_results(folder).rows == rows


def test_a_row_that_takes_too_long_is_given_up(execute):
    begun = time.perf_counter()
    rows, folder = execute("trial:hang", "trial:random", count=2, timeout=0.5)
    assert time.perf_counter() - begun < 300
    assert [row.error for row in rows] == ["timed out after 0.5 s", None] * 2
    assert all(row.failed and row.value is None and row.seconds >= 0.5 for row in rows[::2])
    meta = load_results(folder).meta
    assert (meta["jobs"], meta["timeout"]) == (1, 0.5)


def test_jobs_and_timeout_are_no_settings_of_the_results(execute):
    one, _ = execute("trial:random", out="one", count=1)
    two, _ = execute("trial:random", out="two", count=1, jobs=2, timeout=60.0)
    assert one[0].config_hash == two[0].config_hash


def test_loading_that_does_not_end_is_given_up(execute, monkeypatch):
    monkeypatch.setattr(workers, "LOADING", 0.0)
    rows, _ = execute("trial:random", count=1, timeout=60.0)
    assert [row.error for row in rows] == ["loading took more than 0 s"]


def test_an_interrupt_ends_the_workers_and_keeps_the_rows(execute, tmp_path):
    def stop(row):
        raise KeyboardInterrupt

    begun = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        execute("rule:shortest", "trial:hang", jobs=2, on_row=stop)
    assert time.perf_counter() - begun < 300
    found = load_results(tmp_path / "out")
    assert len(found.rows) == 1
    assert found.meta["state"] == "interrupted"


def test_a_method_that_a_new_process_does_not_know_stops_the_run(execute, trials, monkeypatch):
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path not in trials])
    with pytest.raises(InputError, match="unknown name 'one_machine'"):
        execute("trial:random", jobs=2)


def test_times_side_by_side_are_told_so(execute, capsys):
    _, folder = execute("rule:shortest", count=1, jobs=2)
    assert main(["report", str(folder)], within="evaluate") == 0
    assert "Times are of 2 processes side by side." in capsys.readouterr().out
