"""What a rule does in the present state of every row of a batch: labels for imitation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ganttlet.core.errors import InputError, check_keys

if TYPE_CHECKING:
    from ganttlet.soc_dag.batch import SoCDAGVectorEnv


def advise_actions(batch: SoCDAGVectorEnv, rule: str) -> np.ndarray[Any, Any]:
    """Return the actions (B,) int64 of a rule written as in a method's name: ``etf``, ``sjf:late=true``.

    Raises:
        InputError: for a rule that cannot be asked at a single decision, or an option that it does not have.
    """
    name, *words = rule.split(":")
    options: dict[str, str] = {}
    for word in words:
        key, _, value = word.partition("=")
        options[key] = value
    check_keys(f"rule {name!r}", options, ("late",))
    late = options.get("late", "false").lower()
    if late not in ("true", "false"):
        raise InputError(f"rule {name!r}: option 'late' is {late!r}; expected true or false")
    return batch.advise(name, late=late == "true")
