"""Exact and bound-giving reference solvers; the packages they need are imported when they run."""

from ganttlet_agents.solvers import (
    job_shop,
    memory_allocation,
    memory_mapping,
    pod_packing,
    soc_dag,
    uam_fleet,
    vm_rescheduling,
)

METHODS = (
    *job_shop.METHODS,
    *memory_allocation.METHODS,
    *memory_mapping.METHODS,
    *pod_packing.METHODS,
    *soc_dag.METHODS,
    *uam_fleet.METHODS,
    *vm_rescheduling.METHODS,
)
