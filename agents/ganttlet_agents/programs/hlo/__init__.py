"""Compiled XLA programs as tables: the text of a scheduled HLO module in, instruction, buffer and use tables out."""

from __future__ import annotations

from ganttlet_agents.programs.hlo.importing import from_hlo, read_hlo
from ganttlet_agents.programs.hlo.lowering import hlo_text

__all__ = ["from_hlo", "hlo_text", "read_hlo"]
