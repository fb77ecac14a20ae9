"""Rules for SoC task graphs: run-time dispatching, HEFT_RT, and static tables made at each job's entry.

They run inside the environment's kernel (ganttlet.soc_dag.dispatch, plans and planners define them, with sources);
tests/reference/soc_rules.py and soc_static.py are the same rules in plain Python.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ganttlet.soc_dag.batch import SoCDAGVectorEnv
from ganttlet.soc_dag.dispatch import CAN_BE_LATE, RULES
from ganttlet.soc_dag.instance import Workload
from ganttlet.soc_dag.planners import PLANNERS
from ganttlet.soc_dag.solution import Run
from ganttlet_agents.evaluation.methods import MethodType, Option, Outcome

ABOUT = {
    "met": "least execution time, among equal PEs idle ones first",
    "eft": "ready tasks in order, to the PE of earliest finish",
    "fifo": "oldest job first, to the PE of earliest finish",
    "etf": "again and again the pair of task and PE that finishes first (DS3's ETF)",
    "etf_est": "again and again the pair that starts first, ties by level (Hwang et al. 1989)",
    "stf": "shortest task first, to its fastest PE",
    "ranku_eft": "greatest upward rank of the whole graph first, to the PE of earliest finish",
    "sjf": "job of least work left first, to the PE of earliest finish",
    "srpt": "shortest longest path left first, to the PE of earliest finish",
    "edd": "earliest due date of the job first, to the PE of earliest finish",
    "edf": "earliest latest finish of the task first, to the PE of earliest finish",
    "llf": "least laxity first, to the PE of earliest finish",
    "rr": "round robin over the PEs that support the task",
    "random": "a uniformly random PE that supports the task",
    "least_loaded": "the PE that is free first",
    "heft_rt": "longest mean time first, into gaps between commitments, in strict order (Mack et al. 2022)",
    "heft": "table at each job's entry: HEFT with insertion (Topcuoglu et al. 2002)",
    "cpop": "table at each job's entry: critical path on a processor (Topcuoglu et al. 2002)",
    "peft": "table at each job's entry: predicted earliest finish (Arabnejad and Barbosa 2014)",
    "lookahead": "table at each job's entry: HEFT with one-step lookahead (Bittencourt et al. 2010)",
    "min_min": "table at each job's entry: the task that can finish first",
    "max_min": "table at each job's entry: the task whose earliest finish is last",
}
LATE = Option(bool, False, "late binding: tasks that could not start yet are decided anew at the next event")
STALE = Option(bool, False, "estimates as promised at the last assignment, never corrected (DS3)")
DATA = Option(str, "ignored", "whether the time at which data arrives counts", choices=("ignored", "counted"))


def run_rule(name: str, instance: Workload, *, seed: int = 0, **options: Any) -> tuple[Run, int]:
    """Return the run of a rule and the number of decisions.

    Args:
        name: a key of ABOUT.
        instance: the workload.
        seed: of rule ``random``.
        options: ``late``, ``stale_estimates``, ``data``, as SoCDAGVectorEnv.play takes them.

    Raises:
        InputError: for an unknown rule, or an option that it does not have.
    """
    env = SoCDAGVectorEnv(1, instance=instance, observation="ready", autoreset_mode="disabled", copy=False)
    env.reset(seed=0)
    decisions = 0 if env.done.all() else env.play(name, seed=seed, **options)
    run = env.solution(0)
    assert isinstance(run, Run)
    return run, decisions


@dataclass(frozen=True)
class RuleMethod:
    """A rule as the evaluator calls it."""

    name: str
    options: dict[str, Any]

    def solve(self, instance: Workload, *, objective: str, seed: int) -> Outcome:
        """Return the rule's run and the number of decisions."""
        run, decisions = run_rule(self.name, instance, seed=seed, **self.options)
        return Outcome(run, decisions=decisions)

    def warm_up(self, instance: Workload, *, objective: str) -> None:
        """Load the compiled kernels."""
        self.solve(instance, objective=objective, seed=0)


def _options(name: str) -> dict[str, Option]:
    if name == "heft_rt":
        return {"data": DATA}
    if name in PLANNERS:
        return {}
    return {**({"late": LATE} if name in CAN_BE_LATE else {}), "stale": STALE}


def _method(name: str) -> MethodType:
    def build(options: dict[str, Any]) -> RuleMethod:
        given = {"stale_estimates" if key == "stale" else key: value for key, value in options.items()}
        return RuleMethod(name, given)

    return MethodType("rule", name, "soc_dag", ABOUT[name], _options(name), build)


METHODS = tuple(_method(name) for name in (*RULES, "heft_rt", *PLANNERS))
