"""The environments that the shared tests in tests/core/ play: a new family joins by adding one FamilyCase to CASES."""

from families_allocation import MEMORY_ALLOCATION
from families_job_shop import (
    DRAW,
    DRAWN,
    EVEN,
    JOB_SHOP,
    ODD,
    JobShopOracle,
    job_list,
    job_shop_options,
    job_shop_return,
    shop,
)
from families_memory import MEMORY_MAPPING
from families_soc import SOC_DAG
from families_uam import UAM_FLEET
from families_vm import POD_PACKING, VM_RESCHEDULING
from family_case import FamilyCase

__all__ = [
    "CASES",
    "DRAW",
    "DRAWN",
    "EVEN",
    "ODD",
    "FamilyCase",
    "JobShopOracle",
    "job_list",
    "job_shop_options",
    "job_shop_return",
    "shop",
]

CASES = (JOB_SHOP, SOC_DAG, VM_RESCHEDULING, POD_PACKING, MEMORY_MAPPING, MEMORY_ALLOCATION, UAM_FLEET)
