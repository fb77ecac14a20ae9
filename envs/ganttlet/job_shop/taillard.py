"""Taillard's instances from their seeds: his generator, in a kernel and for Python."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.core.jit import jit
from ganttlet.job_shop.instance import Array, JobShopInstance

MODULUS = 2147483647
LOW, HIGH = 1, 99


@jit
def lcg_next(state: int) -> int:
    """Return 16807 · state mod (2³¹ - 1) by Schrage's method, as in Taillard 1993."""
    high = state // 127773
    state = 16807 * (state - 127773 * high) - 2836 * high
    return state + 2147483647 if state < 0 else state


@jit
def lcg_integer(state: int, low: int, high: int) -> int:
    """Return ⌊low + U(high - low + 1)⌋ with U = state / (2³¹ - 1), an integer on low … high."""
    return int(low + state / 2147483647.0 * (high - low + 1))


@jit
def fill_taillard(
    n_jobs: int, n_machines: int, time_seed: int, machine_seed: int, machine: Array, duration: Array
) -> None:
    """Write an instance into the first rows of ``machine`` and ``duration``, both (≥ n_jobs, o) int32.

    Every job gets all ``n_machines`` operations; if o is less, only the first o of them are written.
    """
    width = min(machine.shape[1], n_machines)
    times, order = time_seed, machine_seed
    route = np.empty(n_machines, np.int32)
    for j in range(n_jobs):
        for i in range(n_machines):
            times = lcg_next(times)
            if i < width:
                duration[j, i] = lcg_integer(times, LOW, HIGH)
            route[i] = i
        for i in range(n_machines):
            order = lcg_next(order)
            k = lcg_integer(order, i, n_machines - 1)
            route[i], route[k] = route[k], route[i]
        for i in range(width):
            machine[j, i] = route[i]


def taillard(
    n_jobs: int, n_machines: int, time_seed: int, machine_seed: int, name: str | None = None
) -> JobShopInstance:
    """Return the instance that Taillard's generator draws from two seeds (1 … 2³¹ - 2), durations 1 … 99.

    Source: Taillard, Benchmarks for basic scheduling problems, EJOR 64, 1993.

    Raises:
        InputError: naming the argument that is out of range.
    """
    for field, value, top in (
        ("n_jobs", n_jobs, MODULUS),
        ("n_machines", n_machines, MODULUS),
        ("time_seed", time_seed, MODULUS - 1),
        ("machine_seed", machine_seed, MODULUS - 1),
    ):
        if not 1 <= value <= top:
            raise InputError(f"taillard: {field} is {value}; expected 1 … {top}")
    machine = np.empty((n_jobs, n_machines), np.int32)
    duration = np.empty((n_jobs, n_machines), np.int32)
    fill_taillard(n_jobs, n_machines, time_seed, machine_seed, machine, duration)
    label = name or f"taillard-{n_jobs}x{n_machines}-{time_seed}-{machine_seed}"
    return JobShopInstance(label, machine, duration, n_machines)


@cache
def taillard_seeds() -> dict[str, tuple[int, int, int, int]]:
    """Return name -> (jobs, machines, time seed, machine seed) of ta01 … ta80."""
    text = files("ganttlet.job_shop").joinpath("data/taillard_seeds.json").read_text(encoding="utf-8")
    return {name: tuple(row) for name, row in json.loads(text)["seeds"].items()}
