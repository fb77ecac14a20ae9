"""The planner's view and flow matrices: their plain twins, days by hand, what is hidden, and errors."""

import copy

import numpy as np
import pytest

from families_uam import BUSY, LARGE, SMALL, day, pair
from ganttlet.core.errors import InputError
from ganttlet.core.rng import random_legal
from ganttlet.uam_fleet import RULES, Scenario, fleet_tables, fleet_view, fly_flows, generate, validate
from ganttlet.uam_fleet.batch import UAMFleetVectorEnv
from ganttlet.uam_fleet.instance import legal_legs
from ganttlet.uam_fleet.planner import NOWHERE, REASONS
from reference import uam_planner
from reference.uam_fleet import ReferenceFleet

SPACE = {"max_ports": 7, "max_aircraft": 8, "max_hours": 4}


def open_batch(*scenarios, **options):
    batch = UAMFleetVectorEnv(
        len(scenarios), instances=scenarios, observation="candidates", autoreset_mode="Disabled", **options
    )
    batch.reset(options={"instance": list(scenarios)})
    return batch


def random_flows(rng, scenario, ports):
    """A matrix that asks for more than can be flown, and for less."""
    found = np.zeros((ports, ports), np.int64)
    v = scenario.n_ports
    found[:v, :v] = rng.poisson(rng.choice([0.1, 1.0, 3.0]), (v, v)) * (1 - np.eye(v, dtype=np.int64))
    return found


def check_view(shown, row, twin, step, slots):
    scenario = twin.scenario
    v, k, h = scenario.n_ports, scenario.n_aircraft, scenario.n_hours
    size = {"port": k, "in_air": k, "due": k, "ready": k, "charge": k, "left": h}
    for key, value in uam_planner.view(twin, step, slots).items():
        found = getattr(shown, key)[row]
        real = found[tuple(slice(n) for n in (size.get(key, v), v, v)[: found.ndim])] if key != "free" else found[:v]
        np.testing.assert_allclose(real, value, rtol=1e-12, atol=1e-9, err_msg=key)
        rest = np.array(found, float)
        rest[tuple(slice(n) for n in real.shape)] = 0.0
        if key == "port":
            assert (found[k:] == NOWHERE).all()
        elif key in ("due", "ready"):
            assert np.isinf(found[k:]).all()
        else:
            assert not rest.any(), key


@pytest.mark.parametrize("block", range(4))
def test_whole_days_of_flows_are_their_twins(block):
    """Days of every kind, a batch of three at different times, grids of different steps."""
    for seed in range(9 * block, 9 * block + 9, 3):
        rng = np.random.default_rng(seed)
        scenarios = [day(seed + n, ports=2 + (seed + n) % 4, aircraft=1 + (seed + n) % 5) for n in range(3)]
        batch, twins = open_batch(*scenarios, **SPACE), [ReferenceFleet(scenario) for scenario in scenarios]
        step, slots = float(rng.choice([10.0, 15.0, 22.5])), int(rng.integers(1, 9))
        while not batch.done.all():
            shown = fleet_view(batch, step=step, slots=slots)
            for row, twin in enumerate(twins):
                assert shown.over[row] == twin.over
                if not twin.over:
                    check_view(shown, row, twin, step, slots)
            flows = np.stack([random_flows(rng, scenario, 7) for scenario in scenarios])
            at_once = shown.over & ~batch.done  # days without a decision end by one step
            rest = str(rng.choice(["stay", *RULES]))
            result = fly_flows(batch, flows, shown.end, rest=rest)
            assert (result.flights + result.unflown == flows).all()
            for row, twin in enumerate(twins):
                v = twin.scenario.n_ports
                paid, decisions, flights, reasons = uam_planner.fly(
                    twin, flows[row].tolist(), float(shown.end[row]), rest, row
                )
                assert result.reward[row] == pytest.approx(paid, abs=1e-12)
                assert result.decisions[row] == decisions + at_once[row]
                assert result.flights[row, :v, :v].tolist() == flights
                found = {(i, j): REASONS[result.reason[row, i, j]] for i, j in np.argwhere(result.unflown[row])}
                assert found == reasons
                assert not result.reason[row][result.unflown[row] == 0].any()
                assert result.first_reason(row) == (reasons[min(reasons)] if reasons else "")
        for row, scenario in enumerate(scenarios):
            verdict = validate(scenario, batch.solution(row))
            assert verdict.feasible, verdict.violations
            assert verdict.values["profit"] == batch.objective_values("profit")[row] == twins[row].profit


