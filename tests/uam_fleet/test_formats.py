"""Days as files and by name: round trips, a day by hand, and errors that name the entry."""

import copy
import json

import numpy as np
import pytest

from families_uam import BY_HAND, day
from ganttlet.core.errors import InputError
from ganttlet.uam_fleet import (
    FAMILY,
    Scenario,
    format_scenario,
    generate,
    make_generator,
    parse_scenario,
    read_scenario,
    reference,
    resolve,
    validate,
    write_scenario,
)
from ganttlet.uam_fleet.batch import UAMFleetVectorEnv
from ganttlet.uam_fleet.instance import CC_CV, FULL


def test_by_hand():
    scenario = parse_scenario(BY_HAND)
    assert scenario.name == "two ports"
    assert scenario.port_name.tolist() == ["A", "B"]
    assert scenario.distance.tolist() == [[0, 5], [5, 0]]
    assert scenario.start_port.tolist() == [1, 1, 1, 0]
    assert scenario.start_charge.tolist() == [110, 110, 110, 50]
    assert scenario.ready.tolist() == [360, 360, 360, 400]
    assert scenario.downtime_probability.tolist() == [0, 0, 0, 0.1]
    assert scenario.delay_mean.tolist() == [0, 5]
    assert scenario.demand.tolist() == [[[0, 7], [0, 0]], [[0, 0], [2, 0]]]
    assert scenario.forecast.tolist() == [[[0, 6.5], [0, 0]], [[0, 0], [2, 0]]]
    assert scenario.fare.tolist() == [[[0, 30], [0, 0]], [[0, 0], [20.5, 0]]]
    assert scenario.closed.tolist() == [[[0, 0], [0, 0]], [[0, 1], [0, 0]]]
    assert scenario.electricity.tolist() == [0.2, 0.2]
    assert (scenario.seats, scenario.charge_curve, scenario.recharge) == (5, CC_CV, FULL)
    assert not scenario.demand_drawn
    tables = {
        "distance_miles": [[0, 6], [7, 0]],
        "closure_probability": [[0, 0.1], [0.2, 0]],
        "electricity": [0.1, 0.3],
    }
    other = parse_scenario({**BY_HAND, **tables})
    assert other.distance.tolist() == tables["distance_miles"]
    assert other.closure_probability.tolist() == tables["closure_probability"]
    assert other.electricity.tolist() == tables["electricity"]


def test_round_trips(tmp_path):
    scenarios = [day(seed) for seed in range(5)]
    scenarios += [generate({"name": name}, 2) for name in ("captain-2024", "predecessor-2022")]
    for scenario in scenarios:
        write_scenario(scenario, tmp_path / "day.json")
        again = read_scenario(tmp_path / "day.json")
        assert again.digest == scenario.digest
        assert again.name == scenario.name
        assert format_scenario(again) == format_scenario(scenario)
        assert resolve(str(tmp_path / "day.json")) == resolve(tmp_path / "day.json") == again
        assert resolve(json.loads(format_scenario(scenario))) == again


def edited(*path, value):
    """BY_HAND with another value at a place; a value of None takes the key away."""
    data = copy.deepcopy(BY_HAND)
    at = data
    for key in path[:-1]:
        at = at[key]
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (edited("format", value="x"), "file: expected a mapping with 'format': 'uam_fleet.scenario/1'"),
        (edited("planes", value=[]), "file: unknown key 'planes'"),
        (edited("ports", value=[]), "file: key 'ports': expected a list of mappings"),
        (edited("ports", 1, "code", value="A"), "file: key 'ports': a code stands twice"),
        (edited("ports", 1, "parking", value=None), "key 'ports', entry 1: 'parking' is missing"),
        (edited("ports", 1, "chargers", value=3), "key 'ports', entry 1: unknown key 'chargers'"),
        (edited("ports", 1, "east", value="far"), "port 'B': key 'east': expected a number, got 'far'"),
        (edited("ports", 1, "parking", value=2.5), "file: field 'parking': expected integers"),
        (edited("aircraft", value=None), "key 'aircraft': expected a list of mappings"),
        (edited("aircraft", 1, "port", value="C"), "key 'aircraft', entry 1: port 'C'; expected one of A, B"),
        (
            edited("aircraft", 1, "count", value=0),
            "key 'aircraft', entry 1: 'count': expected an integer of at least 1",
        ),
        (edited("aircraft", 1, "charge", value=True), "key 'aircraft', entry 1: key 'charge': expected a number"),
        (edited("aircraft", 1, "charge", value=200), r"file: field 'start_charge', index \[3\]: 200.0; expected 0"),
        (edited("demand", 1, value=[1, "B", "A", 2]), "key 'demand', row 1: expected hour, origin, destination, pass"),
        (edited("demand", 1, 0, value=2), "key 'demand', row 1: hour 2; expected 0 … 1"),
        (edited("demand", 1, 1, value="C"), "key 'demand', row 1: port 'C'; expected one of A, B"),
        (edited("demand", 1, 2, value="B"), "key 'demand', row 1: from port 'B' to itself"),
        (edited("demand", 1, 3, value=2.5), "key 'demand', row 1: key 'passengers': expected an integer of at least 0"),
        (edited("demand", 1, value=[0, "A", "B", 1, 1, 1]), "key 'demand', row 1: hour 0 of this pair stands twice"),
        (edited("closures", 0, value=[0, "A"]), "key 'closures', row 0: expected hour, origin, destination, got"),
        (edited("distance_miles", value=[[0, 1]]), r"file: field 'distance': shape \(1, 2\), expected \(2, 2\)"),
        (edited("electricity", value="dear"), "file: field 'electricity': expected a table"),
        (edited("day_end", value="noon"), "file: key 'day_end': expected a number, got 'noon'"),
        (edited("seats", value=0), "file: field 'seats': expected an integer in 1 … 1000"),
    ],
)
def test_errors(data, message):
    with pytest.raises(InputError, match=message):
        parse_scenario(data, "file")


