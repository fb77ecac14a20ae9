"""SoC task graphs: platforms, applications, workloads, generators, runs and pictures."""

from __future__ import annotations

from typing import Any, cast

from ganttlet.core.family import Family
from ganttlet.soc_dag.advice import advise_actions
from ganttlet.soc_dag.application import Application
from ganttlet.soc_dag.axes import axes
from ganttlet.soc_dag.generator import GENERATORS, make_generator
from ganttlet.soc_dag.instance import Workload
from ganttlet.soc_dag.library import DATA_SETS, generate, resolve
from ganttlet.soc_dag.platform import Cluster, Platform
from ganttlet.soc_dag.presets import PRESETS
from ganttlet.soc_dag.render import run_ansi, run_rgb, run_svg, save_gantt
from ganttlet.soc_dag.scenario import Scenario
from ganttlet.soc_dag.solution import OBJECTIVES, Run, validate

__all__ = [
    "DATA_SETS",
    "FAMILY",
    "GENERATORS",
    "OBJECTIVES",
    "PRESETS",
    "Application",
    "Cluster",
    "Platform",
    "Run",
    "Scenario",
    "Workload",
    "generate",
    "make_generator",
    "resolve",
    "run_ansi",
    "run_rgb",
    "run_svg",
    "save_gantt",
    "validate",
]

# The family's functions take its own record classes; Family is written for the base classes.
FAMILY = Family(
    name="soc_dag",
    env_ids=("ganttlet/SoCDAG-v0",),
    instance=Workload,
    solution=Run,
    objectives=OBJECTIVES,
    resolve=resolve,
    generate=generate,
    validate=cast(Any, validate),
    reference=lambda instance, objective: None,
    picture=cast(Any, run_svg),
    generators=GENERATORS,
    presets=PRESETS,
    data_sets=DATA_SETS,
    beside={"latency": ("p95", "energy", "throughput"), "makespan": ("energy",)},
    advise=advise_actions,
    axes=cast(Any, axes),
    stochastic=True,
)
