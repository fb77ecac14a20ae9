"""Dispatching rules and list heuristics, a module per family."""

from ganttlet_agents.rules.job_shop import METHODS as JOB_SHOP
from ganttlet_agents.rules.job_shop import run_rule

METHODS = (*JOB_SHOP,)

__all__ = ["METHODS", "run_rule"]
