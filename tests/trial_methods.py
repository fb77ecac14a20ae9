"""Methods of the plug-in family in tests/plugin that wait, crash or hang; trials.py makes them known."""

import os
import signal
import time

import numpy as np
from ganttlet_dummy.family import Sequence

from ganttlet_agents.evaluation.methods import MethodType, Option, Outcome


class Trial:
    def __init__(self, how, options):
        self.how, self.options = how, options

    def solve(self, instance, *, objective, seed):
        n = len(instance.duration)
        if self.how == "exit":
            os._exit(3)
        if self.how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how == "hang":
            time.sleep(600)
        if self.how == "second_seed" and seed == 0:
            raise ValueError("not yet")
        time.sleep(self.options.get("wait", 0.0))
        if self.how == "process":
            # What a worker knows of itself, which no row may depend on.
            return Outcome(Sequence(np.arange(n)), status=str(os.getpid()))
        if self.how == "stepwise":
            return Outcome(Sequence(np.arange(n)), decisions=n, latencies=[1.0, 2.0, 3.0])
        tried = [np.random.default_rng([seed, k]).permutation(n) for k in range(self.options.get("tries", 1))]
        best = min(tried, key=lambda order: np.cumsum(instance.duration[order]).sum())
        return Outcome(Sequence(best), decisions=n * len(tried), simulated=len(tried), status=f"seed {seed}")


WAIT = Option(float, 0.0, "seconds that it takes", minimum=0)
TRIES = Option(int, 1, "orders drawn", minimum=1)


def _type(name, options=None, **settings):
    return MethodType(
        "trial", name, "one_machine", f"tries to {name}", options or {}, lambda given: Trial(name, given), **settings
    )


METHODS = (
    _type("random", {"wait": WAIT, "tries": TRIES}),
    _type("limited", {"tries": TRIES}, budgets={"steps": "tries"}),
    *map(_type, ("stepwise", "exit", "killed", "hang", "second_seed", "process")),
)
