"""A mapping turned back into decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.memory_mapping.instance import OUT, Array, Program
from ganttlet.memory_mapping.layout import COPY, DROP, LEGAL, NOCOPY, SLOT
from ganttlet.memory_mapping.solution import Mapping

if TYPE_CHECKING:
    from ganttlet.memory_mapping.batch import MemoryMappingVectorEnv


def actions_of(program: Program, mapping: Mapping) -> Array:
    """Return the action (U,) int8 that serves each slot as a mapping does, -1 where it says nothing.

    A slot that is fast is NoCopy, an operand whose buffer is copied in by then Copy; one whose buffer is written back
    by then is Drop, and so is a slot that is slow.
    """
    actions = np.select([mapping.fast == 1, mapping.fast == 0], [NOCOPY, DROP], -1).astype(np.int8)
    slot_of = {
        (int(b), int(t)): k
        for k, (b, t, role) in enumerate(zip(program.slot_buffer, program.slot_time, program.slot_role, strict=True))
        if role != OUT
    }
    for b, out, due in zip(mapping.copy_buffer, mapping.copy_out, mapping.copy_deadline, strict=True):
        k = slot_of.get((int(b), int(due)))
        if k is not None and mapping.fast[k] == 1:
            actions[k] = DROP if out else COPY
    return actions


def replay_actions(env: MemoryMappingVectorEnv, mappings: Sequence[Mapping]) -> Array:
    """Return the action (B,) int64 that follows each row's mapping at its present slot.

    A mapping that the game made, with the same options and without a backup, is followed exactly. Where another one
    asks for what is illegal, the row takes NoCopy, else Drop, else Copy.

    Args:
        env: the batch, one row per mapping.
        mappings: mappings of the rows' programs.

    Raises:
        InputError: if there are not as many mappings as rows, or one belongs to another program than its row's.
    """
    totals = env._state.totals
    if len(mappings) != len(totals):
        raise InputError(f"replay: {len(mappings)} mappings for {len(totals)} rows")
    actions = np.full(len(mappings), -1, np.int64)
    known: dict[int, Array] = {}
    for row, mapping in enumerate(mappings):
        program: Any = env.instance(row)
        if mapping.instance_digest != program.digest or len(mapping.fast) != program.n_slots:
            raise InputError(f"replay: the mapping of row {row} is not one of its instance {program.name}")
        if totals[row, LEGAL] == 0:
            continue
        if id(mapping) not in known:
            known[id(mapping)] = actions_of(program, mapping)
        wish, legal = int(known[id(mapping)][totals[row, SLOT]]), int(totals[row, LEGAL])
        if wish < 0 or legal >> wish & 1:
            actions[row] = wish
        else:
            actions[row] = next(action for action in (NOCOPY, DROP, COPY) if legal >> action & 1)
    return actions
