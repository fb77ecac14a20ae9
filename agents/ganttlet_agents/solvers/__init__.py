"""Exact and bound-giving reference solvers; the packages they need are imported when they run."""

from ganttlet_agents.solvers import job_shop

METHODS = (*job_shop.METHODS,)
