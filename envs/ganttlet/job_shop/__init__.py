"""Job shop: instances, generators, schedules, bounds and pictures."""

from __future__ import annotations

from typing import Any, cast

from ganttlet.core.family import DataSet, Family
from ganttlet.job_shop.axes import axes
from ganttlet.job_shop.bounds import best_known, lower_bound, reference
from ganttlet.job_shop.formats import (
    format_standard,
    format_taillard,
    parse,
    read_text,
    write_standard,
    write_taillard,
)
from ganttlet.job_shop.generator import (
    GENERATORS,
    Generator,
    l2d_validation,
    make_generator,
    toy,
    with_due_dates,
)
from ganttlet.job_shop.instance import JobShopInstance
from ganttlet.job_shop.library import generate, resolve
from ganttlet.job_shop.presets import PRESETS
from ganttlet.job_shop.render import gantt_ansi, gantt_rgb, gantt_svg, save_gantt
from ganttlet.job_shop.replay import replay_actions
from ganttlet.job_shop.solution import OBJECTIVES, Schedule, validate
from ganttlet.job_shop.taillard import taillard, taillard_seeds

__all__ = [
    "DATA_SETS",
    "FAMILY",
    "GENERATORS",
    "OBJECTIVES",
    "PRESETS",
    "Generator",
    "JobShopInstance",
    "Schedule",
    "best_known",
    "format_standard",
    "format_taillard",
    "gantt_ansi",
    "gantt_rgb",
    "gantt_svg",
    "generate",
    "l2d_validation",
    "lower_bound",
    "make_generator",
    "parse",
    "read_text",
    "reference",
    "replay_actions",
    "resolve",
    "save_gantt",
    "taillard",
    "taillard_seeds",
    "toy",
    "validate",
    "with_due_dates",
    "write_standard",
    "write_taillard",
]

_FILES = "files as in SchedulingLab/jsp-instances at 9bf1315"
_LICENCE = "MIT (SchedulingLab)"


def _set(name: str, count: int, paper: str, sha256: str) -> DataSet:
    """Describe job_shop/instances/<name>; ``sha256`` is ganttlet.core.data.data_set_digest of that folder."""
    return DataSet(name, f"job_shop/instances/{name}/*.txt", count, f"{paper}; {_FILES}", _LICENCE, sha256)


DATA_SETS = (
    _set("ft", 3, "Fisher, Thompson 1963", "78112ca0f9fd87edf2e20e138253e3f303ac5f77fd4c2e00a13cb6e993ee74da"),
    _set("la", 40, "Lawrence 1984", "b7ae172d89b7539f78f5a31098651f8d27364887a03a0e2d4b8b4d1164e25fb8"),
    _set(
        "abz",
        5,
        "Adams, Balas, Zawack 1988",
        "5b301da1e4fb8553dc0dfbe71d1cee7bbd76b44d80e50794b80ef1ef66873817",
    ),
    _set("orb", 10, "Applegate, Cook 1991", "78df3ec80b8651c0eeb516884440c80f3d3790b5d4ac6fe343bfb67a903dde41"),
    _set(
        "swv",
        20,
        "Storer, Wu, Vaccari 1992",
        "526a31a4ffb439a5167c5f1bb3b81f426b0de31fe43f4f7442c4b6ae6b7c4836",
    ),
    _set("yn", 4, "Yamada, Nakano 1992", "2cf1a6c92617f4bdb08120821500953fcab903b5d3495da34b6da62d4caccf1c"),
    _set("ta", 80, "Taillard 1993", "f0ca903b549966e619a675c04689774c558f4ef2f55f4f1cd2f376e4cb8e7bda"),
    _set(
        "dmu",
        40,
        "Demirkol, Mehta, Uzsoy 1998 (dmu01 to dmu40)",
        "6dd7276f30deae8f77d7c1afd06364c5bb2c557dc0f875a91a4b332886e6186f",
    ),
)

# The family's functions take its own record classes; Family is written for the base classes.
FAMILY = Family(
    name="job_shop",
    env_ids=("ganttlet/JobShop-v0",),
    instance=JobShopInstance,
    solution=Schedule,
    objectives=OBJECTIVES,
    resolve=resolve,
    generate=generate,
    validate=cast(Any, validate),
    reference=cast(Any, reference),
    picture=cast(Any, gantt_svg),
    axes=cast(Any, axes),
    generators=GENERATORS,
    presets=PRESETS,
    data_sets=DATA_SETS,
    replay=replay_actions,
)
