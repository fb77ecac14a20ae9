"""Seeded random clusters: named distributions with settings that are checked key by key."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ganttlet.core.errors import InputError, check_choice
from ganttlet.vm_rescheduling.level import LevelGenerator
from ganttlet.vm_rescheduling.replica_sets import ReplicaSetGenerator
from ganttlet.vm_rescheduling.sampling import Generator
from ganttlet.vm_rescheduling.toy import ToyGenerator

__all__ = ["GENERATORS", "Generator", "make_generator"]

GENERATORS: Mapping[str, str] = MappingProxyType(
    {
        "level": "clusters like the Medium snapshot after VMs left and small ones came: levels H, M, L of utilisation",
        "pods": "replica sets that the default scheduler has placed on identical nodes, some of them still pending",
        "toy": "a few hosts and VMs of arbitrary sizes, for tests",
    }
)
_CLASSES: Mapping[str, type[Generator]] = {"level": LevelGenerator, "pods": ReplicaSetGenerator, "toy": ToyGenerator}


def make_generator(settings: Mapping[str, Any]) -> Generator:
    """Return the generator that ``settings`` describe.

    Args:
        settings: ``name`` (one of GENERATORS) and, all of them optional, where "range" means a number or [low, high],
            drawn per instance:

            ``level``: ``level`` (H, M or L; H), ``hosts`` (range; 279), ``mnl`` (range; 50), ``base`` ("statistics",
            which reads no outside file; "medium", "large" or the path of a cluster, of which a random part is taken
            if it has more hosts), ``remove`` (range; probability that a VM of the base leaves), ``refill`` (range;
            cores of the VMs of up to 8 cores that then come, best fit by free cores; on 279 hosts, in proportion on
            others), ``fill`` (share of the cores reserved in the base; 0.943, with base "statistics" only).
            ``remove`` and ``refill`` default to the level's: H 0.075 and 550 (with base "statistics" 0.07 and 450,
            which have the same statistics), M 0.3 and 0, L 0.6 and 0.

            ``pods``: ``nodes`` (range; 8), ``pods_per_node`` (range; 4), ``priorities`` (range; 2), ``util`` (range;
            0.95, to three decimals), ``mnl`` (range; as many as pods), ``count_placements`` (bool; true),
            ``only_failing`` (bool; true where util < 1: draw again until the default scheduler leaves a pod pending).

            ``toy``: ``hosts`` (range; 4), ``vms`` (range; 10), ``mnl`` (range; 5), ``kinds`` (range; 6; at most so many
            different VMs).

            ``level`` and ``toy``: ``groups`` (range; 0, anti-affinity groups) of ``group_size`` (range; 10) VMs on
            different hosts, ``block`` (range; 16, toy [3, 16]), ``memory_block`` (MB), ``goal`` (none), ``mix`` (0.5).

    Raises:
        InputError: naming the key.
    """
    if not isinstance(settings, Mapping):
        raise InputError(f"generator: expected a mapping with the key 'name', got {settings!r}")
    if "name" not in settings:
        raise InputError(f"generator: key 'name' is missing; expected one of {', '.join(GENERATORS)}")
    check_choice("generator: key 'name'", settings["name"], GENERATORS)
    return _CLASSES[settings["name"]](settings)
