"""What a rule may see of a batch: integer arrays without clipping or scaling."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganttlet.vm_rescheduling.layout import AT, CHOSEN, CPU, KIND, LENGTH, MEM, NODE, PHASE, State
from ganttlet.vm_rescheduling.storage import VMStorage


class ClusterView:
    """The state of every row; arrays must not be written to.

    Attributes:
        legal: (B, V) bool, VMs that may be chosen.
        cpu, mem: (B, P, K) int32, free cores (pods: millicores) and MB.
        host, numa: (B, V) int32, where VMs lie; -1 for a pending pod.
        phase, chosen, moves: (B,) int64, 0 where a VM is due and 1 where a host is; the chosen VM or -1; moves made.
    """

    def __init__(self, state: State, storage: VMStorage, slot: NDArray[np.int64]) -> None:
        self._storage, self._slot = storage, slot
        self.legal: NDArray[np.bool_] = state.legal.view(np.bool_)
        self.cpu, self.mem = state.free[:, CPU], state.free[:, MEM]
        self.host, self.numa = state.place[:, AT], state.place[:, NODE]
        self.phase, self.chosen, self.moves = (state.totals[:, column] for column in (PHASE, CHOSEN, LENGTH))

    @property
    def kind(self) -> NDArray[Any]:
        """(B, V) int32, equal for VMs of a row with equal cores, memory and split."""
        kinds: NDArray[Any] = self._storage.arrays.vms[self._slot, KIND]
        return kinds
