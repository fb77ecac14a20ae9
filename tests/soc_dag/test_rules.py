"""The run-time rules inside the kernel against plain Python, run for run, and by hand."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from families_soc import CUT, NOISY, QUEUED, REDRAWN, STOPPED, TRACED, chip, soc_extras
from ganttlet.soc_dag.batch import SoCDAGVectorEnv
from ganttlet.soc_dag.dispatch import CAN_BE_LATE
from ganttlet.soc_dag.dispatch import RULES as DISPATCH
from ganttlet.soc_dag.instance import Workload
from reference.soc_draws import uniform
from reference.soc_rules import LATE, RULES, Rule
from reference.soc_strategies import workloads
from reference.soc_system import System
from reference.soc_walk import SPACE, SoCOracle


def test_every_rule_has_a_twin():
    assert sorted(RULES) == sorted([*DISPATCH, "heft_rt"])
    assert sorted(LATE) == sorted(CAN_BE_LATE)


def same_run(instance, name, *, late=False, stale=False, counted=False, seed=0):
    """Play a rule in the kernel and in plain Python, and compare the runs and what is counted."""
    options = {"late": late, "stale_estimates": stale} if name != "heft_rt" else {}
    options |= {"data": "counted"} if counted else {}
    options |= {"seed": seed} if name == "random" else {}
    env = SoCDAGVectorEnv(1, instance=instance, observation="ready", autoreset_mode="Disabled", **SPACE)
    env.reset(seed=0)
    oracle = SoCOracle({"stale_estimates": stale}, instance, env.graph)
    oracle.play = twin = type(oracle.play)(instance, stale_estimates=stale, ordered=name == "heft_rt")
    draws = (uniform(seed, 31, number) for number in itertools.count())
    Rule(twin, name, late=late, counted=counted, draw=lambda: next(draws)).finish()
    decisions = env.play(name, **options)
    assert env.solution(0) == twin.solution()
    assert decisions == sum(task.pe >= 0 for job in twin.jobs for task in job.tasks)
    found, expected = soc_extras(env, 0), oracle.extras()
    assert {**found, "free": None} == {**expected, "free": None}


@pytest.mark.parametrize("name", RULES)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(instance=workloads(), stale=st.booleans(), counted=st.booleans(), seed=st.integers(0, 99))
def test_rules_are_their_twins(name, instance, stale, counted, seed):
    heft = name == "heft_rt"
    same_run(instance, name, stale=stale and not heft, counted=counted and heft, seed=seed)


@pytest.mark.parametrize("name", LATE)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(instance=workloads(), stale=st.booleans())
def test_late_rules_are_their_twins(name, instance, stale):
    same_run(instance, name, late=True, stale=stale)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("given_", [NOISY, REDRAWN, QUEUED, TRACED, CUT, STOPPED])
def test_rules_on_longer_runs(name, given_):
    instance = Workload.from_dict(given_)
    same_run(instance, name)
    if name in LATE:
        same_run(instance, name, late=True)
    if name == "heft_rt":
        same_run(instance, name, counted=True)


def twin_picks(instance, name, **options):
    """(job, task, PE) of the rule's first call."""
    play = System(Workload.from_dict(instance), ordered=name == "heft_rt")
    return [(task.job.number, task.number, p) for task, p in Rule(play, name, **options).decide()]


# Three jobs of one task at time 0 on three PEs; job 0 is due at 10, job 1 at 8, job 2 never.
FLAT = chip(
    {"u": [2, 2, 9], "v": [6, 3, 4], "w": [1, None, 2]},
    [1, 1, 1],
    {"u": (["u"], []), "v": (["v"], []), "w": (["w"], [])},
    arrivals="trace",
    trace=((0, 0), (0, 1), (0, 2)),
    capacity=3,
)
FLAT = {**FLAT, "deadline": [10, 8, 0]}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("met", [(0, 0, 0), (1, 0, 1), (2, 0, 0)]),
        ("eft", [(0, 0, 0), (1, 0, 1), (2, 0, 2)]),
        ("fifo", [(0, 0, 0), (1, 0, 1), (2, 0, 2)]),
        ("etf", [(2, 0, 0), (0, 0, 1), (1, 0, 2)]),
        # All can start at 0: the greatest mean first.
        ("etf_est", [(0, 0, 0), (1, 0, 1), (2, 0, 2)]),
        ("stf", [(2, 0, 0), (0, 0, 0), (1, 0, 1)]),
        ("ranku_eft", [(0, 0, 0), (1, 0, 1), (2, 0, 2)]),
        ("sjf", [(2, 0, 0), (0, 0, 1), (1, 0, 2)]),
        ("srpt", [(2, 0, 0), (0, 0, 1), (1, 0, 2)]),
        ("edd", [(1, 0, 1), (0, 0, 0), (2, 0, 2)]),
        ("edf", [(1, 0, 1), (0, 0, 0), (2, 0, 2)]),
        # Laxities 10 - 2 and 8 - 3.
        ("llf", [(1, 0, 1), (0, 0, 0), (2, 0, 2)]),
        ("rr", [(0, 0, 0), (1, 0, 1), (2, 0, 2)]),
        ("random", [(0, 0, 1), (1, 0, 1), (2, 0, 2)]),
        ("least_loaded", [(0, 0, 0), (1, 0, 1), (2, 0, 2)]),
        # Means 13/3 (both u and v) and 3/2.
        ("heft_rt", [(0, 0, 0), (1, 0, 1), (2, 0, 2)]),
    ],
)
def test_first_call_by_hand(name, expected):
    assert twin_picks(FLAT, name, draw=lambda: 0.5) == expected
    same_run(Workload.from_dict(FLAT), name)


def test_late_binding_by_hand():
    """Only what could start is assigned; the rest is decided anew."""
    assert twin_picks(FLAT, "etf", late=True) == [(2, 0, 0), (0, 0, 1), (1, 0, 2)]
    crowded = {**FLAT, "exec_time": np.array(FLAT["exec_time"])[:, :, :1].repeat(3, 2).tolist()}
    crowded["exec_time"] = [[[time, -1, -1] for time, *_ in app] for app in crowded["exec_time"]]
    assert twin_picks(crowded, "etf", late=True) == [(2, 0, 0)]
    assert twin_picks(crowded, "etf") == [(2, 0, 0), (0, 0, 0), (1, 0, 0)]
