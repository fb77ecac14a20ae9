"""The HLO text of a JAX function, compiled on this machine. The only place that imports jax."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import Any

from ganttlet.core.errors import InputError, MissingExtraError

# Tables of source locations, which hold paths of the machine.
LOCATIONS = re.compile(r"^(FileNames|FunctionNames|FileLocations|StackFrames)\n([0-9]+ .*\n)*\n*", re.MULTILINE)


def hlo_text(function: Any, *arguments: Any, **named: Any) -> str:
    """Return the scheduled HLO text of a function, compiled by JAX for the device that it finds.

    Nothing is computed: arguments may be ``jax.ShapeDtypeStruct``. Tables of source locations are left out.

    Args:
        function: that ``jax.jit`` takes, or one that is jitted already.
        arguments: positional arguments: arrays, shapes, or nested containers of them.
        named: named ones.

    Raises:
        MissingExtraError: jax is not installed.
        InputError: JAX cannot trace or compile the function.
    """
    if find_spec("jax") is None:
        raise MissingExtraError("jax", "hlo")
    import jax

    jitted = function if hasattr(function, "lower") else jax.jit(function)
    try:
        text: str = jitted.lower(*arguments, **named).compile().as_text()
    except Exception as error:  # the user's own code runs here: anything may be raised
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(f"hlo_text: JAX cannot compile the function: {lines[0]}") from error
    return LOCATIONS.sub("", text)
