"""VM rescheduling and pod packing: clusters, generators, plans, churn and pictures."""

from __future__ import annotations

from typing import Any, cast

from ganttlet.core.family import Family
from ganttlet.vm_rescheduling.after import AFTER
from ganttlet.vm_rescheduling.axes import axes
from ganttlet.vm_rescheduling.churn import achieved, replay_under_churn
from ganttlet.vm_rescheduling.formats import read_csv, read_plan, read_snapshot, write_csv, write_plan
from ganttlet.vm_rescheduling.generator import GENERATORS, make_generator
from ganttlet.vm_rescheduling.instance import Cluster
from ganttlet.vm_rescheduling.library import DATA_SETS, generate, resolve
from ganttlet.vm_rescheduling.presets import PRESETS
from ganttlet.vm_rescheduling.render import cluster_ansi, cluster_rgb, cluster_svg, save_cluster
from ganttlet.vm_rescheduling.replay import replay_actions
from ganttlet.vm_rescheduling.solution import OBJECTIVES, Plan, validate

__all__ = [
    "DATA_SETS",
    "FAMILY",
    "GENERATORS",
    "OBJECTIVES",
    "PRESETS",
    "Cluster",
    "Plan",
    "achieved",
    "cluster_ansi",
    "cluster_rgb",
    "cluster_svg",
    "generate",
    "make_generator",
    "read_csv",
    "read_plan",
    "read_snapshot",
    "replay_actions",
    "replay_under_churn",
    "resolve",
    "save_cluster",
    "validate",
    "write_csv",
    "write_plan",
]

# The family's functions take its own record classes; Family is written for the base classes.
FAMILY = Family(
    name="vm_rescheduling",
    env_ids=("ganttlet/VMRescheduling-v0", "ganttlet/PodPacking-v0"),
    instance=Cluster,
    solution=Plan,
    objectives=OBJECTIVES,
    resolve=resolve,
    generate=generate,
    validate=cast(Any, validate),
    reference=lambda instance, objective: None,
    picture=cast(Any, cluster_svg),
    generators=GENERATORS,
    presets=PRESETS,
    data_sets=DATA_SETS,
    replay=cast(Any, replay_actions),
    # FR alone hides that one block more or less is within its noise, so N16 stands beside it everywhere.
    beside={
        "fr16": ("n16", "moves"),
        "mixed": ("fr16", "n16", "moves"),
        "goal": ("fr16",),
        "unplaced": ("pending", "disruption", "moves"),
    },
    axes=cast(Any, axes),
    after=AFTER,
)
