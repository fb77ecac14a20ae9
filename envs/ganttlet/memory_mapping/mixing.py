"""A mixture of generators: each program is drawn from one of several distributions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ganttlet.core.mixing import NAME, MixtureOf
from ganttlet.memory_mapping.instance import Program

__all__ = ["NAME", "Mixture"]


class Mixture(MixtureOf[Program]):
    """A generator that draws each program from one of its parts.

    Attributes:
        max_instructions, max_buffers, max_slots: the most that can be drawn.
    """

    max_instructions: int
    max_buffers: int
    max_slots: int
    default: ClassVar[Sequence[Mapping[str, Any]]] = ({"name": "random"}, {"name": "recurrent"})
    sizes: ClassVar[Sequence[str]] = ("max_instructions", "max_buffers", "max_slots")
