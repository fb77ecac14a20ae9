"""Rows on Ray: the same as here, whatever a method does to its worker."""

from dataclasses import asdict

import pytest

pytest.importorskip("ray", reason="needs the ray extra")

from ganttlet.core.errors import InputError
from ganttlet.core.family import get_family
from ganttlet_agents.cli import main
from ganttlet_agents.distributed.backend import Backend
from ganttlet_agents.evaluation.results import load_results, new_folder
from ganttlet_agents.evaluation.rows import MEASURED
from ganttlet_agents.evaluation.runner import plan_run, run
from ganttlet_agents.evaluation.suite import Suite

RAY = Backend("ray")
# One or two instances of a moment of every family, with methods that repeat; a policy and a solver among them.
CASES = {
    "job_shop": (
        {"generator": "uniform", "jobs": 5, "machines": 4},
        "rule:random:best_of=3 solver:cpsat:dtime=0.01 policy:job_shop:samples=3",
    ),
    "memory_allocation": ({"generator": "uniform", "buffers": 10}, "rule:random:best_of=3 solver:minimal:nodes=50"),
    "memory_mapping": ({"generator": "toy"}, "rule:greedy search:evolution:budget=30"),
    "soc_dag": ({"generator": "layered", "tasks": 8}, "rule:random rule:heft"),
    "uam_fleet": ({"generator": "predecessor-2022"}, "rule:random rule:greedy_lookahead"),
    "vm_rescheduling": ({"generator": "toy"}, "rule:random search:mcts:budget=20"),
}
OWN = """
import os, time
from ganttlet_agents.evaluation.methods import parse_methods

class Own:
    information = "causal"

    def __init__(self, kills=-1, sleeps=-1):
        self.kills, self.sleeps = kills, sleeps

    def warm_up(self, instance, *, objective):
        self.solve(instance, objective=objective, seed=1000)

    def solve(self, instance, *, objective, seed):
        if seed == self.kills:
            os._exit(7)
        if seed == self.sleeps:
            time.sleep(60)
        return parse_methods("rule:spt", "job_shop")[0].solve(instance, objective=objective, seed=seed)
"""


@pytest.fixture
def execute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(OWN)

    def execute(name, family="job_shop", methods=None, seeds=(0, 1), drawn=(0, 1), **how):
        entry, usual = CASES[family]
        instances = tuple({**entry, "seed": seed} for seed in drawn)
        objective = next(iter(get_family(family).objectives))
        words = tuple((methods or usual).split())
        suite = Suite(name, f"{name}.yaml", "", family, (objective,), {"": instances}, words, seeds, "none")
        folder = new_folder(tmp_path / name, "", False)
        return list(run(plan_run(suite), folder, "", **how)), folder.folder

    return execute


def unmeasured(rows):
    return [{key: value for key, value in asdict(row).items() if key not in MEASURED} for row in rows]


@pytest.mark.parametrize("family", CASES)
def test_rows_and_solutions_are_those_of_this_process(ray_here, execute, family):
    here, folder = execute("here", family)
    there, other = execute("there", family, jobs=2, backend=RAY)
    assert all(row.error is None for row in here)
    assert unmeasured(here) == unmeasured(there)
    assert load_results(other).meta["backend"] == "ray"
    solutions = [{path.name: path.read_bytes() for path in (one / "solutions").iterdir()} for one in (folder, other)]
    assert solutions[0] == solutions[1]


def test_four_workers_and_many_shards(ray_here, execute):
    methods = "rule:random rule:spt"
    here, _ = execute("here", methods=methods, seeds=tuple(range(60)))
    there, folder = execute("there", methods=methods, seeds=tuple(range(60)), jobs=4, backend=RAY)
    assert unmeasured(here) == unmeasured(there)
    assert unmeasured(load_results(folder).rows) == unmeasured(here)


def test_a_method_that_kills_its_worker_twice_costs_its_own_row(ray_here, execute):
    methods = "python:own.py:Own:kills=2 rule:spt"
    rows, _ = execute("there", methods=methods, seeds=tuple(range(6)), drawn=(0,), jobs=2, backend=RAY)
    failed = {(row.method, row.seed) for row in rows if row.error}
    assert failed == {("python:own.py:Own:kills=2", 2)}
    assert all("ended its worker process 2 times" in row.error for row in rows if row.error)
    assert len({row.key for row in rows}) == 12


def test_a_row_that_takes_too_long_is_given_up(ray_here, execute):
    methods = "python:own.py:Own:sleeps=1 rule:spt"
    rows, _ = execute("there", methods=methods, seeds=(0, 1, 2), drawn=(0,), jobs=1, timeout=3.0, backend=RAY)
    assert {(row.method[:6], row.seed, row.error) for row in rows if row.error} == {
        ("python", 1, "timed out after 3 s")
    }
    assert [row.seconds for row in rows if row.error] == [3.0]


def test_a_run_goes_on_here_where_it_stopped_there(ray_here, execute, tmp_path):
    folder = tmp_path / "out"
    words = ["run", "--instances", "job_shop:ft06", "--methods", "rule:spt", "rule:random", "--seeds", "0..19"]
    words += ["--out", str(folder), "--no-report"]
    assert main([*words, "--backend", "ray", "--jobs", "1"], within="evaluate") == 0
    rows = load_results(folder).rows
    lines = (folder / "rows.jsonl").read_text().splitlines(keepends=True)
    (folder / "rows.jsonl").write_text("".join(lines[:7]))
    assert main([*words, "--resume"], within="evaluate") == 0
    assert unmeasured(load_results(folder).rows) == unmeasured(rows)


def test_a_worker_whose_versions_differ_is_refused(ray_here, execute, monkeypatch):
    # As the driver sees itself; the worker tells the truth.
    monkeypatch.setattr("ganttlet_agents.distributed.worker.Setup.facts", lambda self: {"version of numpy": "0.1"})
    with pytest.raises(InputError, match=r"node .*: version of numpy is [\d.]+ there, 0\.1 here"):
        execute("there", methods="rule:spt", jobs=1, backend=RAY)


def test_instances_and_solutions_too_large_for_a_message_travel_as_well(ray_here, execute, monkeypatch):
    # Above 100 kB Ray keeps what is sent in its object store.
    monkeypatch.setitem(
        CASES, "job_shop", ({"generator": "uniform", "jobs": 400, "machines": 60}, "rule:spt rule:mwkr")
    )
    here, _ = execute("here", drawn=(0,))
    there, folder = execute("there", drawn=(0,), jobs=1, backend=RAY)
    assert unmeasured(here) == unmeasured(there)
    for kind in ("instances", "solutions"):
        assert min(path.stat().st_size for path in (folder / kind).iterdir()) > 100 * 1024