def test_tables():
    scenarios = [day(3, ports=3), day(4, ports=5, aircraft=6, hours=3)]
    tables = fleet_tables(open_batch(*scenarios))
    for row, s in enumerate(scenarios):
        v, h = s.n_ports, s.n_hours
        assert (tables.ports[row], tables.aircraft[row], tables.hours[row]) == (v, s.n_aircraft, h)
        assert tables.seats[row] == s.seats
        for key in ("parking", "charging"):
            assert tables._asdict()[key][row, :v].tolist() == getattr(s, key).tolist()
        for key, field in (("miles", s.distance), ("energy", s.energy), ("minutes", s.flight_time)):
            off = ~np.eye(v, dtype=bool)
            assert tables._asdict()[key][row, :v, :v][off].tolist() == field[off].tolist()
        legal = legal_legs(s.energy, s.charging, s.battery, s.reserve)
        assert tables.legal[row].sum() == legal.sum()
        assert tables.legal[row, :v, :v].tolist() == legal.tolist()
        assert tables.closure[row, :v, :v].tolist() == s.closure_probability.tolist()
        assert tables.delay[row, :v].tolist() == np.clip(s.delay_mean, 0, s.delay_max).tolist()
        assert tables.forecast[row, :h, :v, :v].tolist() == s.forecast.tolist()
        assert tables.fare[row, :h, :v, :v].tolist() == s.fare.tolist()
        cost = s.cost_per_mile * s.distance + s.electricity[:, None, None] * s.energy
        assert tables.cost[row, :h, :v, :v] == pytest.approx(cost)
        for key, value in (("battery", s.battery), ("floor", s.reserve * s.battery), ("power", s.charger_power)):
            assert tables._asdict()[key][row] == value
        assert (tables.day_start[row], tables.day_end[row]) == (s.day_start, s.day_end)


def test_by_hand():
    """Three aircraft at a port with three slots; four passengers, then one. There it is a vertistop with three."""
    batch = open_batch(pair(aircraft=3))
    shown = fleet_view(batch)
    assert (shown.now.tolist(), shown.begin.tolist(), shown.end.tolist()) == ([360.0], [360.0], [375.0])
    assert (shown.idle.tolist(), shown.room.tolist()) == ([[3, 0]], [[0, 3]])
    assert shown.waiting.tolist() == [[[0, 5], [1, 0]]]
    assert shown.able.tolist() == [[[0, 3], [0, 0]]]
    # Five are asked for, two of them from where nobody is.
    result = fly_flows(batch, [[[0, 2], [3, 0]]], shown.end)
    assert result.flights.tolist() == [[[0, 2], [0, 0]]]
    assert result.unflown.tolist() == [[[0, 0], [3, 0]]]
    assert result.first_reason(0) == "aircraft"
    assert result.decisions.tolist() == [3]
    # It stayed, and decides at 375; the others land at 384 and find no charger to wait for.
    shown = fleet_view(batch, slots=2)
    assert (shown.now.tolist(), shown.idle.tolist()) == ([375.0], [[1, 0]])
    assert shown.free.tolist() == [[[1, 0], [2, 0]]]
    assert shown.port.tolist() == [[1, 1, 0]]
    assert shown.in_air.tolist() == [[True, True, False]]
    assert shown.due.tolist() == [[384.0, 384.0, 375.0]]
    # On its way home an aircraft must charge 65.56 kWh at 2.5 kWh a minute after its landing.
    result = fly_flows(batch, [[[0, 0], [1, 0]]], 390.0)
    assert result.flights.sum() == 1
    shown = fleet_view(batch, slots=1)
    assert shown.ready[0, 0] == pytest.approx(408.0 + 65.56 / 2.5)
    assert shown.charge[0].tolist() == pytest.approx([110.0 - 65.56, 110.0 - 32.78, 110.0])


def test_what_stood_against_a_flight():
    def reason(**fields):
        batch = open_batch(pair(aircraft=2, **fields))
        return fly_flows(batch, [[[0, 2], [0, 0]]], 361.0).first_reason(0)

    closed = np.zeros((2, 2, 2), int)
    closed[0, 0, 1] = 1
    assert reason(closed=closed) == "route"
    assert reason(recharge=1, start_charge=[20.0, 20.0]) == "charge"
    assert reason(parking=[0, 1]) == "slots"
    assert reason() == ""


def test_the_best_flight_comes_first():
    """One aircraft and two destinations that are wanted: to port 2 four fly, to port 1 one."""
    demand = np.zeros((2, 3, 3), int)
    demand[0, 0] = [0, 1, 4]
    room = {"parking": [3] * 3, "charging": [3] * 3, "start_port": [0], "closed": np.zeros((2, 3, 3), int)}
    scenario = day(1, ports=3, aircraft=1, demand=demand, fare=30.0 * (1 - np.eye(3))[None].repeat(2, 0), **room,
                   distance=10.0 * (1 - np.eye(3)), start_charge=[110.0], ready=[360.0])  # fmt: skip
    flows = [[[0, 1, 1], [0, 0, 0], [0, 0, 0]]]
    assert fly_flows(open_batch(scenario), flows, 361.0).flights[0, 0].tolist() == [0, 0, 1]
    turned = [[[0, 1, 0], [0, 0, 0], [0, 0, 0]]]
    assert fly_flows(open_batch(scenario), turned, 361.0).flights[0, 0].tolist() == [0, 1, 0]


