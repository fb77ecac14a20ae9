"""A method of one's own for the job shop: a hill climb over the order in which the jobs take turns.

python evaluate.py run --instances job_shop:ft06 --methods python:examples/own_method.py:HillClimb:tries=1000
"""

import numpy as np

from ganttlet.job_shop import Schedule, validate


class HillClimb:
    """Moves one turn at a time to another place and keeps what is no worse."""

    families = ("job_shop",)

    def __init__(self, tries=300):
        self.tries = tries

    def solve(self, instance, *, objective, seed):
        """Return a schedule; every random choice comes from the seed, so that the run can be repeated."""
        rng = np.random.default_rng(seed)
        # Turns go round the jobs: first everyone's first operation, then everyone's second.
        turns = [job for step in instance.machine.T for job in np.flatnonzero(step >= 0)]
        best = place(instance, turns)
        value = validate(instance, best).values[objective]
        for _ in range(self.tries):
            other = turns.copy()
            other.insert(rng.integers(len(turns)), other.pop(rng.integers(len(turns))))
            plan = place(instance, other)
            if (now := validate(instance, plan).values[objective]) <= value:
                turns, best, value = other, plan, now
        return best


def place(shop, turns):
    """Return the schedule that starts each turn's operation as early as the turns before it let it."""
    start = np.full(shop.machine.shape, -1)
    job_free, machine_free, steps = shop.release.tolist(), [0] * shop.n_machines, [0] * len(start)
    for job in turns:
        step = steps[job]
        machine = shop.machine[job, step]
        start[job, step] = max(job_free[job], machine_free[machine])
        job_free[job] = machine_free[machine] = start[job, step] + shop.duration[job, step]
        steps[job] += 1
    return Schedule(start, instance=shop.digest)
