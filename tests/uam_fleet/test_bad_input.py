"""What is refused, and by which name, of days in files, of generators' settings and in Python."""

import copy
import json

import numpy as np
import pytest

from families_uam import BY_HAND, day, pair
from ganttlet.core.errors import InputError
from ganttlet.job_shop import FAMILY as JOB_SHOP
from ganttlet.uam_fleet import FleetLog, Scenario, make_generator, resolve
from ganttlet.uam_fleet.batch import UAMFleetVectorEnv

OFF = 1.0 - np.eye(8)
SHORT = OFF.copy()
SHORT[0, 1] = -1.0
# What issue 7 lists, with the change to a day by hand, to settings and to fields.
CASES = {
    "unreachable port": (
        (("ports", 1, "east"), 90.0, r"field 'distance': port 0 \(A\) is out of reach: no leg to it"),
        ({"battery": 5.0}, "key 'battery': some port is out of reach of a full battery of 5 kWh"),
        ({"battery": 40.0, "start_charge": [40.0]}, r"field 'distance': port 1 \(p1\) is out of reach: no leg to it"),
    ),
    "negative fare": (
        (("demand", 0, 5), -30, "key 'demand', row 0: key 'fare': expected a number of at least 0, got -30"),
        ({"fare_table": SHORT.tolist()}, "key 'fare_table': expected 8 rows of 8 numbers of at least 0"),
        ({"fare": np.stack([-OFF[:2, :2]] * 2)}, r"field 'fare', index \[0, 0, 1\]: -1.0; expected 0"),
    ),
    "negative fare by mile": (
        (("demand", 0, 5), "dear", "key 'demand', row 0: key 'fare': expected a number, got 'dear'"),
        ({"fare_per_mile": -1.0}, "key 'fare_per_mile': expected a number in 0 … 1000, got -1.0"),
        ({"fare": np.full((2, 2, 2), np.nan)}, r"field 'fare', index \[0, 0, 0\]: nan; expected a number"),
    ),
    "probability of closures": (
        (
            ("closure_probability",),
            [[0, 2], [0, 0]],
            r"field 'closure_probability', index \[0, 1\]: 2.0; expected 0 … 1",
        ),
        ({"closure": -0.1}, "key 'closure': expected a number in 0 … 1, got -0.1"),
        (
            {"closure_probability": -0.5 * OFF[:2, :2]},
            r"field 'closure_probability', index \[0, 1\]: -0.5; expected 0 … 1",
        ),
    ),
    "probability of breakdowns": (
        (
            ("aircraft", 1, "downtime_probability"),
            1.5,
            r"field 'downtime_probability', index \[3\]: 1.5; expected 0 … 1",
        ),
        ({"downtime": 2.0}, "key 'downtime': expected a number in 0 … 1, got 2.0"),
        ({"downtime_probability": [1.5]}, r"field 'downtime_probability', index \[0\]: 1.5; expected 0 … 1"),
    ),
    "capacity below fleet": (
        (("aircraft", 0, "count"), 30, "field 'start_port': 31 aircraft, but the ports have 10 slots in all"),
        ({"fleet": 400}, "key 'fleet': 400 aircraft, but 8 ports have 116 slots"),
        ({"parking": [0, 1], "charging": [0, 0]}, "field 'parking': port 0 has no slot"),
    ),
    "tables that are not square": (
        (("distance_miles",), [[0, 1], [1, 0], [1, 1]], r"field 'distance': shape \(3, 2\), expected \(2, 2\)"),
        ({"weights": np.ones((8, 7)).tolist()}, "key 'weights': expected 8 rows of 8 numbers"),
        ({"closed": np.zeros((2, 2, 1), int)}, r"field 'closed': shape \(2, 2, 1\), expected \(2, 2, 2\)"),
    ),
    "rows of different lengths": (
        (("distance_miles",), [[0, 1], [1]], "field 'distance': expected a table of 2"),
        ({"fare_table": [[0.0, 1.0], [1.0]]}, "key 'fare_table': expected 8 rows of 8 numbers"),
        ({"demand": [[[0, 1], [1]]]}, "field 'demand'"),
    ),
    "a day that ends before it starts": (
        (("day_end",), 300, r"key 'day_end': 300; expected more than 'day_start' \(360 minutes\)"),
        ({"day_end": 300.0}, "key 'day_end': -1 hours after 'day_start'; expected whole hours"),
        ({"day_end": 360.0}, r"field 'day_end': 360; expected more than 'day_start' \(360 minutes\)"),
    ),
    "a day of a part of an hour": (
        (("day_end",), 450, "key 'day_end': 90 minutes after 'day_start'; expected whole hours"),
        ({"day_end": 400.0}, "key 'day_end': 0.666667 hours after 'day_start'; expected whole hours"),
        ({"day_end": 500.0}, "field 'electricity': 2 hours, but the day lasts 140 minutes"),
    ),
}


