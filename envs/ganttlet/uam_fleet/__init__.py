"""UAM fleet: days of an air-taxi fleet, logs of what it did, generators, geographies and pictures."""

from __future__ import annotations

from typing import Any, cast

from ganttlet.core.family import Family
from ganttlet.uam_fleet.advice import advise_actions
from ganttlet.uam_fleet.axes import axes, hour
from ganttlet.uam_fleet.bounds import reference
from ganttlet.uam_fleet.dispatch import RULES
from ganttlet.uam_fleet.formats import format_scenario, parse_scenario, read_scenario, write_scenario
from ganttlet.uam_fleet.generator import GENERATORS, Generator, make_generator
from ganttlet.uam_fleet.geography import Geography, find_geography, shipped_geographies
from ganttlet.uam_fleet.instance import Scenario
from ganttlet.uam_fleet.library import generate, resolve
from ganttlet.uam_fleet.planner import FleetTables, FleetView, Flown, fleet_tables, fleet_view, fly_flows
from ganttlet.uam_fleet.presets import PRESETS, SETTINGS
from ganttlet.uam_fleet.render import fleet_ansi, fleet_rgb, fleet_svg, flows, save_fleet
from ganttlet.uam_fleet.replay import replay_actions
from ganttlet.uam_fleet.solution import OBJECTIVES, FleetLog, validate

__all__ = [
    "FAMILY",
    "GENERATORS",
    "OBJECTIVES",
    "PRESETS",
    "RULES",
    "SETTINGS",
    "FleetLog",
    "FleetTables",
    "FleetView",
    "Flown",
    "Generator",
    "Geography",
    "Scenario",
    "advise_actions",
    "find_geography",
    "fleet_ansi",
    "fleet_rgb",
    "fleet_svg",
    "fleet_tables",
    "fleet_view",
    "flows",
    "fly_flows",
    "format_scenario",
    "generate",
    "make_generator",
    "parse_scenario",
    "read_scenario",
    "reference",
    "replay_actions",
    "resolve",
    "save_fleet",
    "shipped_geographies",
    "validate",
    "write_scenario",
]

# The family's functions take its own record classes; Family is written for the base classes.
FAMILY = Family(
    name="uam_fleet",
    env_ids=("ganttlet/UAMFleet-v0",),
    instance=Scenario,
    solution=FleetLog,
    objectives=OBJECTIVES,
    resolve=resolve,
    generate=generate,
    validate=cast(Any, validate),
    reference=cast(Any, reference),
    picture=cast(Any, fleet_svg),
    generators=GENERATORS,
    presets=PRESETS,
    replay=cast(Any, replay_actions),
    advise=advise_actions,
    # A profit says little without how many were carried and how many flights had no one on board.
    beside={"profit": ("served", "empty_flights"), "served": ("profit", "lost")},
    axes=cast(Any, axes),
    after={"hour": cast(Any, hour)},
    stochastic=True,
)
