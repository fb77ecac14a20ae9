"""Dispatching rules and list heuristics, a module per family."""

from ganttlet_agents.rules.job_shop import METHODS as JOB_SHOP
from ganttlet_agents.rules.job_shop import run_rule
from ganttlet_agents.rules.memory_allocation import METHODS as MEMORY_ALLOCATION
from ganttlet_agents.rules.memory_mapping import METHODS as MEMORY_MAPPING
from ganttlet_agents.rules.pod_packing import METHODS as POD_PACKING
from ganttlet_agents.rules.soc_dag import METHODS as SOC_DAG
from ganttlet_agents.rules.uam_fleet import METHODS as UAM_FLEET
from ganttlet_agents.rules.vm_rescheduling import METHODS as VM_RESCHEDULING

METHODS = (
    *JOB_SHOP,
    *MEMORY_ALLOCATION,
    *MEMORY_MAPPING,
    *POD_PACKING,
    *SOC_DAG,
    *UAM_FLEET,
    *VM_RESCHEDULING,
)

__all__ = ["METHODS", "run_rule"]
