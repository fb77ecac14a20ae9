"""Memory mapping's extractor: a torch module or a compiled XLA program in, instruction, buffer and use tables out.

    from ganttlet_agents.programs import extract

    tables = extract(module, (torch.zeros(8, 3, 224, 224),), name="mine")
    tables.write("programs")                      # three CSV files
    program = tables.program("tight")             # an instance of the environment's family

    tables = from_hlo(hlo_text(function, x), weights=(0,))  # of a JAX function

From the command line: ``python -m ganttlet_agents.programs list | extract | hlo | ship``.
"""

from __future__ import annotations

from importlib.util import find_spec

from ganttlet.core.errors import MissingExtraError

if find_spec("torch") is None:
    raise MissingExtraError("torch", "agents")

from ganttlet_agents.programs.extractor import extract
from ganttlet_agents.programs.hlo import from_hlo, hlo_text, read_hlo
from ganttlet_agents.programs.tables import Tables

__all__ = ["Tables", "extract", "from_hlo", "hlo_text", "read_hlo"]
