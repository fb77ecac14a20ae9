"""Risk-seeking sampling: at each decision only actions above a quantile of the probabilities are drawn.

Source: the thresholds of VMR2L (EuroSys 2025), as its public code (zhykoties/VMR2L_eurosys) has them: .995 in phase vm
and .98 in phase pm. There quantiles are those of all actions, here of the legal ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganttlet.core.errors import InputError, check_keys
from ganttlet.core.options import as_number
from ganttlet_agents.search.batch import Floats

Threshold = float | Mapping[str, float]


def read_threshold(text: str) -> Threshold:
    """Return the threshold written as one number, ``0.99``, or per phase, ``vm/0.995+pm/0.98``.

    Raises:
        InputError: for another form, a phase given twice, or a number outside 0 … 1.
    """
    if "/" not in text:
        return _quantile(text, text)
    found: dict[str, float] = {}
    for part in text.split("+"):
        phase, _, number = part.partition("/")
        if phase in found:
            raise InputError(f"threshold {text!r}: phase {phase!r} is given twice")
        found[phase] = _quantile(text, number)
    return found


def _quantile(text: str, number: str) -> float:
    try:
        return as_number("", float(number), 0.0, 1.0)
    except ValueError:
        raise InputError(
            f"threshold {text!r}: expected a number in 0 … 1, or one for each phase, as vm/0.995+pm/0.98"
        ) from None


def quantiles_of(threshold: Threshold, phases: Sequence[str]) -> Floats:
    """Return the quantile of each phase (phases,), 0 for those not named; (1,) without phases.

    Raises:
        InputError: for a phase that is not one of ``phases``, or a number outside 0 … 1.
    """
    if not isinstance(threshold, Mapping):
        return np.full(max(1, len(phases)), as_number("threshold", threshold, 0.0, 1.0))
    if not phases:
        raise InputError("threshold: this environment has no phases; expected one number for all decisions")
    check_keys("threshold: phase", threshold, phases)
    return np.array([as_number(f"threshold: {name}", threshold.get(name, 0.0), 0.0, 1.0) for name in phases])


def keep_probable(logits: NDArray[Any], quantiles: Floats, temperature: float) -> NDArray[Any]:
    """Return ``logits`` (R, A), -inf also where an action is less probable than the row's quantile (R,).

    Quantiles are those of the probabilities of the legal actions, by linear interpolation. The most probable action
    always stays.
    """
    kept = logits.copy()
    for row, quantile in enumerate(quantiles):
        if quantile > 0.0:
            legal = np.flatnonzero(np.isfinite(logits[row]))
            scaled = logits[row, legal].astype(np.float64) / temperature
            # Up to a common factor, which no comparison sees.
            probability = np.exp(scaled - scaled.max())
            kept[row, legal[probability < np.quantile(probability, quantile)]] = -np.inf
    return kept
