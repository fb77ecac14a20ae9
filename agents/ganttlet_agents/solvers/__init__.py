"""Exact and bound-giving reference solvers; the packages they need are imported when they run."""

from ganttlet_agents.solvers import job_shop, pod_packing, vm_rescheduling

METHODS = (*job_shop.METHODS, *pod_packing.METHODS, *vm_rescheduling.METHODS)
