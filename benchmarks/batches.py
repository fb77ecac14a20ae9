"""Batches that play random legal actions against the clock: what the engine benchmarks share."""

from __future__ import annotations

import threading
import time

import numpy as np

from ganttlet.core.rng import random_legal
from ganttlet.core.vector_env import BatchEnv


class Batch:
    """A batch and its action buffer, warmed up; it should start finished rows anew by itself."""

    def __init__(self, env: BatchEnv) -> None:
        self.env = env
        self.env.reset(seed=0)
        self.actions = np.zeros(env.num_envs, np.int64)
        self.turn = 0
        self.play(0.05)

    def play(self, seconds: float) -> float:
        """Return steps per second over about ``seconds``."""
        env, mask, actions, calls, begin = self.env, self.env.live_mask, self.actions, 0, time.perf_counter()
        while (elapsed := time.perf_counter() - begin) < seconds:
            for _ in range(8):
                self.turn += 1
                random_legal(mask, self.turn, actions)
                env.step(actions)
            calls += 8
        return calls * env.num_envs / elapsed


def side_by_side(batches: list[Batch], seconds: float) -> float:
    """Return the steps per second of several batches, each in a thread of its own."""
    rates = [0.0] * len(batches)

    def work(at: int) -> None:
        rates[at] = batches[at].play(seconds)

    threads = [threading.Thread(target=work, args=(at,)) for at in range(len(batches))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(rates)
