"""What the solvers of memory allocation return, and the words they use."""

from __future__ import annotations

from dataclasses import dataclass

from ganttlet.memory_allocation.instance import AllocationInstance
from ganttlet.memory_allocation.solution import Allocation, values_of
from ganttlet_agents.evaluation.methods import Outcome

DEFAULT_TIME = 10.0
GOALS = ("least", "fit")


@dataclass(frozen=True)
class SolverResult:
    """What a solver found.

    Fields:
        allocation: the lowest packing found; a rule's, if the solver found none that is lower.
        height: its height in the instance's unit.
        bound: proven lower bound on the height.
        goal: ``least`` or ``fit``.
        status: as of :func:`status_of`, or ``too large`` to search.
        seconds: wall time.
        nodes: decisions of the search, 0 where they are not counted.
    """

    allocation: Allocation
    height: int
    bound: int
    goal: str
    status: str
    seconds: float
    nodes: int = 0

    @property
    def optimal(self) -> bool:
        """True if no packing is lower."""
        return self.bound == self.height

    def outcome(self, instance: AllocationInstance, objective: str) -> Outcome:
        """Return what an evaluation wants to know: bound and proof in terms of ``objective``."""
        bound = values_of(instance, self.bound)[objective]
        optimal = values_of(instance, self.height)[objective] == bound
        return Outcome(self.allocation, bound, optimal, self.status, self.nodes)


def goal_of(goal: str | None, objective: str) -> str:
    """Return the goal; if none is given, ``fit`` for objective ``fits``, else ``least``."""
    return goal or ("fit" if objective == "fits" else "least")


def status_of(goal: str, height: int, bound: int, capacity: int) -> str:
    """Return the word for how a solve ended.

    ``optimal``: proven the least height; ``fits`` and ``does not fit`` (proven), if that was asked; ``feasible``:
    stopped before.
    """
    if height == bound:
        return "optimal"
    if goal == "fit":
        return "fits" if height <= capacity else "does not fit" if bound > capacity else "feasible"
    return "feasible"
