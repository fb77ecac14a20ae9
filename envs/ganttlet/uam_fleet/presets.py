"""Every constant of the two named distributions of days, and environment keyword arguments by name.

``predecessor-2022``: values read in github.com/iamstevepaul/UAM_fleet_Scheduling at f7c516c, the first author's code
from before arXiv 2401.04851. ``captain-2024`` adds what that paper's abstract names (40 aircraft, delays, closures,
failures, corridors); its numbers are recalled or our own where the table below says so, and each is one setting.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

# A tariff by time of use, USD for a kWh from 06:00 to 18:00: 0.1482 times 0.6, 1.05 and 1.5. Shape: DDNALab's
# uam_fleet_scheduling; which hours are which is ours.
TIME_OF_USE = tuple(0.1482 * share for share in (0.6,) * 3 + (1.05,) * 5 + (1.5,) * 4)

CAPTAIN: Mapping[str, Any] = MappingProxyType(
    {
        "geography": "random",
        "ports": 8,
        "area": 50.0,  # miles, side of the square
        "fleet": 40,
        "start": "round_robin",  # ours
        "parking": 10,  # ours
        "charging": 6,
        "vertistops": 2,  # that there are some is recalled, how many is ours
        "day_start": 360.0,
        "day_end": 1080.0,
        "seats": 4,
        "battery": 110.0,
        "reserve": 0.1,  # ours
        "energy_per_mile": 2.2,
        "cruise": 74.5,
        "take_off": 6.0,
        "landing": 6.0,
        "charger_power": 150.0,
        "recharge": "full",
        "charge_curve": "linear",
        "needs_charger": False,
        "idle_step": 15.0,
        "electricity": 0.2,
        "cost_per_mile": 0.64,  # recalled
        "corridors": 2,  # four of a pair recalled
        "headway": 1.0,  # ours
        "delay_mean": [2.0, 10.0],  # ours
        "delay_ratio": 0.5,  # ours
        "delay_max": 30.0,  # recalled
        "closure": 0.05,  # recalled
        "downtime": 0.005,  # recalled
        "downtime_length": [60.0, 240.0],  # ours
        "demand_model": "peaks",
        "demand": 3000,  # VertiSim's two-port study: 2,834 a day
        "max_wait": 0.0,
        "high": 3,  # ours
        "peaks": [8.5, 16.5],  # recalled
        "peak_sd": 1.0,  # this and the next five: ours
        "base_level": 0.35,
        "both_gain": 1.3,
        "one_gain": 1.6,
        "weight_shape": 4,
        "weights": None,
        "fare_base": 5.0,  # recalled
        "fare_per_mile": 3.0,  # ours, as the form
        "fare_slope": 0.25,
        "fare_surge": [0.75, 1.5],
        "fare_whole": False,
        "fare_table": None,
        "pool_most": 99,
        "urban_centre": [45.0, 55.0],
        "urban_radius": 30.0,
        "urban_levels": [20.0, 30.0, 100.0],
        "level_noise": 9,
        "peak_share": 0.0565,
    }
)
PREDECESSOR: Mapping[str, Any] = MappingProxyType(
    {
        **CAPTAIN,
        "fleet": 19,
        "start": "uniform",
        "parking": 6,
        "vertistops": 0,
        "reserve": 0.0,
        "needs_charger": True,
        "cost_per_mile": 0.0,
        "corridors": 0,
        "delay_mean": 0.0,
        "delay_max": 0.0,
        "closure": 0.0,
        "downtime": 0.0,
        "demand_model": "pool",
        "max_wait": None,
        "fare_base": 0.0,
        "fare_per_mile": 1.5,
        "fare_slope": 0.0,
        "fare_surge": [1.0, 1.0],
        "fare_whole": True,
    }
)
DEFAULT = "captain-2024"
SETTINGS: Mapping[str, Mapping[str, Any]] = MappingProxyType({DEFAULT: CAPTAIN, "predecessor-2022": PREDECESSOR})
PRESETS: Mapping[str, Mapping[str, Any]] = {
    **{name: {"generator": {"name": name}} for name in SETTINGS},
    **{place: {"generator": {"name": DEFAULT, "geography": place}} for place in ("nyc", "dfw")},
}