def test_names():
    plain = make_generator({"name": "captain-2024", "geography": "nyc"})
    assert resolve("nyc") == plain.sample(0)
    few = make_generator({"name": "captain-2024", "geography": "nyc", "fleet": 20, "demand": 6000}).sample(3)
    assert resolve("nyc:fleet=20:demand=6000:seed=3") == few
    assert resolve({"name": "nyc", "fleet": 20, "demand": 6000, "seed": 3}) == few
    assert resolve("predecessor-2022:seed=1") == generate({"name": "predecessor-2022"}, 1)
    assert resolve("dfw:preset=predecessor-2022:seed=1").max_wait == 660.0
    drawn = resolve("random:ports=4:fleet=[6,6]:recharge=partial:needs_charger=true")
    assert (drawn.n_ports, drawn.n_aircraft, drawn.recharge, drawn.needs_charger) == (4, 6, 1, True)
    settings = {"name": "captain-2024", "fleet": 7}
    assert resolve({"generator": settings, "seed": 2}) == FAMILY.generate(settings, 2)
    assert resolve(few) is few
    assert reference(few) is None


def test_files(tmp_path):
    scenario = resolve("nyc:fleet=5")
    for name in ("day.npz", "day.json"):
        scenario.save(tmp_path / name)
        assert resolve(str(tmp_path / name)) == scenario
    assert resolve(scenario.to_dict()) == scenario
    sites = [{"code": code, "east": east, "north": 0} for code, east in (("A", 0), ("B", 9), ("C", 20))]
    (tmp_path / "own.json").write_text(json.dumps({"format": "uam_fleet.geography/1", "name": "own", "sites": sites}))
    drawn = resolve(f"{tmp_path / 'own.json'}:fleet=4:seed=2:vertistops=1")
    assert drawn.port_name.tolist() == ["A", "B", "C"]
    assert np.array_equal(drawn.distance, [[0, 9, 20], [9, 0, 11], [20, 11, 0]])
    sites.append({"code": "D", "east": 15, "north": 0})
    (tmp_path / "own.json").write_text(json.dumps({"format": "uam_fleet.geography/1", "name": "own", "sites": sites}))
    assert resolve(tmp_path / "own.json").size_label == "4x40"


def test_a_written_day_is_played(tmp_path):
    """From its file to a log that the validator accepts; all aircraft and passengers are those of the file."""
    (tmp_path / "own.json").write_text(json.dumps(BY_HAND))
    env = UAMFleetVectorEnv(1, instance=str(tmp_path / "own.json"), autoreset_mode="Disabled")
    env.reset(seed=0)
    env.play("fcfs")
    verdict = validate(resolve(tmp_path / "own.json"), env.solution(0))
    assert verdict.feasible, verdict.violations
    assert verdict.values["served"] + verdict.values["lost"] == 9
    assert 0 < verdict.values["profit"] == env.objective_values("profit")[0]
    assert set(env.solution(0).aircraft.tolist()) == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("paris", "instance 'paris': unknown name; expected a geography"),
        ("nyc:planes=3", "instance 'nyc': unknown key 'planes'"),
        ("nyc:geography=dfw", "instance 'nyc': unknown key 'geography'"),
        ("nyc:fleet=many", "key 'fleet': expected an integer or"),
        ("nyc:seed=1:seed=2", "option 'seed' is given twice"),
        ("nyc:seed=x", "seed 'x'; expected an integer of 64 bits"),
        ("nyc:preset=x", "instance 'nyc': option 'preset': unknown value 'x'"),
        ("nothing.json", "nothing.json: cannot be read as JSON"),
        ({"fleet": 3}, "instance: unknown key 'fleet'"),
        ({"name": 3}, "instance: key 'name': expected text"),
        ({"generator": {"name": "captain-2024"}, "sed": 3}, "unknown key 'sed'"),
        (3, "instance: cannot use int 3"),
    ],
)
def test_errors_of_names(spec, message):
    with pytest.raises(InputError, match=message):
        resolve(spec)


def test_errors_of_files(tmp_path):
    day(1).save(tmp_path / "day.npz")
    with pytest.raises(InputError, match="a whole day takes no options"):
        resolve(f"{tmp_path / 'day.npz'}:fleet=3")
    (tmp_path / "bad.json").write_text("{")
    for read in (read_scenario, resolve, Scenario.load):
        with pytest.raises(InputError, match=r"bad\.json: cannot be read as"):
            read(tmp_path / "bad.json")
