"""References to compare with."""

from __future__ import annotations

from ganttlet.core.errors import check_choice
from ganttlet.core.objective import Reference
from ganttlet.uam_fleet.instance import Scenario
from ganttlet.uam_fleet.solution import OBJECTIVES


def reference(scenario: Scenario, objective: str = "profit") -> Reference | None:
    """Return None: nothing is known of a day without a solver."""
    check_choice("objective", objective, OBJECTIVES)
    return None
