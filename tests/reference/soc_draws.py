"""The hidden realisation of a workload in Python integers: gaps, applications and execution times."""

from __future__ import annotations

import math
from typing import Any

BITS = 2**64 - 1
LONGEST = 2**29


def scramble(x: int) -> int:
    """SplitMix64's finaliser."""
    z = (x + 0x9E3779B97F4A7C15) & BITS
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & BITS
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & BITS
    return z ^ (z >> 31)


def uniform(seed: int, entity: int, count: int, draw: int = 0) -> float:
    """Draw number ``draw`` in [0, 1) of one entity of a scenario."""
    key = scramble(scramble(scramble(seed) ^ entity) ^ count)
    return (scramble(key ^ scramble(draw)) >> 11) / 2**53


def gap(instance: Any, attempt: int) -> int:
    """Ticks between an attempt to bring a job and what went before."""
    if instance.arrivals == "periodic":
        return math.floor(instance.scale)
    return math.floor(-instance.scale * math.log(1.0 - uniform(instance.seed, 21, attempt)))


def app_of(instance: Any, job: int) -> int:
    """Application of a job, unless a trace says it."""
    u, total = uniform(instance.seed, 22, job), 0.0
    shares = instance.probability.tolist()
    last = max(k for k, share in enumerate(shares) if share > 0)
    for k in range(last):
        total += shares[k]
        if u < total:
            return k
    return last


def duration(instance: Any, job: int, task: int, mean: int, std: float) -> int:
    """Realised execution time of a task that takes ``mean`` ticks on average."""
    if mean == 0 or std == 0:
        return mean
    first, second = (uniform(instance.seed, 23, job * 65536 + task, draw) for draw in (0, 1))
    z = math.sqrt(-2.0 * math.log(1.0 - first)) * math.cos(2.0 * math.pi * second)
    if instance.noise == "gaussian":
        drawn = mean * (1.0 + std * z)
    else:
        variance = math.log(1.0 + std * std)
        drawn = mean * math.exp(math.sqrt(variance) * z - variance / 2.0)
    return max(1, min(LONGEST, round(drawn)))
