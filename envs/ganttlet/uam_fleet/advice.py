"""What a rule does in the present state of every row of a batch: labels for imitation."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ganttlet.uam_fleet.batch import UAMFleetVectorEnv
    from ganttlet.uam_fleet.layout import Array


def advise_actions(batch: UAMFleetVectorEnv, rule: str) -> Array:
    """Return the actions (B,) int64 of a rule of ``dispatch.RULES``, -1 in rows that are over.

    Raises:
        InputError: for an unknown rule.
    """
    return batch.advise(rule)