def test_rows_that_are_late_or_over_stand_still():
    one = day(2, ports=3)
    batch = open_batch(one, one)
    nothing = np.zeros((2, 3, 3), np.int64)
    result = fly_flows(batch, nothing, [500.0, 0.0])
    assert result.decisions[0] > 0
    assert result.decisions[1] == 0
    assert fleet_view(batch).now[1] == 360.0
    fly_flows(batch, nothing, 2000.0)
    assert batch.done.all()
    assert fly_flows(batch, nothing, 2000.0).decisions.tolist() == [0, 0]
    shown = fleet_view(batch)
    assert shown.over.all()
    for part in (shown.idle, shown.free, shown.waiting, shown.left, shown.open):
        assert not part.any()
    # A day without a decision ends by one step, as everywhere.
    empty = open_batch(day(1, ports=2, aircraft=1, hours=1, ready=[420.0]))
    assert fly_flows(empty, np.zeros((1, 2, 2), int), 0.0).decisions.tolist() == [1]
    assert empty.done.all()


def test_nothing_hidden_is_shown():
    """Another future changes nothing of the view, at any decision."""
    scenario = generate({"name": "captain-2024", **SMALL, "closure": 0.5}, 3)
    batch = open_batch(*[scenario] * 6)
    tables, actions = fleet_tables(batch), np.zeros(6, np.int64)
    for turn in range(25):
        shown, snapshot = fleet_view(batch), batch.snapshot()
        state = batch._state.left.copy(), batch._state.closed.copy()
        batch.restore(snapshot, resample_future=list(range(6)))
        other = (batch._state.left, batch._state.closed)
        assert (shown.hour == 1).any() or any((a != b).any() for a, b in zip(state, other, strict=True))
        for key, value in fleet_view(batch)._asdict().items():
            assert np.array_equal(value, getattr(shown, key)), key
        batch.restore(snapshot)
        random_legal(batch.live_mask, turn, actions)
        batch.step_rows(np.flatnonzero(~batch.done), actions[~batch.done])
    assert all(np.array_equal(a, b) for a, b in zip(tables, fleet_tables(batch), strict=True))


def test_without_flows_a_rule_plays_its_day():
    """As play does, for a whole day of eight ports."""
    scenario = generate({"name": "captain-2024", "fleet": 12, "demand": 900}, 3)
    batch, other = open_batch(scenario), open_batch(scenario)
    while not batch.done.all():
        end = fleet_view(batch).end
        result = fly_flows(batch, np.zeros((1, 8, 8), int), end, rest="greedy_lookahead")
        assert not result.flights.any()
    other.play("greedy_lookahead")
    assert batch.solution(0) == other.solution(0)


def test_what_is_returned_is_a_copy():
    batch = open_batch(Scenario.from_dict(BUSY))
    before = copy.deepcopy((batch._state, batch._storage.arrays))
    for part in (*fleet_view(batch), *fleet_tables(batch)):
        part[...] = 1
    for old, new in zip(before, (batch._state, batch._storage.arrays), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(old, new, strict=True))
    flows = np.ones((1, 3, 3), np.int64)
    fly_flows(batch, flows, 370.0)
    assert (flows == 1).all()


@pytest.mark.parametrize(
    ("flows", "until", "message"),
    [
        (np.zeros((3, 3), int), 400.0, r"flows: shape \(3, 3\), expected \(1, 3, 3\): rows, origins, destinations"),
        ([[[0, 1], [1]]], 400.0, r"flows: shape \(0,\), expected \(1, 3, 3\)"),
        (np.zeros((1, 3, 3)), 400.0, "flows: expected integers, got float64"),
        (np.full((1, 3, 3), -1), 400.0, r"flows, index \[0, 0, 0\]: -1; expected at least 0 aircraft"),
        (np.zeros((1, 3, 3), int), "noon", "until: expected minutes since midnight, one number or 1, got 'noon'"),
        (np.zeros((1, 3, 3), int), [400.0, 400.0], "until: expected minutes"),
        (np.zeros((1, 3, 3), int), np.nan, "until: expected minutes"),
    ],
)
def test_errors(flows, until, message):
    batch = open_batch(Scenario.from_dict(BUSY))
    with pytest.raises(InputError, match=message):
        fly_flows(batch, flows, until)
    assert len(batch.solution(0).time) == 0


def test_other_errors():
    batch = UAMFleetVectorEnv(1, instance=LARGE)
    batch.reset(seed=0)
    with pytest.raises(InputError, match="needs autoreset_mode 'disabled', got 'next_step'"):
        fly_flows(batch, np.zeros((1, 6, 6), int), 400.0)
    with pytest.raises(InputError, match="rest: unknown value 'gredy'; expected one of stay, random"):
        fly_flows(batch, np.zeros((1, 6, 6), int), 400.0, rest="gredy")
    for options, message in (({"step": 0.0}, "step: expected a number"), ({"slots": 0}, "slots")):
        with pytest.raises(InputError, match=message):
            fleet_view(batch, **options)
