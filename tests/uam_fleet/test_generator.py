"""Generators: what the two presets promise, the same everywhere, and errors that name the key."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest

from ganttlet.core.data import data_path
from ganttlet.core.errors import InputError
from ganttlet.core.rng import key_of
from ganttlet.uam_fleet import (
    FAMILY,
    SETTINGS,
    find_geography,
    generate,
    make_generator,
    shipped_geographies,
)
from ganttlet.uam_fleet.drawing import poisson

OFF = ~np.eye(8, dtype=bool)


def draw(count=30, name="captain-2024", **settings):
    generator = make_generator({"name": name, **settings})
    return [generator.sample(seed) for seed in range(count)]


@pytest.mark.parametrize("name", SETTINGS)
def test_every_constant_is_in_the_day(name):
    """The settings reach the scenario under their own names, also when they are other ones."""
    given = {"seats": 6, "battery": 130.0, "reserve": 0.2, "cruise": 90.0, "take_off": 5.0, "landing": 4.0}
    given |= {"charger_power": 200.0, "cost_per_mile": 1.0, "corridors": 3, "headway": 2.0, "idle_step": 10.0}
    given |= {"recharge": 1, "charge_curve": 1, "delay_max": 20.0, "energy_per_mile": 2.5, "day_end": 960.0}
    for settings in ({}, given):
        scenario = generate({"name": name, **settings}, 1)
        for key in given:
            expected = {**SETTINGS[name], **settings}[key]
            expected = 0 if expected in ("full", "linear") else expected
            assert getattr(scenario, key) == expected, key
    assert scenario.n_hours == 10


def test_demand_of_the_default():
    scenarios = draw(60)
    total = [scenario.demand.sum() for scenario in scenarios]
    assert np.mean(total) == pytest.approx(3000, abs=4 * math.sqrt(3000 / 60))
    assert np.std(total) == pytest.approx(math.sqrt(3000), rel=0.3)
    for scenario in scenarios:
        assert scenario.forecast.sum() == pytest.approx(3000)
        assert scenario.n_aircraft == 40
        assert scenario.demand_drawn
        # Demand is a draw of the forecast: its distance in standard deviations.
        far = (scenario.demand - scenario.forecast)[:, OFF] / np.sqrt(scenario.forecast[:, OFF])
        assert np.mean(far**2) == pytest.approx(1.0, abs=0.3)
        assert np.bincount(scenario.start_port, minlength=8).tolist() == [5] * 8
        assert sorted(scenario.charging.tolist()) == [0, 0, 6, 6, 6, 6, 6, 6]
    assert len({scenario.world for scenario in scenarios}) == 60


def test_peaks():
    """Shares of the hours of four kinds of pairs, by the formula; weights are all one."""
    scenario = draw(1, geography="nyc", weights=np.ones((8, 8)).tolist())[0]
    high = np.array([True] * 6 + [False] * 2)  # city and airports come first
    clock = 6.5 + np.arange(12)
    morning, afternoon = np.exp(-((clock - 8.5) ** 2) / 2), np.exp(-((clock - 16.5) ** 2) / 2)
    curves = {
        (True, True): 0.35 + 1.3 * (morning + afternoon),
        (False, True): 0.35 + 1.6 * morning,
        (True, False): 0.35 + 1.6 * afternoon,
        (False, False): np.full(12, 0.35),
    }
    whole = sum(curves[bool(high[i]), bool(high[j])].sum() for i in range(8) for j in range(8) if i != j)
    for i, j in ((0, 1), (7, 0), (0, 7), (6, 7)):
        expected = 3000 * curves[bool(high[i]), bool(high[j])] / whole
        assert scenario.forecast[:, i, j] == pytest.approx(expected)


def test_fares_follow_the_forecast():
    for scenario in draw(10):
        surge = np.clip(0.75 + 0.25 * scenario.forecast / scenario.forecast[:, OFF].mean(), 0.75, 1.5)
        assert scenario.fare[:, OFF] == pytest.approx((5 + 3 * scenario.distance * surge)[:, OFF])
    table = (7.0 * OFF).tolist()
    assert (draw(1, fare_table=table)[0].fare[:, OFF] == 7.0).all()
    hours = np.arange(12)[:, None, None] * OFF
    assert draw(1, fare_table=hours.tolist())[0].fare.tolist() == hours.tolist()


def test_what_is_uncertain():
    scenarios = draw(40)
    closed = np.mean([scenario.closed[:, OFF].mean() for scenario in scenarios])
    assert closed == pytest.approx(0.025, abs=0.005)
    for scenario in scenarios:
        assert np.array_equal(scenario.closed, scenario.closed.transpose(0, 2, 1))
        assert np.array_equal(scenario.closure_probability, scenario.closure_probability.T)
        assert scenario.closure_probability.max() <= 0.05
        assert scenario.downtime_probability.max() <= 0.005
        assert 2.0 <= scenario.delay_mean.min() <= scenario.delay_mean.max() <= 10.0
        assert np.array_equal(scenario.delay_sd, 0.5 * scenario.delay_mean)
    assert (draw(1, closure=1.0)[0].closed[:, OFF].mean()) > 0.4
    calm = draw(1, closure=0.0, downtime=0.0, delay_mean=0.0, delay_ratio=0.0)[0]
    assert not calm.closed.any()
    for value in (calm.delay_mean, calm.delay_sd, calm.downtime_probability):
        assert not value.any()


def test_the_predecessor():
    scenarios = draw(40, "predecessor-2022")
    pool = np.concatenate([scenario.demand[0][OFF] for scenario in scenarios])
    assert (pool.min(), pool.max()) == (0, 99)
    assert pool.mean() == pytest.approx(49.5, abs=2.5)
    for scenario in scenarios:
        assert (scenario.n_ports, scenario.n_aircraft) == (8, 19)
        assert not scenario.demand[1:].any()
        assert scenario.max_wait == 660.0  # no one of the first hour is lost before the day is over
        assert (scenario.needs_charger, scenario.demand_drawn) == (True, False)
        assert np.array_equal(scenario.fare[3], np.floor(1.5 * scenario.distance))
        assert np.bincount(scenario.start_port, minlength=8).max() <= 6
        assert not scenario.closed.any()
        assert scenario.corridors == scenario.cost_per_mile == scenario.delay_max == 0
        # Two urban ports: 100 and hardly a peak. Others 21 … 39.
        level = scenario.forecast[:, OFF]
        assert level.max() <= 100 * 1.0566
        assert ((level >= 100) | ((level >= 21) & (level <= 39 * 1.0566))).all()
        assert scenario.scale == pytest.approx((scenario.forecast * scenario.fare).sum())
        urban = np.hypot(*(scenario.position - (45, 55)).T) <= 30
        assert np.array_equal((level >= 100).any(axis=0), (urban[:, None] & urban[None, :])[OFF])


def test_ranges_and_the_most_that_is_drawn():
    generator = make_generator({"name": "captain-2024", "ports": [4, 6], "fleet": [5, 20], "demand": [100, 300]})
    scenarios = [generator.sample(seed) for seed in range(60)]
    assert {scenario.n_ports for scenario in scenarios} == {4, 5, 6}
    fleets = [scenario.n_aircraft for scenario in scenarios]
    assert 5 <= min(fleets) < 9 < 16 < max(fleets) <= 20
    expected = [scenario.forecast.sum() for scenario in scenarios]
    assert 100 <= min(expected) < 140 < 260 < max(expected) <= 300.1
    assert (generator.max_ports, generator.max_aircraft, generator.max_hours, generator.max_corridors) == (6, 20, 12, 2)
    assert generator.settings["fleet"] == [5, 20]
    assert make_generator(json.loads(json.dumps(generator.settings))).sample(3) == generator.sample(3)


def test_other_settings():
    price = draw(1, electricity="time_of_use")[0].electricity
    assert price == pytest.approx([0.08892] * 3 + [0.15561] * 5 + [0.2223] * 4)
    assert draw(1, electricity=[float(h) for h in range(12)])[0].electricity.tolist() == list(range(12))
    waiting = draw(1, max_wait=20.0)[0]
    assert waiting.max_wait == 20.0
    uniform = draw(20, start="uniform")
    assert any(np.bincount(scenario.start_port, minlength=8).max() > 6 for scenario in uniform)
    assert all((np.bincount(scenario.start_port, minlength=8) <= 10).all() for scenario in uniform)
    full = draw(1, parking=1, charging=6, vertistops=0, fleet=50)[0]
    assert (np.bincount(full.start_port, minlength=8) <= full.slots).all()


def test_seeds_and_keys():
    generator = make_generator({"name": "captain-2024"})
    assert generator.sample(3) == generator.sample(np.int64(3)) == generate({"name": "captain-2024"}, 3)
    assert generator.sample(3) != generator.sample(4)
    assert generator.sample(-1).digest == generator.sample(2**64 - 1).digest
    key = int(key_of(np.uint64(3), 0, 0))
    assert generator.sample_key(key).digest == generator.sample(3).digest
    assert FAMILY.generate({"name": "predecessor-2022"}, 5).name == "random-8x19-seed5"
    # A larger fleet meets the same demand, closures and world.
    larger = make_generator({"name": "captain-2024", "fleet": 60}).sample(3)
    for field in ("demand", "closed", "position", "world"):
        assert np.array_equal(getattr(larger, field), getattr(generator.sample(3), field))


def test_the_same_in_another_process():
    code = (
        "from ganttlet.uam_fleet import generate\n"
        "print(*(generate({'name': name}, 7).digest for name in ('captain-2024', 'predecessor-2022')))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert found == [generate({"name": name}, 7).digest for name in SETTINGS]


def test_mixture():
    parts = [{"name": "captain-2024", "ports": 5, "fleet": [20, 25]}, {"name": "captain-2024", "geography": "nyc"}]
    generator = make_generator({"name": "mixture", "parts": parts, "weights": [1, 3]})
    assert (generator.max_ports, generator.max_aircraft) == (8, 40)
    days = [generator.sample(seed) for seed in range(80)]
    assert 40 <= sum(day.n_ports == 8 for day in days) <= 75
    assert {day.n_aircraft for day in days} == {40, *range(20, 26)}
    assert [day.digest for day in days] == [generator.sample(seed).digest for seed in range(80)]
    assert make_generator({"name": "mixture"}).sample(1).n_ports == 8
    with pytest.raises(InputError, match="entry 0 is a mixture itself"):
        make_generator({"name": "mixture", "parts": [{"name": "mixture"}]})
    with pytest.raises(InputError, match="expected a number for each of the 2 parts"):
        make_generator({"name": "mixture", "parts": parts, "weights": [1]})


def test_poisson():
    for mean in (0.0, 0.3, 5.0, 900.0):
        drawn = np.array([poisson(np.uint64(key_of(np.uint64(1), 2, k)), mean) for k in range(1000)])
        assert drawn.mean() == pytest.approx(mean, abs=4 * math.sqrt(mean / 1000))
        assert drawn.var() == pytest.approx(mean, rel=0.2)


@pytest.mark.parametrize(("name", "file"), [("nyc", "nyc_vertiports.json"), ("dfw", "dfw_vertiports.json")])
def test_sites(name, file):
    """Coordinates, and the distances that were computed from them elsewhere."""
    path = data_path("uam_fleet", file)
    if not path.is_file():
        pytest.skip("uam_fleet is not under GANTTLET_DATA")
    data = json.loads(path.read_text())
    geography = find_geography(name)
    codes = [site["code"] for site in data["facts"]["sites"]]
    order = [codes.index(code) for code in geography.codes]
    table = np.array(data["facts"]["distance_miles"])[np.ix_(order, order)]
    assert geography.distance == pytest.approx(table, abs=6e-4)
    assert list(geography.codes[: geography.default]) == data["default_subset"]
    # On the plane of the picture things are where they are on the Earth.
    apart = np.hypot(*(geography.position[:, None] - geography.position[None]).transpose(2, 0, 1))
    assert apart == pytest.approx(geography.distance, rel=0.02)


def test_sites_of_a_geography():
    assert shipped_geographies() == ["dfw", "nyc"]
    assert find_geography("nyc").high.tolist() == [True] * 6 + [False] * 6
    few = draw(1, geography="nyc", ports=3, vertistops=0, fleet=8)[0]
    assert few.port_name.tolist() == ["JRB", "JRA", "6N5"]
    chosen = draw(1, geography="nyc", ports=["JFK", "ISP", "EWR"], vertistops=1, fleet=8)[0]
    assert chosen.port_name.tolist() == ["JFK", "ISP", "EWR"]
    assert chosen.distance[0, 2] == pytest.approx(20.759, abs=1e-3)
    # 48.6 miles leave less than the reserve, so no method can fly this leg.
    dallas = draw(1, geography="dfw")[0]
    far = dallas.port_name.tolist().index("FTW"), dallas.port_name.tolist().index("HQZ")
    assert dallas.battery - dallas.energy[far] < dallas.reserve * dallas.battery


def own(tmp_path, **changes):
    data = {
        "format": "uam_fleet.geography/1",
        "name": "mine",
        "sites": [
            {"code": "A", "kind": "city", "east": 0, "north": 0, "parking": 2, "charging": 3},
            {"code": "B", "kind": "farm", "east": 3, "north": 4, "parking": 4, "charging": 0},
            {"code": "C", "kind": "farm", "east": 6, "north": 8, "parking": 1, "charging": 1},
        ],
        "default": ["C", "A"],
        "high_kinds": ["city"],
        "weights": [[0, 1, 2], [3, 0, 4], [5, 6, 0]],
    }
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({**data, **changes}))
    return str(path)


def test_places_of_a_user(tmp_path):
    scenario = draw(1, geography=own(tmp_path), fleet=3)[0]
    assert scenario.port_name.tolist() == ["C", "A"]
    assert scenario.distance.tolist() == [[0, 10], [10, 0]]
    assert (scenario.parking.tolist(), scenario.charging.tolist()) == ([1, 2], [1, 3])
    whole = draw(
        1, geography=own(tmp_path), ports=["A", "B", "C"], fleet=3, base_level=1.0, both_gain=0.0, one_gain=0.0
    )
    share = whole[0].forecast.sum(axis=0)
    assert share / share.sum() * 21 == pytest.approx(np.array([[0, 1, 2], [3, 0, 4], [5, 6, 0]]))
    table = [[0, 9, 9], [9, 0, 9], [8, 9, 0]]
    assert draw(1, geography=own(tmp_path, distance_miles=table), fleet=3)[0].distance.tolist() == [[0, 8], [9, 0]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "x"}, r"mine\.json: expected a mapping with 'format'"),
        ({"sights": []}, "unknown key 'sights'"),
        ({"sites": [{"code": "A"}]}, "key 'sites': expected a list of at least two"),
        (
            {"sites": [{"code": "A", "east": 0, "north": 0}, {"code": "B", "east": 0}], "default": ["A", "B"]},
            "site 'B': key 'north': expected a",
        ),
        (
            {"sites": [{"code": "A", "lat": 91, "lon": 0}, {"code": "B", "lat": 0, "lon": 0}], "default": ["A", "B"]},
            "site 'A': key 'lat': exp",
        ),
        ({"default": ["A", "X"]}, "key 'default': expected at least two codes of sites"),
        ({"weights": [[0, 1], [1, 0]]}, "key 'weights': expected 3 rows of 3 numbers"),
        (
            {"distance_miles": [[0, 1, 1], [1, 2, 1], [1, 1, 0]]},
            "key 'distance_miles': expected 0 from a site to itself",
        ),
    ],
)
def test_errors_of_geographies(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        draw(1, geography=own(tmp_path, **changes), fleet=3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("captain-2024", "generator: expected a mapping with the key 'name'"),
        ({}, "generator: key 'name' is missing"),
        ({"name": "captain"}, "generator: key 'name': unknown value 'captain'"),
        ({"name": "captain-2024", "planes": 3}, "'captain-2024': unknown key 'planes'"),
        (
            {"name": "captain-2024", "fleet": 0},
            r"key 'fleet': expected an integer or \[low, high\] in 1 … 32768, got 0",
        ),
        ({"name": "captain-2024", "fleet": [9, 3]}, "key 'fleet': expected an integer"),
        ({"name": "captain-2024", "fleet": 400}, "key 'fleet': 400 aircraft, but 8 ports have 116 slots"),
        ({"name": "captain-2024", "ports": 2.5}, "key 'ports': expected an integer"),
        ({"name": "captain-2024", "vertistops": 8}, "key 'vertistops': 8 of 8 ports; expected fewer"),
        ({"name": "captain-2024", "delay_mean": [5.0, 2.0]}, r"key 'delay_mean': expected a number or \[low, high\]"),
        ({"name": "captain-2024", "closure": 1.5}, "key 'closure': expected a number in 0 … 1, got 1.5"),
        ({"name": "captain-2024", "seats": 0}, "'captain-2024': field 'seats': expected an integer in 1 … 1000, got 0"),
        ({"name": "captain-2024", "battery": 5.0}, "key 'battery': some port is out of reach of a full battery"),
        ({"name": "captain-2024", "battery": "x"}, r"key 'battery': expected a number in 0.001 … 1e\+06, got 'x'"),
        ({"name": "captain-2024", "cruise": 0.0}, "key 'cruise': expected a number"),
        ({"name": "captain-2024", "max_wait": -1.0}, "key 'max_wait': expected a number in 0 … 100000, got -1.0"),
        ({"name": "captain-2024", "day_end": 300.0}, "key 'day_end': -1 hours after 'day_start'; expected whole hours"),
        ({"name": "captain-2024", "start": "left"}, "key 'start': unknown value 'left'"),
        ({"name": "captain-2024", "peaks": []}, "key 'peaks': expected a list of at least 1 numbers"),
        ({"name": "captain-2024", "electricity": [0.1, 0.2]}, "key 'electricity': 2 prices; expected one"),
        ({"name": "captain-2024", "electricity": "cheap"}, "key 'electricity': unknown value 'cheap'"),
        ({"name": "captain-2024", "weights": [[0.0]]}, "key 'weights': expected 8 rows of 8 numbers"),
        ({"name": "captain-2024", "weights": np.eye(8).tolist()}, "key 'weights': expected a number above 0"),
        ({"name": "captain-2024", "fare_whole": 1}, "key 'fare_whole': expected true or false"),
        ({"name": "captain-2024", "base_level": 0.0, "high": 0}, "key 'base_level': no pair of ports has any demand"),
        (
            {"name": "predecessor-2022", "max_wait": 5.0},
            "key 'max_wait': passengers of demand_model 'pool' wait all day",
        ),
        ({"name": "captain-2024", "geography": "paris"}, "geography 'paris': no such file; expected random, dfw, nyc"),
        (
            {"name": "captain-2024", "geography": "nyc", "ports": 13},
            r"key 'ports': expected a number in 2 … 12 or a list",
        ),
        (
            {"name": "captain-2024", "geography": "nyc", "ports": ["JFK", "CDG"]},
            "key 'ports': expected different codes",
        ),
    ],
)
def test_errors(settings, message):
    with pytest.raises(InputError, match=message):
        make_generator(settings)


@pytest.mark.parametrize("seed", [2**64, 1.5, True, "3"])
def test_bad_seeds(seed):
    with pytest.raises(InputError, match="expected an integer of 64 bits"):
        make_generator({"name": "captain-2024"}).sample(seed)
