"""The flags and counters of a batch of episodes, and the kernel that settles them after a step."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ganttlet.core.jit import jit


class Flags(NamedTuple):
    """What every family's kernel reads (active) and writes (reward, terminated, illegal), an entry per row.

    Fields:
        active: (B,) bool, rows that play this step; the kernel leaves the others alone.
        reward: (B,) float64.
        terminated, truncated, illegal: (B,) bool.
        done: (B,) bool, terminated or truncated in the last step played.
        steps: (B,) int64, actions taken in the episode, illegal ones included.
        discount: (B,) float64, gamma; a family whose steps take different times or moves writes gamma to their power.
    """

    active: NDArray[np.bool_]
    reward: NDArray[np.float64]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    illegal: NDArray[np.bool_]
    done: NDArray[np.bool_]
    steps: NDArray[np.int64]
    discount: NDArray[np.float64]


class Snapshot(NamedTuple):
    """Rows taken out of a batch by :meth:`BatchEnv.snapshot`; plain arrays, safe to keep and to pickle."""

    kind: str
    state: tuple[np.ndarray[Any, Any], ...]
    flags: tuple[np.ndarray[Any, Any], ...]
    book: tuple[np.ndarray[Any, Any], ...]
    slots: dict[str, Any]


def make_flags(rows: int) -> Flags:
    """Return flags of ``rows`` rows that have not begun an episode."""
    return Flags(
        active=np.ones(rows, np.bool_),
        reward=np.zeros(rows),
        terminated=np.zeros(rows, np.bool_),
        truncated=np.zeros(rows, np.bool_),
        illegal=np.zeros(rows, np.bool_),
        done=np.zeros(rows, np.bool_),
        steps=np.zeros(rows, np.int64),
        discount=np.ones(rows),
    )


@jit
def settle(flags: Any, limit: int) -> int:
    """Count the step of every active row, truncate at ``limit`` steps, and return how many rows are done.

    Inactive rows get reward 0 and keep their flags.
    """
    active, reward, terminated, truncated, illegal, done, steps, _discount = flags
    count = 0
    for i in range(len(active)):
        if active[i]:
            steps[i] += 1
            truncated[i] = steps[i] >= limit and not terminated[i]
            done[i] = terminated[i] or truncated[i]
        else:
            reward[i] = 0.0
            illegal[i] = False
        if done[i]:
            count += 1
    return count
