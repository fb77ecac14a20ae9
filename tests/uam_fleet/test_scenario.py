"""The record of a day: what it derives, round trips, errors that name field and index, and the draws of departures."""

import dataclasses
import statistics

import numpy as np
import pytest

from families_uam import day
from ganttlet.core.errors import InputError
from ganttlet.uam_fleet import FleetLog, Scenario
from ganttlet.uam_fleet.world import draw_delay, draw_downtime
from reference.uam_fleet import delay_of, downtime_of

DISTANCE = np.array([[0.0, 10.0, 20.0], [12.0, 0.0, 15.0], [20.0, 15.0, 0.0]])
PAIRS = 1.0 - np.eye(3)
FIELDS = {
    "name": "three",
    "port_name": ["a", "b", "c"],
    "position": [[0.0, 0.0], [10.0, 0.0], [0.0, 20.0]],
    "distance": DISTANCE,
    "parking": [2, 2, 3],
    "charging": [1, 1, 0],
    "start_port": [0, 1],
    "start_charge": [110.0, 50.0],
    "ready": [360.0, 400.0],
    "downtime_probability": [0.0, 0.1],
    "demand": np.stack([3 * PAIRS, 5 * PAIRS]),
    "forecast": np.stack([3.5 * PAIRS, 4.5 * PAIRS]),
    "fare": np.stack([20 * PAIRS, 40 * PAIRS]),
    "electricity": [0.2, 0.3],
    "closed": np.zeros((2, 3, 3), int),
    "closure_probability": 0.1 * PAIRS,
    "delay_mean": [5.0, 4.0, 3.0],
    "delay_sd": [1.0, 2.0, 0.0],
    "day_end": 480.0,
}


def three(**changes):
    return Scenario(**{**FIELDS, **changes})


def test_what_follows_from_the_fields():
    scenario = three()
    assert (scenario.n_ports, scenario.n_aircraft, scenario.n_hours, scenario.size_label) == (3, 2, 2, "3x2")
    assert scenario.slots.tolist() == [3, 3, 3]
    assert scenario.energy[1, 0] == pytest.approx(26.4)
    assert scenario.flight_time[0, 1] == pytest.approx(12 + 60 * 10 / 74.5)
    # From a the nearest other charger is at b, and the other way round the leg is longer; c has none itself.
    assert scenario.nearest == pytest.approx([22.0, 26.4, 33.0])
    assert scenario.scale == 6 * (3 * 20 + 5 * 40)
    assert three(reward_scale=7.0).scale == 7.0
    assert three(demand=np.zeros((2, 3, 3))).scale == 1.0


def test_records_are_frozen_and_survive_files(tmp_path):
    scenario = three(world=2**64 - 1, needs_charger=True, recharge="partial", charge_curve="cc_cv")
    assert (scenario.recharge, scenario.charge_curve) == (1, 1)
    with pytest.raises(ValueError, match="read-only"):
        scenario.demand[0, 0, 1] = 1
    for ending in ("json", "npz"):
        scenario.save(tmp_path / f"day.{ending}")
        again = Scenario.load(tmp_path / f"day.{ending}")
        assert again == scenario
        assert again.digest == scenario.digest
    log = FleetLog([0], [0], [1], [3], [360.0], [361.5], [381.0], scenario.digest)
    for ending in ("json", "npz"):
        log.save(tmp_path / f"log.{ending}")
        assert FleetLog.load(tmp_path / f"log.{ending}") == log
    assert len(FleetLog([], [], [], [], [], [], []).time) == 0


def test_the_digest_is_of_the_day_and_not_of_its_names():
    assert three(name="other", port_name=None).digest == three().digest
    for change in ({"world": 1}, {"max_wait": 5.0}, {"demand_drawn": False}, {"demand": np.stack([3 * PAIRS] * 2)}):
        assert three(**change).digest != three().digest


