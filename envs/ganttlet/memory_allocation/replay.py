"""An allocation turned back into decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ganttlet.core.errors import InputError
from ganttlet.memory_allocation.layout import OFFSET
from ganttlet.memory_allocation.solution import Allocation

if TYPE_CHECKING:
    from ganttlet.memory_allocation.env import MemoryAllocationVectorEnv

NEVER = 2**62


def replay_actions(env: MemoryAllocationVectorEnv, allocations: Sequence[Allocation]) -> NDArray[np.int64]:
    """Return the action (B,) that follows each row's allocation: the buffer of least offset that is not placed.

    Of equal offsets the lowest index goes first. No buffer ends up higher than in the allocation: all that is placed
    before it ends, where it is in the way at all, at or below its offset there. -1 where all is placed.

    Args:
        env: the batch, one row per allocation.
        allocations: complete allocations of the rows' instances.

    Raises:
        InputError: if there are not as many allocations as rows, or one belongs to another instance than its row's, has
            another shape, or leaves out a buffer that is not placed.
    """
    placed = env._state.buffers[:, OFFSET]
    if len(allocations) != len(placed):
        raise InputError(f"replay: {len(allocations)} allocations for {len(placed)} rows")
    actions = np.full(len(placed), -1, np.int64)
    for row, allocation in enumerate(allocations):
        instance: Any = env.instance(row)
        n = instance.n_buffers
        if allocation.instance != instance.digest or allocation.offset.shape != (n,):
            raise InputError(f"replay: the allocation of row {row} is not one of its instance {instance.name}")
        left = placed[row, :n] < 0
        missing = np.flatnonzero(left & (allocation.offset < 0))
        if len(missing):
            raise InputError(f"replay: the allocation of row {row} leaves out buffer {missing[0]}")
        if left.any():
            actions[row] = np.where(left, allocation.offset, NEVER).argmin()
    return actions
