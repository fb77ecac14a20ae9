"""The methods: jobs sorted by duration, shortest or longest first."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganttlet_agents.evaluation.methods import MethodType, Option, Outcome
from ganttlet_dummy.family import OneMachineInstance, Sequence


class Sorted:
    """Plays the jobs by duration."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.sign = -1 if options["descending"] else 1

    def solve(self, instance: OneMachineInstance, *, objective: str, seed: int) -> Outcome:
        """Return the sorted order."""
        order = np.argsort(self.sign * instance.duration, kind="stable")
        return Outcome(Sequence(order), decisions=len(order))


METHODS = (
    MethodType(
        kind="rule",
        name="shortest",
        family="one_machine",
        about="shortest job first",
        options={"descending": Option(bool, False, "longest first instead")},
        build=Sorted,
    ),
)
