"""ganttlet: Gymnasium environments for scheduling and allocation, judged by one independent evaluator.

Importing it registers the environments; families are imported when one is made.
"""

from importlib.metadata import PackageNotFoundError, version

from ganttlet.core.registration import register

try:
    __version__ = version("ganttlet")
except PackageNotFoundError:
    __version__ = "0+unknown"

register(
    "ganttlet/JobShop-v0",
    entry_point="ganttlet.job_shop.env:JobShopEnv",
    vector_entry_point="ganttlet.job_shop.env:JobShopVectorEnv",
)

register(
    "ganttlet/VMRescheduling-v0",
    entry_point="ganttlet.vm_rescheduling.env:VMReschedulingEnv",
    vector_entry_point="ganttlet.vm_rescheduling.env:VMReschedulingVectorEnv",
)
register(
    "ganttlet/PodPacking-v0",
    entry_point="ganttlet.vm_rescheduling.pods_env:PodPackingEnv",
    vector_entry_point="ganttlet.vm_rescheduling.pods_env:PodPackingVectorEnv",
)
register(
    "ganttlet/SoCDAG-v0",
    entry_point="ganttlet.soc_dag.env:SoCDAGEnv",
    vector_entry_point="ganttlet.soc_dag.batch:SoCDAGVectorEnv",
)
register(
    "ganttlet/MemoryAllocation-v0",
    entry_point="ganttlet.memory_allocation.env:MemoryAllocationEnv",
    vector_entry_point="ganttlet.memory_allocation.env:MemoryAllocationVectorEnv",
)
register(
    "ganttlet/MemoryMapping-v0",
    entry_point="ganttlet.memory_mapping.env:MemoryMappingEnv",
    vector_entry_point="ganttlet.memory_mapping.batch:MemoryMappingVectorEnv",
)
register(
    "ganttlet/UAMFleet-v0",
    entry_point="ganttlet.uam_fleet.env:UAMFleetEnv",
    vector_entry_point="ganttlet.uam_fleet.batch:UAMFleetVectorEnv",
)

__all__ = ["__version__", "register"]
