"""A mixture of generators: each day is drawn from one of several distributions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ganttlet.core.mixing import NAME, MixtureOf
from ganttlet.uam_fleet.instance import Scenario

__all__ = ["NAME", "Mixture"]


class Mixture(MixtureOf[Scenario]):
    """A generator that draws each day from one of its parts.

    Attributes:
        max_ports, max_aircraft, max_hours, max_corridors, max_decisions: the most that can be drawn.
    """

    max_ports: int
    max_aircraft: int
    max_hours: int
    max_corridors: int
    max_decisions: int
    default: ClassVar[Sequence[Mapping[str, Any]]] = (
        {"name": "captain-2024"},
        {"name": "captain-2024", "geography": "nyc"},
    )
    sizes: ClassVar[Sequence[str]] = ("max_ports", "max_aircraft", "max_hours", "max_corridors", "max_decisions")
