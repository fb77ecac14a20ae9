"""A plan turned back into decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ganttlet.core.errors import InputError
from ganttlet.vm_rescheduling.layout import AT, CHOSEN, GROUPS, HOST, KIND, LENGTH, NODE, NOWHERE, NUMA, PHASE
from ganttlet.vm_rescheduling.solution import Plan

if TYPE_CHECKING:
    from ganttlet.vm_rescheduling.batch import PodPackingVectorEnv, VMReschedulingVectorEnv


def replay_actions(env: VMReschedulingVectorEnv | PodPackingVectorEnv, plans: Sequence[Plan]) -> NDArray[np.int64]:
    """Return the action (B,) that carries out each row's plan from its present state, and stops behind its last move.

    Where stopping is not legal, it returns -1 there: the plan has nothing more to say.

    With ``merge`` the VM that stands for all equal ones moves in place of the one that the plan names.

    Args:
        env: the batch, one row per plan.
        plans: plans of the rows' instances.

    Raises:
        InputError: if there are not as many plans as rows, or one belongs to another instance than its row's.
    """
    state, store, slots = env._state, env._storage.arrays, env._slot
    if len(plans) != env.num_envs:
        raise InputError(f"replay: {len(plans)} plans for {env.num_envs} rows")
    n_vms, n_hosts = state.place.shape[2], state.fits.shape[2]
    stop = env.graph.n_actions - 1
    actions = np.where(env.live_mask[:, stop] == 1, stop, -1).astype(np.int64)
    for row, plan in enumerate(plans):
        instance: Any = env.instance(row)
        if plan.instance != instance.digest:
            raise InputError(f"replay: the plan of row {row} is not one of its instance {instance.name}")
        at = int(state.totals[row, LENGTH])
        if at >= len(plan.moves):
            continue
        vm, host, node = (int(one) for one in plan.moves[at])
        merged = env._merge and store.vms[slots[row], GROUPS, vm] == 0
        if state.totals[row, PHASE] == 0:
            actions[row] = _stand_in(state, store.vms[slots[row]], row, plan, at) if merged else vm
            continue
        if env.pods:
            actions[row] = n_vms + (n_hosts if host == NOWHERE else host)
            continue
        chosen = int(state.totals[row, CHOSEN])
        fits = int(state.fits[row, store.vms[slots[row], KIND, chosen], host])
        own = state.place[row, AT, chosen] == host
        # The flip bit is set only where it changes the NUMA node.
        flip = own or (fits == 3 and node != state.place[row, NODE, chosen] and node != 2)
        actions[row] = n_vms + 2 * host + int(flip)
    return actions


def _stand_in(state: Any, vms: NDArray[Any], row: int, plan: Plan, at: int) -> int:
    """Return the VM that is shown for the one which the plan's move ``at`` takes."""
    vm = int(plan.moves[at, 0])
    before = plan.moves[:at][plan.moves[:at, 0] == vm]
    place = before[-1, 1:] if len(before) else vms[[HOST, NUMA], vm]
    equal = (state.place[row, AT] == place[0]) & (state.place[row, NODE] == place[1]) & (vms[KIND] == vms[KIND, vm])
    return int(np.flatnonzero(equal & (state.copies[row] > 0) & (vms[GROUPS] == 0))[0])
