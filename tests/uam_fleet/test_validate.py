"""The validator: a day by hand, one broken rule at a time, and logs of the slow simulator."""

import dataclasses

import numpy as np
import pytest

from families_uam import day
from ganttlet.uam_fleet import FleetLog, Scenario, make_generator, validate
from ganttlet.uam_fleet.instance import PARTIAL
from reference.uam_fleet import ReferenceFleet

PAIRS = 1.0 - np.eye(3)
DISTANCE = np.array([[0.0, 7.45, 14.9], [7.45, 0.0, 14.9], [14.9, 14.9, 0.0]])  # 6 and 12 minutes of cruise
DEMAND = np.array([[[0, 7, 3], [1, 0, 0], [0, 0, 0]]])
# One hour, two aircraft, both parked at port 0. Port 1 has one slot and no charger, port 2 only a charger.
SCENARIO = Scenario(
    "by-hand",
    None,
    np.zeros((3, 2)),
    DISTANCE,
    parking=[2, 1, 0],
    charging=[1, 0, 1],
    start_port=[0, 0],
    start_charge=[110.0, 110.0],
    ready=[360.0, 360.0],
    downtime_probability=[0.0, 0.0],
    demand=DEMAND,
    forecast=DEMAND,
    fare=20.0 * PAIRS[None],
    electricity=[0.2],
    closed=np.zeros((1, 3, 3), int),
    closure_probability=0.0 * PAIRS,
    delay_mean=[0.0, 0.0, 0.0],
    delay_sd=[0.0, 0.0, 0.0],
    day_end=420.0,
    corridors=1,
    headway=5.0,
)
# 2.5 kWh a minute fill what 14.9 miles took, on one leg or on two.
FULL_1 = 384.0 + (110.0 - (110.0 - 2.2 * 14.9)) / 2.5
FULL_0 = 396.0 + (110.0 - ((110.0 - 2.2 * 7.45) - 2.2 * 7.45)) / 2.5
ROWS = [
    (0, 0, 1, 4, 360.0, 360.0, 378.0),
    (1, 0, 2, 3, 360.0, 360.0, 384.0),
    (0, 1, 0, 1, 378.0, 378.0, 396.0),
    (1, 2, 2, 0, FULL_1, FULL_1, FULL_1),  # stays on the charger: port 2 has no parking slot
    (0, 0, 1, 3, FULL_0, FULL_0, FULL_0 + 18.0),
    (1, 2, 0, 0, FULL_1 + 15.0, FULL_1 + 15.0, FULL_1 + 39.0),
]
NAMES = ("aircraft", "origin", "destination", "passengers", "time", "departure", "arrival")


def log(rows, digest=""):
    return FleetLog(**{name: [row[at] for row in rows] for at, name in enumerate(NAMES)}, instance_digest=digest)


def broken(rows, scenario=SCENARIO):
    """The rule that is broken, and what is said."""
    verdict = validate(scenario, log(rows))
    assert len(verdict.violations) == 1
    assert dict(verdict.values) == {}
    return verdict.violations[0].rule, verdict.violations[0].message


def changed(number, **values):
    rows = [list(row) for row in ROWS]
    for name, value in values.items():
        rows[number][NAMES.index(name)] = value
    return rows


def test_values_by_hand():
    verdict = validate(SCENARIO, log(ROWS, SCENARIO.digest))
    assert verdict.violations == ()
    miles = 3 * 7.45 + 2 * 14.9
    assert dict(verdict.values) == pytest.approx(
        {
            "profit": 11 * 20.0 - miles * (0.64 + 0.2 * 2.2),
            "served": 11,
            "lost": 0,
            "flights": 5,
            "empty_flights": 1,
            "miles": miles,
            "energy": 2.2 * miles,
        }
    )


def test_order_and_day():
    other = validate(SCENARIO, log(ROWS, "0123"))
    assert [one.rule for one in other.violations] == ["instance"]
    assert broken(changed(0, aircraft=2))[0] == "shape"
    assert broken(changed(0, destination=3))[0] == "shape"
    assert broken(changed(2, time=378.5)) == (
        "aircraft",
        "decision 2: aircraft 0 at 378.500000; due is aircraft 0 at 378.000000",
    )
    assert broken([ROWS[1], ROWS[0], *ROWS[2:]])[0] == "aircraft"
    assert "stands at port 1" in broken(changed(2, origin=0))[1]
    rule, message = broken(ROWS[:-1])
    assert rule == "day"
    assert message.startswith("the log ends, but aircraft 1 decides at 412.1")
    rule, message = broken([*ROWS, (0, 1, 1, 0, FULL_0 + 18.0, FULL_0 + 18.0, FULL_0 + 18.0)])
    assert rule == "day"
    assert "decision 6: aircraft 0 at 427.112000, but the day is over" in message


