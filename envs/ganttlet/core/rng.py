"""Counter-based random numbers: every draw is a pure function of integers, so rows keep seeds and no Generators."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganttlet.core.jit import jit

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_BLOCK = 32


@jit
def scramble(x: Any) -> Any:
    """Return the SplitMix64 finaliser of ``x`` (uint64). Source: Steele, Lea, Flood 2014."""
    z = np.uint64(x) + _GAMMA
    z = (z ^ (z >> _S30)) * _MIX1
    z = (z ^ (z >> _S27)) * _MIX2
    return z ^ (z >> _S31)


@jit
def key_of(seed: Any, entity: Any, count: Any) -> Any:
    """Return a uint64 key for one entity of one scenario: the same for every policy that plays it."""
    return scramble(scramble(scramble(np.uint64(seed)) ^ np.uint64(entity)) ^ np.uint64(count))


@jit
def uniform(key: Any, count: Any) -> float:
    """Return draw number ``count`` of the stream ``key``, uniform in [0, 1)."""
    return np.float64(scramble(key ^ scramble(np.uint64(count))) >> _S11) * (1.0 / 9007199254740992.0)


@jit
def randint(key: Any, count: Any, low: Any, high: Any) -> Any:
    """Return draw number ``count`` of the stream ``key``, uniform on low … high, both included."""
    return low + np.int64(uniform(key, count) * (high - low + 1))


@jit
def random_legal(mask: Any, key: Any, out: Any) -> None:
    """Write a uniformly random legal action of every row of ``mask`` (B, n) into ``out`` (B,) int64."""
    n = mask.shape[1]
    for i in range(mask.shape[0]):
        count = 0
        for a in range(n):
            count += mask[i, a]
        rank = randint(np.uint64(key), np.uint64(i), 0, count - 1)
        # Sums of whole blocks are vectorised; looking at one action after another is not.
        start = 0
        while start + _BLOCK <= n:
            inside = 0
            for a in range(start, start + _BLOCK):
                inside += mask[i, a]
            if rank < inside:
                break
            rank -= inside
            start += _BLOCK
        for a in range(start, n):
            if mask[i, a]:
                if rank == 0:
                    out[i] = a
                    break
                rank -= 1
