"""Methods of every family that claim to repeat give the same rows in one process and in two."""

from dataclasses import asdict

import pytest

from ganttlet.core.family import get_family
from ganttlet_agents.evaluation.results import new_folder
from ganttlet_agents.evaluation.rows import MEASURED
from ganttlet_agents.evaluation.runner import plan_run, run
from ganttlet_agents.evaluation.suite import Suite

# Of every kind of method that a family has, with limits that are no seconds; instances of a moment.
CASES = {
    "job_shop": (
        {"generator": "uniform", "jobs": 6, "machines": 5},
        "rule:random:best_of=8 rule:spt:best_of=4 rule:atc:timing=active solver:cpsat:dtime=0.02 "
        "search:portfolio:members=mwkr+solver~cpsat~dtime=0.01 policy:job_shop:samples=4",
    ),
    "memory_allocation": (
        {"generator": "uniform", "buffers": 12},
        "rule:random:best_of=8 rule:area:best_of=4 rule:best_of_all solver:minimal:nodes=200 solver:cpsat:dtime=0.02",
    ),
    "memory_mapping": (
        {"generator": "toy"},
        "rule:greedy rule:msa_best rule:rent search:evolution:budget=100",
    ),
    "soc_dag": (
        {"generator": "layered", "tasks": 8},
        "rule:random rule:etf rule:heft solver:cpsat:dtime=0.02 solver:rolling:dtime=0.02",
    ),
    "uam_fleet": (
        {"generator": "predecessor-2022"},
        "rule:random rule:greedy_lookahead search:ga:generations=2:population=4:block=20",
    ),
    "vm_rescheduling": (
        {"generator": "toy"},
        "rule:random rule:potential:best_of=4 search:mcts:budget=50 search:beam:width=2:best_of=2",
    ),
}


def rows_of(family, folder, **how):
    entry, methods = CASES[family]
    instances = tuple({**entry, "seed": seed} for seed in (0, 1))
    words = tuple(methods.split())
    objective = next(iter(get_family(family).objectives))
    suite = Suite("same", "same.yaml", "", family, (objective,), {"": instances}, words, (0, 1), "none")
    return list(run(plan_run(suite), new_folder(folder, "", False), "", **how))


@pytest.mark.parametrize("family", CASES)
def test_rows_are_the_same_in_one_process_and_in_two(family, tmp_path):
    one, two = rows_of(family, tmp_path / "one"), rows_of(family, tmp_path / "two", jobs=2)
    assert all(row.deterministic and row.error is None for row in one)
    for first, second in zip(one, two, strict=True):
        assert {**asdict(first), **dict.fromkeys(MEASURED)} == {**asdict(second), **dict.fromkeys(MEASURED)}
    folders = (tmp_path / name / "solutions" for name in ("one", "two"))
    solutions = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders]
    assert solutions[0] == solutions[1]
    assert len(solutions[0]) == len(one)
