"""Preferences by a least rent: fast memory is for what saves enough time for the space and the time it takes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ganttlet.memory_mapping.instance import Array, Program
from ganttlet.memory_mapping.stays import stays_of
from ganttlet_agents.rules.memory_mapping.playing import CAUTIOUS, FORCE, PREFER_DROP

QUANTILES = np.linspace(0.0, 0.975, 14)


def wishes(program: Program) -> Iterator[Array]:
    """Yield preferences (U,) int8 by least rents, QUANTILES of what slots earn (``stays_of``) if it is above 0.

    A slot that earns the rent is cautious, or, in every other one, forced; the others drop.
    """
    earned, _ = stays_of(program)
    some = earned[earned > 0.0]
    for rent in np.quantile(some, QUANTILES) if len(some) else [0.0]:
        for wanted in (CAUTIOUS, FORCE):
            yield np.where(earned >= rent, wanted, PREFER_DROP).astype(np.int8)
