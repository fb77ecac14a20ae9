"""Numbers of days that curves use: axes, and what happened hour by hour."""

import numpy as np
import pytest

from families_uam import day
from ganttlet.core.errors import InputError
from ganttlet.uam_fleet import FAMILY, FleetLog, generate, validate
from ganttlet_agents.rules.uam_fleet import run_rule

hour = FAMILY.after["hour"]


def test_axes_are_those_of_the_generator():
    settings = {"name": "captain-2024", "geography": "nyc", "fleet": 12, "demand": 900, "day_end": 720}
    found = FAMILY.axes(generate(settings, 0))
    assert (found["fleet"], found["ports"]) == (12, 8)
    assert found["expected"] == pytest.approx(900)
    assert 0 < found["closure"] <= 0.05
    assert 0 < found["downtime"] <= 0.005


@pytest.mark.parametrize("seed", range(1, 6))
def test_hours_add_up_to_the_day(seed):
    scenario = day(seed)
    log, _ = run_rule("random", scenario, seed=0)
    values = validate(scenario, log).values
    hours = [hour(scenario, log, 0.0, {"hour": at}) for at in (6, 7)]
    total = {name: sum(one[name] for one in hours) for name in hours[0]}
    assert total["carried"] == values["served"]
    assert total["flights"] == values["flights"] > 0
    assert total["empty_flights"] == values["empty_flights"]
    assert total["demand"] == scenario.demand.sum()
    assert total["seats"] == scenario.seats * values["flights"]


def test_a_flight_counts_in_the_hour_of_its_decision():
    scenario = day(0)
    one = np.array([1])
    log = FleetLog(0 * one, 0 * one, one, 3 * one, [419.0], [421.0], [440.0])
    assert [hour(scenario, log, 0.0, {"hour": at})["carried"] for at in (6, 7)] == [3.0, 0.0]


@pytest.mark.parametrize("options", [{"hour": 5}, {"hour": 8}, {"hour": "six"}, {}, {"hour": 6, "port": 1}])
def test_other_hours_are_refused(options):
    scenario = day(0)
    log, _ = run_rule("random", scenario, seed=0)
    with pytest.raises(InputError, match="hour"):
        hour(scenario, log, 0.0, options)