def at(field, index, value):
    table = np.array(FIELDS[field], float)
    table[index] = value
    return {field: table}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"day_end": 360.0}, r"'day_end': 360; expected more than 'day_start' \(360"),
        ({"day_end": 540.0}, r"'electricity': 2 hours, but the day lasts 180 minutes"),
        ({"distance": DISTANCE[:2]}, r"'distance': shape \(2, 3\), expected \(3, 3\)"),
        ({"demand": np.zeros((2, 3))}, r"'demand': expected 3 dimension\(s\)"),
        ({"parking": [2]}, r"'parking': 1 ports; expected 2"),
        ({"start_port": []}, r"'start_port': 0 aircraft; expected 1"),
        ({"port_name": ["a"]}, "'port_name': 1 names; expected 3"),
        (at("distance", (0, 1), 0.0), r"'distance', index \[0, 1\]: 0; expected more than 0 miles"),
        ({**at("distance", (0, 1), 1e-3), "take_off": 0.0, "landing": 0.0}, r"'distance', index \[0, 1\]: a flight of"),
        (at("fare", (1, 0, 2), -1.0), r"'fare', index \[1, 0, 2\]: -1.0; expected 0"),
        (at("fare", (1, 0, 2), np.nan), r"'fare', index \[1, 0, 2\]: nan; expected a number"),
        (at("demand", (0, 1, 1), 2), r"'demand', index \[0, 1, 1\]: 2; expected 0 from a port to itself"),
        (at("demand", (0, 1, 0), 2.5), "'demand': expected integers"),
        (at("closed", (0, 1, 0), 2), r"'closed', index \[0, 1, 0\]: 2; expected 0 … 1"),
        (at("closure_probability", (0, 1), 1.1), r"'closure_probability', index \[0, 1\]: 1.1; expected 0 … 1"),
        ({"downtime_probability": [0.0, -0.1]}, r"'downtime_probability', index \[1\]: -0.1; expected 0 … 1"),
        ({"start_port": [0, 3]}, r"'start_port', index \[1\]: 3; expected 0 … 2"),
        ({"start_charge": [110.0, 111.0]}, r"'start_charge', index \[1\]: 111.0; expected 0 … 110"),
        ({"ready": [0.0, 400.0]}, r"'ready', index \[0\]: 0.0; expected 360"),
        ({"parking": [0, 2, 3], "charging": [0, 1, 0]}, "'parking': port 0 has no slot"),
        (
            {"parking": [0, 1, 1], "charging": [1, 1, 0], "start_port": [0, 0]},
            "2 aircraft start at port 0, which has 1",
        ),
        (
            {
                **{"parking": [0, 0, 1], "charging": [1, 1, 0], "start_port": [0, 1, 2, 2]},
                **{key: FIELDS[key] * 2 for key in ("start_charge", "ready", "downtime_probability")},
            },
            "'start_port': 4 aircraft, but the ports have 3 slots in all",
        ),
        ({"battery": 35.0, "start_charge": [35.0, 35.0]}, r"port 2 \(c\) is out of reach: no leg to it"),
        ({"charging": [0, 0, 0]}, "is out of reach"),
        ({"reserve": 1.0}, "'reserve': 1; expected a share of the battery below 1"),
        ({"downtime_low": 300.0}, "'downtime_low': 300, above 'downtime_high'"),
        ({"idle_step": 0.0}, r"'idle_step': expected a number in 0.1 … 100000, got 0.0"),
        ({"seats": 2.5}, "'seats': expected an integer in 1 … 1000, got 2.5"),
        ({"recharge": "slow"}, "'recharge': expected one of full, partial, got 'slow'"),
        ({"charge_curve": 2}, "'charge_curve': expected one of linear, cc_cv, got 2"),
        ({"needs_charger": 1}, "'needs_charger': expected true or false, got 1"),
        ({"world": -1}, "'world': expected an integer"),
    ],
)
def test_errors(change, message):
    with pytest.raises(InputError, match=message):
        three(**change)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("origin", [0, 0], "'origin': 2 values; expected one for each of the 1 decisions"),
        ("time", [float("nan")], "'time': expected a list of finite numbers"),
        ("aircraft", [0.5], "'aircraft': expected integers"),
    ],
)
def test_errors_of_logs(field, value, message):
    fields = {"aircraft": [0], "origin": [0], "destination": [1], "passengers": [0]}
    fields |= {"time": [360.0], "departure": [360.0], "arrival": [380.0]}
    with pytest.raises(InputError, match=message):
        FleetLog(**{**fields, field: value})


def test_departures_meet_what_plain_python_draws():
    for seed in range(10):
        scenario = dataclasses.replace(day(seed), world=(seed * 2**61 + 5) % 2**64)
        world = np.uint64(scenario.world)
        for k in range(scenario.n_aircraft):
            for count in (0, 1, 77):
                for i in range(scenario.n_ports):
                    mean, sd = scenario.delay_mean[i], scenario.delay_sd[i]
                    drawn = draw_delay(world, k, count, mean, sd, scenario.delay_max)
                    assert drawn == delay_of(scenario, k, count, i)
                low, high = scenario.downtime_low, scenario.downtime_high
                drawn = draw_downtime(world, k, count, scenario.downtime_probability[k], low, high)
                assert drawn == downtime_of(scenario, k, count)


def test_distribution_of_delays_and_downtimes():
    world = np.uint64(3)
    delays = [draw_delay(world, k, count, 10.0, 2.0, 30.0) for k in range(50) for count in range(100)]
    assert statistics.mean(delays) == pytest.approx(10.0, abs=0.15)
    assert statistics.stdev(delays) == pytest.approx(2.0, abs=0.1)
    cut = [draw_delay(world, 0, count, 1.0, 5.0, 3.0) for count in range(500)]
    assert (min(cut), max(cut)) == (0.0, 3.0)
    downtimes = [draw_downtime(world, k, count, 0.2, 60.0, 240.0) for k in range(50) for count in range(100)]
    some = [minutes for minutes in downtimes if minutes]
    assert len(some) / len(downtimes) == pytest.approx(0.2, abs=0.02)
    assert 60.0 <= min(some) <= 65.0
    assert 235.0 <= max(some) <= 240.0
    # Whether an aircraft fails says nothing about how late it was.
    late = [delay for delay, minutes in zip(delays, downtimes, strict=True) if minutes]
    assert statistics.mean(late) == pytest.approx(10.0, abs=0.3)
