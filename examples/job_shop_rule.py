"""A dispatching rule from the package's parts: its quantity, its method, and its makespans beside SPT/TWKR's."""

import numpy as np

from ganttlet.job_shop import resolve, validate
from ganttlet.job_shop.env import JobShopVectorEnv
from ganttlet.job_shop.timing import TIMINGS
from ganttlet_agents.evaluation.methods import MethodType, Option, Outcome
from ganttlet_agents.rules.job_shop import Rule, choose, run_rule

STEEP = Rule("processing time / work remaining squared", "min", lambda v: v.duration / np.maximum(1.0, v.work) ** 2)


class Steep:
    """The rule as the evaluator calls it: built from its options, asked for a solution of an instance."""

    def __init__(self, options):
        self.timing = options["timing"]

    def solve(self, instance, *, objective, seed):
        """Play one episode by the rule; it draws nothing, so the seed plays no part."""
        env = JobShopVectorEnv(1, instance=instance, timing=self.timing, autoreset_mode="disabled", copy=False)
        env.reset(seed=seed)
        view, decisions = env.view(), 0
        while not env.done.all():
            env.step_in_place(choose(view, STEEP))
            decisions += 1
        return Outcome(env.solution(0), decisions=decisions)


TIMING = Option(str, "nondelay", "timing discipline", choices=TIMINGS)
METHODS = (MethodType("rule", "steep", "job_shop", STEEP.about, {"timing": TIMING}, Steep),)

if __name__ == "__main__":
    for name in ("ta01", "ta11", "ta21"):
        instance = resolve(name)
        ours = METHODS[0].build({"timing": "nondelay"}).solve(instance, objective="makespan", seed=0).solution
        makespans = [validate(instance, one).values["makespan"] for one in (ours, run_rule("spt_twkr", instance))]
        print("{}: steep {:.0f}, spt_twkr {:.0f}".format(name, *makespans))