def test_legs():
    closed = np.zeros((1, 3, 3), int)
    closed[0, 0, 1] = 1
    assert broken(ROWS, dataclasses.replace(SCENARIO, closed=closed))[0] == "open"
    # 33.6 of 50 kWh would be left.
    low = dataclasses.replace(SCENARIO, recharge=PARTIAL, start_charge=[50.0, 110.0], reserve=0.4)
    rule, message = broken(ROWS, low)
    assert (rule, message[-32:]) == ("energy", "at port 1; the reserve is 44.000")
    # 23.6 kWh at the vertistop are above the reserve of 11, but port 0 takes 16.4 of them.
    stuck = dataclasses.replace(SCENARIO, recharge=PARTIAL, start_charge=[40.0, 110.0])
    rule, message = broken(ROWS, stuck)
    assert rule == "energy"
    assert "too little to reach a charger" in message
    rule, message = broken(changed(1, destination=1, arrival=378.0))
    assert (rule, message) == ("slots", "decision 1: port 1 has no slot free: 1 aircraft are there or on their way")
    rule, message = broken(ROWS, dataclasses.replace(SCENARIO, needs_charger=True))
    assert (rule, message) == ("slots", "decision 0: port 1 has no charger free for another aircraft")


def test_boarding():
    assert broken(changed(0, passengers=5))[0] == "seats"
    assert broken(changed(0, passengers=3)) == (
        "passengers",
        "decision 0: 3 passengers from port 0 to 1, but 4 can board",
    )
    assert broken(changed(5, passengers=1))[0] == "passengers"
    assert broken(changed(3, passengers=1))[0] == "passengers"


def test_times():
    assert broken(changed(4, departure=FULL_0 + 1e-9))[0] == "arithmetic"
    assert broken(changed(4, arrival=FULL_0 + 17.0))[0] == "arithmetic"
    assert broken(changed(3, arrival=FULL_1 + 1.0))[0] == "arithmetic"
    # With one corridor the second flight from port 0 to 1 waits until 410.
    wide = dataclasses.replace(SCENARIO, headway=50.0)
    assert broken(ROWS, wide)[0] == "headway"
    late = changed(4, departure=410.0, arrival=428.0)
    assert validate(wide, log(late)).feasible
    assert validate(dataclasses.replace(wide, corridors=2), log(ROWS)).feasible


@pytest.mark.parametrize("block", range(4))
def test_logs_of_the_slow_simulator(block):
    """They are feasible and worth the same to the bit; with one entry changed they are not feasible."""
    for seed in range(10 * block, 10 * block + 10):
        scenario = day(seed, ports=4, aircraft=5, hours=3)
        rng = np.random.default_rng(seed)
        play = ReferenceFleet(scenario)
        while not play.over:
            play.step(int(rng.choice(np.flatnonzero(play.mask()))))
        verdict = validate(scenario, FleetLog(**play.log(), instance_digest=scenario.digest))
        assert verdict.violations == ()
        assert dict(verdict.values) == play.objectives()
        for name in NAMES:
            columns = play.log()
            number = int(rng.integers(len(columns[name])))
            # Another aircraft, port or number of passengers; times that are a little late.
            shift = 1e-9 * columns[name][number] if name in NAMES[4:] else 1
            columns[name][number] += shift
            if name in NAMES[1:3]:
                columns[name][number] %= scenario.n_ports
            assert not validate(scenario, FleetLog(**columns)).feasible, name


def test_a_whole_day_of_the_preset():
    scenario = make_generator({"name": "captain-2024", "geography": "dfw", "fleet": 12}).sample(4)
    play = ReferenceFleet(scenario)
    while not play.over:
        legal = np.flatnonzero(play.mask())
        play.step(int(legal[len(play.rows) % len(legal)]))
    verdict = validate(scenario, FleetLog(**play.log()))
    assert dict(verdict.values) == play.objectives()
    assert verdict.values["served"] + verdict.values["lost"] == scenario.demand.sum()
