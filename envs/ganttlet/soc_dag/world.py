"""The hidden realisation of a workload: gaps, applications and execution times as pure functions of its seed.

They belong to the attempt, the job and the task, so that every policy meets the same world (common random numbers).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ganttlet.core.jit import jit
from ganttlet.core.rng import key_of, uniform

EXPONENTIAL, PERIODIC, TRACE = range(3)  # as in scenario.ARRIVALS
GAUSSIAN, LOGNORMAL = range(2)  # as in scenario.NOISES
GAP, APP, NOISE = 21, 22, 23  # entities of the random numbers
TASKS = 65536  # noise of task t of job n is number n * TASKS + t
LONGEST = float(2**29)


@jit
def draw_gap(seed: Any, attempt: Any, kind: Any, scale: Any) -> Any:
    """Return the whole ticks between an attempt to bring a job (numbered from 0) and the one before, or time 0."""
    if kind == PERIODIC:
        return np.int64(math.floor(scale))
    u = uniform(key_of(seed, np.uint64(GAP), np.uint64(attempt)), np.uint64(0))
    return np.int64(math.floor(-scale * math.log(1.0 - u)))


@jit
def draw_app(seed: Any, job: Any, cumulative: Any) -> Any:
    """Return the application of a job (numbered from 0 as they are accepted) from cumulative shares (K,)."""
    u = uniform(key_of(seed, np.uint64(APP), np.uint64(job)), np.uint64(0))
    for k in range(len(cumulative) - 1):
        if u < cumulative[k]:
            return k
    return len(cumulative) - 1


@jit
def draw_duration(seed: Any, job: Any, task: Any, mean: Any, std: Any, kind: Any) -> Any:
    """Return the realised execution time in ticks of a task of ``mean`` ticks on the PE that runs it."""
    if mean == 0 or std == 0.0:
        return np.int64(mean)
    key = key_of(seed, np.uint64(NOISE), np.uint64(job * TASKS + task))
    radius = math.sqrt(-2.0 * math.log(1.0 - uniform(key, np.uint64(0))))
    z = radius * math.cos(2.0 * math.pi * uniform(key, np.uint64(1)))
    if kind == GAUSSIAN:
        drawn = mean * (1.0 + std * z)
    else:
        variance = math.log(1.0 + std * std)
        drawn = mean * math.exp(math.sqrt(variance) * z - variance / 2.0)
    return np.int64(max(1.0, min(LONGEST, np.rint(drawn))))


def cumulative(probability: Any) -> np.ndarray[Any, Any]:
    """Return the cumulative shares (K,) float64 of applications; those after the last positive one are out of reach."""
    total = np.cumsum(np.asarray(probability, np.float64))
    last = int(np.flatnonzero(np.asarray(probability) > 0)[-1])
    total[last:] = 2.0
    return total
