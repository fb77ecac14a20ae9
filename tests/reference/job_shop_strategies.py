"""Hypothesis strategies for job shops, random schedules, and a call whose InputError is caught."""

import numpy as np
from hypothesis import strategies as st

from ganttlet.core.errors import InputError
from ganttlet.job_shop import JobShopInstance, Schedule


@st.composite
def instances(draw, equal_lengths=False, least_duration=0):
    """Draw instances of up to 5 jobs and 4 machines; by default of unequal lengths, revisiting machines."""
    n, m = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    jobs = []
    for _ in range(n):
        if equal_lengths:
            route = draw(st.permutations(range(m)))
        else:
            route = draw(st.lists(st.integers(0, m - 1), min_size=1, max_size=6))
        jobs.append([(k, draw(st.integers(least_duration, 30))) for k in route])
    width = max(map(len, jobs))
    machine, duration = np.full((n, width), -1), np.zeros((n, width), int)
    for j, job in enumerate(jobs):
        for i, (k, p) in enumerate(job):
            machine[j, i], duration[j, i] = k, p
    return JobShopInstance("drawn", machine, duration, m)


@st.composite
def problems(draw):
    """Draw instances with releases, due dates (negative and late ones too) and weights."""
    plain = draw(instances())
    n = plain.n_jobs
    release = draw(st.lists(st.integers(0, 20), min_size=n, max_size=n)) if draw(st.booleans()) else None
    due = draw(st.lists(st.integers(-5, 120), min_size=n, max_size=n))
    weight = draw(st.lists(st.integers(0, 4), min_size=n, max_size=n))
    return JobShopInstance("drawn", plain.machine, plain.duration, plain.n_machines, release, due, weight)


def random_schedule(instance, seed):
    """Append the jobs' next operations in random order, each as early as its job and machine allow."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(np.repeat(np.arange(instance.n_jobs), instance.n_ops))
    start = np.full(instance.machine.shape, -1, np.int64)
    ready, free = instance.release.astype(int), np.zeros(instance.n_machines, int)
    nxt = np.zeros(instance.n_jobs, int)
    for j in order:
        i, k = nxt[j], instance.machine[j, nxt[j]]
        start[j, i] = max(ready[j], free[k])
        ready[j] = free[k] = start[j, i] + instance.duration[j, i]
        nxt[j] += 1
    return Schedule(start, instance.digest)


def attempt(call, *arguments):
    """Return (result, "") or (None, message) if the call raised InputError; other errors pass through."""
    try:
        return call(*arguments), ""
    except InputError as error:
        return None, str(error)
