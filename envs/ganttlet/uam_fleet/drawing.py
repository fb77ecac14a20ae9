"""The draws of a day's tables, as pure functions of a key."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ganttlet.core.jit import jit
from ganttlet.core.rng import key_of, uniform

Array = np.ndarray[Any, Any]


@jit
def poisson(key: Any, mean: Any) -> Any:
    """Return a Poisson draw of ``mean`` from the stream ``key``: how many gaps of a unit rate end within ``mean``."""
    count = np.int64(0)
    time = -math.log(1.0 - uniform(key, np.uint64(0)))
    while time <= mean:
        count += 1
        time -= math.log(1.0 - uniform(key, np.uint64(count)))
    return count


@jit
def fill_poisson(key: Any, mean: Array, out: Array) -> None:
    """Write a Poisson draw of each ``mean`` (H, V, V) to ``out``; a mean of 0 gives 0."""
    hours, ports = mean.shape[0], mean.shape[1]
    for h in range(hours):
        for i in range(ports):
            for j in range(ports):
                at = (h * ports + i) * ports + j
                out[h, i, j] = poisson(key_of(key, np.uint64(0), np.uint64(at)), mean[h, i, j])


@jit
def fill_closed(key: Any, probability: Array, out: Array) -> None:
    """Write 1 to ``out`` (H, V, V) where a route is closed in an hour, in both directions by one draw."""
    hours, ports = out.shape[0], out.shape[1]
    for h in range(hours):
        for i in range(ports):
            for j in range(i):
                at = (h * ports + i) * ports + j
                closed = uniform(key_of(key, np.uint64(0), np.uint64(at)), np.uint64(0)) < probability[i, j]
                out[h, i, j] = out[h, j, i] = closed


@jit
def fill_uniform(key: Any, out: Array) -> None:
    """Fill ``out`` (n,) with draws that are uniform in [0, 1)."""
    for at in range(len(out)):
        out[at] = uniform(key, np.uint64(at))


@jit
def fill_erlang(key: Any, shape: Any, out: Array) -> None:
    """Fill ``out`` (n,) with gamma draws of mean 1 and a whole ``shape``."""
    for at in range(len(out)):
        total = 0.0
        for part in range(shape):
            total -= math.log(1.0 - uniform(key, np.uint64(at * shape + part)))
        out[at] = total / shape


def uniforms(key: Any, stream: int, *shape: int) -> Array:
    """Return draws of a stream of ``key``, uniform in [0, 1)."""
    out = np.empty(int(np.prod(shape)))
    fill_uniform(key_of_stream(key, stream), out)
    return out.reshape(shape)


def permutation(key: Any, stream: int, count: int) -> Array:
    """Return a random order of 0 … count - 1."""
    return np.argsort(uniforms(key, stream, count), kind="stable")


def key_of_stream(key: Any, stream: int, number: int = 0) -> Any:
    """Return the key of a stream of ``key``, typed on purpose: Numba takes larger Python integers for int64."""
    word: Any = np.uint64(key)
    return np.uint64(key_of(word, stream, number))