@pytest.mark.parametrize("what", CASES)
def test_files(what, tmp_path):
    path, value, message = CASES[what][0]
    data = copy.deepcopy(BY_HAND)
    entry = data
    for key in path[:-1]:
        entry = entry[key]
    entry[path[-1]] = value
    (tmp_path / "own.json").write_text(json.dumps(data))
    with pytest.raises(InputError, match=r"own\.json: " + message):
        resolve(str(tmp_path / "own.json"))


@pytest.mark.parametrize("what", CASES)
def test_settings(what):
    settings, message = CASES[what][1]
    with pytest.raises(InputError, match="generator 'captain-2024': " + message):
        make_generator({"name": "captain-2024", **settings})


@pytest.mark.parametrize("what", CASES)
def test_fields(what):
    fields, message = CASES[what][2]
    with pytest.raises(InputError, match="^" + message):
        pair(**fields)


@pytest.mark.parametrize("count", [0, 7, 9])
def test_weights_of_another_shape(count):
    """Also as text behind a name, where a table is JSON."""
    table = np.ones((count, count)).tolist()
    message = "key 'weights': expected 8 rows of 8 numbers"
    with pytest.raises(InputError, match=message):
        make_generator({"name": "captain-2024", "weights": table})
    with pytest.raises(InputError, match=message):
        resolve(f"nyc:weights={json.dumps(table)}")


def test_weights_steer_the_demand():
    """Passengers of pairs are in proportion to a user's table, whatever its scale."""
    table = np.arange(64.0).reshape(8, 8) * OFF
    flat = {"base_level": 1.0, "both_gain": 0.0, "one_gain": 0.0}
    for scale in (1.0, 50.0):
        settings = {"name": "captain-2024", "weights": (scale * table).tolist(), **flat}
        share = make_generator(settings).sample(1).forecast.sum(axis=0)
        assert share == pytest.approx(3000 * table / table.sum())


@pytest.mark.parametrize("hours", [1, 3, 13])
def test_fares_of_other_hours(hours):
    table = np.stack([OFF] * hours).tolist()
    with pytest.raises(InputError, match=f"'captain-2024': key 'fare_table': tables of {hours} hours; .* each of 12"):
        make_generator({"name": "captain-2024", "fare_table": table})


def test_days_of_another_family(tmp_path):
    other = JOB_SHOP.resolve("ft06")
    for ending in ("json", "npz"):
        path = tmp_path / f"other.{ending}"
        other.save(path)
        for read in (resolve, Scenario.load, FleetLog.load):
            with pytest.raises(
                InputError, match=rf"other\.{ending}: field 'family' is 'job_shop', expected 'uam_fleet'"
            ):
                read(path)
    with pytest.raises(InputError, match="instance: field 'family' is 'job_shop', expected 'uam_fleet'"):
        resolve(other.to_dict())
    with pytest.raises(InputError, match="instance: cannot use JobShopInstance") as found:
        UAMFleetVectorEnv(1, instance=other)
    assert len(str(found.value)) < 400
    day(1).save(tmp_path / "day.json")
    with pytest.raises(InputError, match="field 'kind' is 'instance'"):
        FleetLog.load(tmp_path / "day.json")


@pytest.mark.parametrize("name", ["paris", "nyc.json"])
def test_unknown_geographies(name):
    with pytest.raises(
        InputError, match=f"geography '{name}': no such file; expected random, dfw, nyc, or a JSON file"
    ):
        resolve(f"captain-2024:geography={name}")
