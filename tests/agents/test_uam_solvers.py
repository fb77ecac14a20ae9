"""Solvers of air-taxi fleets: bounds above everything, exhaustive search on tiny days, plans by hand, causality."""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest

from families_uam import SMALL, day
from ganttlet.core.errors import InputError
from ganttlet.uam_fleet import RULES, Scenario, generate, validate
from ganttlet_agents.evaluation.methods import parse_methods
from ganttlet_agents.rules.uam_fleet import run_genetic, run_rule
from ganttlet_agents.solvers.uam_fleet import lp_bound, solve_plan
from ganttlet_agents.solvers.uam_fleet.bound import bound_problem
from ganttlet_agents.solvers.uam_fleet.demand import expected_steps, known_steps
from ganttlet_agents.solvers.uam_fleet.network import Network, Solved
from reference.uam_fleet import ReferenceFleet

pytest.importorskip("highspy")

NEAR = 1e-6


def profit(scenario, log):
    verdict = validate(scenario, log)
    assert verdict.feasible, verdict.violations
    return verdict.values["profit"]


def quiet(**fields):
    """A day without chance: legs of 11.25 miles, 21 minutes, 24.75 kWh; fares 10 USD, no costs, aircraft at port 0."""
    ports, aircraft, hours = fields.pop("ports", 3), fields.pop("aircraft", 1), fields.pop("hours", 2)
    far = 1.0 - np.eye(ports)
    none = np.zeros((hours, ports, ports))
    given = {
        "distance": 11.25 * far,
        "cruise": 75.0,
        "parking": np.full(ports, 3),
        "charging": np.full(ports, 3),
        "start_port": np.zeros(aircraft, int),
        "start_charge": np.full(aircraft, 110.0),
        "ready": np.full(aircraft, 360.0),
        "downtime_probability": np.zeros(aircraft),
        "demand": none.astype(int),
        "forecast": none,
        "fare": none + 10.0 * far,
        "electricity": np.zeros(hours),
        "closed": none.astype(int),
        "closure_probability": np.zeros((ports, ports)),
        "delay_mean": np.zeros(ports),
        "delay_sd": np.zeros(ports),
        "reserve": 0.0,
        "corridors": 0,
        "max_wait": 0.0,
        "recharge": 0,
        "charge_curve": 0,
        "charger_power": 132.0,
        "cost_per_mile": 0.0,
        "needs_charger": False,
    }
    return day(0, ports=ports, aircraft=aircraft, hours=hours, **{**given, **fields})


def demand(ports=3, hours=2, **pairs):
    """Passengers by hour, origin and destination: h0_02=3 is of hour 0 from port 0 to port 2."""
    found = np.zeros((hours, ports, ports), int)
    for name, value in pairs.items():
        hour, pair = name[1:].split("_")
        found[int(hour), int(pair[0]), int(pair[1])] = value
    return found


# The bound.


@pytest.mark.parametrize("seed", range(40))
def test_bound_is_above_everything(seed):
    """Days of every kind: partial and full recharging, vertistops, waiting, breakdowns, corridors."""
    scenario = day(seed, ports=2 + seed % 4, aircraft=1 + seed % 5)
    found = [profit(scenario, run_rule(rule, scenario, seed=seed)[0]) for rule in RULES]
    for plan in ({}, {"demand": "realised"}, {"every": 15.0, "window": 60.0}):
        found.append(profit(scenario, solve_plan(scenario, time_limit=5.0, **plan).log))
    found.append(profit(scenario, run_genetic(scenario, oracle=True, block=99, population=9, generations=9)[0]))
    for step in (5.0, 15.0):
        assert max(found) <= lp_bound(scenario, step=step) + NEAR


def best(twin):
    """Profit of the best way to go on, by exhaustive search."""
    if twin.over:
        return twin.profit
    worth = -math.inf
    for action, legal in enumerate(twin.mask()):
        if legal:
            then = copy.deepcopy(twin)
            then.step(action)
            worth = max(worth, best(then))
    return worth


@pytest.mark.parametrize("seed", range(12))
def test_bound_and_plans_beside_the_optimum(seed):
    """With all demand known no method beats the best of all days, nor that the bound."""
    scenario = day(seed, ports=2 + seed % 2, aircraft=1 + seed % 2, hours=1, idle_step=20.0)
    optimum = best(ReferenceFleet(scenario))
    assert optimum <= lp_bound(scenario, step=5.0) + NEAR
    for every in (None, 10.0):
        log = solve_plan(scenario, demand="realised", step=5.0, every=every).log
        assert profit(scenario, log) <= optimum + NEAR


def test_bound_by_hand():
    """One aircraft and two hours; a flight takes 21 minutes, on the grid 20, and charging after it 11.25."""
    # At 0, 32.25, 64.5 and 96.75; without charging each time it would be one each 20 minutes.
    scenario = quiet(demand=demand(h0_01=9, h0_10=9, h1_01=9, h1_10=9))
    assert profit(scenario, run_rule("greedy", scenario)[0]) == 4 * 40.0
    assert 4 * 40.0 <= lp_bound(scenario) <= 6 * 40.0 * (1.0 + 1e-5)
    # Passengers: 3 to carry in all, in one flight; the way back earns nothing.
    scenario = quiet(demand=demand(h0_01=3))
    assert lp_bound(scenario) == pytest.approx(30.0, rel=1e-5)
    # A closed route, and an aircraft that is not ready before the end.
    closed = demand(h0_01=1)
    assert lp_bound(quiet(demand=demand(h0_01=3), closed=closed)) == pytest.approx(0.0, abs=1e-5)
    assert lp_bound(quiet(demand=demand(h0_01=3), ready=np.full(1, 430.0))) == pytest.approx(0.0, abs=1e-5)
    # They wait an hour longer.
    waits = quiet(demand=demand(h0_01=3), ready=np.full(1, 430.0), max_wait=60.0)
    assert lp_bound(waits) == pytest.approx(30.0, rel=1e-5)


def test_bound_knows_batteries():
    """Next to no power: the fleet flies what it starts with, 110 / 24.75 legs and 49.5 / 24.75."""
    table = demand(h0_01=40, h0_10=40, h1_01=40, h1_10=40)
    for start in (110.0, 49.5):
        bound = lp_bound(quiet(demand=table, start_charge=np.full(1, start), charger_power=1e-3))
        assert bound == pytest.approx(start / 24.75 * 40.0, rel=1e-3)


def test_finer_grids_are_no_looser():
    scenario = generate({"name": "captain-2024", **SMALL}, 2)
    bounds = [lp_bound(scenario, step=step) for step in (5.0, 10.0, 30.0)]
    assert bounds[0] <= bounds[1] + NEAR <= bounds[2] + 2 * NEAR


def test_bound_takes_less_time_than_given():
    assert lp_bound(generate({"name": "captain-2024", "geography": "nyc"}, 0), time_limit=1e-3) == math.inf


@pytest.mark.parametrize("step", [7.0, 0.0, 90.0])
def test_bound_grid(step):
    with pytest.raises(InputError, match="step"):
        lp_bound(day(0), step=step)


# Passengers.


def test_steps():
    assert known_steps(11, 4) == ((2.0, 4.0), (1.0, 3.0))
    assert known_steps(8, 4) == ((2.0, 4.0),)
    assert known_steps(0, 4) == expected_steps(0.0, 4) == ()
    rng = np.random.default_rng(0)
    drawn = rng.poisson(6.0, 200_000)
    for flight, (count, boards) in enumerate(expected_steps(6.0, 4)):
        assert count == 1.0
        assert boards == pytest.approx(np.clip(drawn - 4 * flight, 0, 4).mean(), abs=0.02)


# Plans.


def test_plan_by_hand():
    """To port 1 with four, from there to port 2 with two; the model's profit is that of the day."""
    scenario = quiet(demand=demand(h0_01=4, h1_12=2), cost_per_mile=0.01)
    result = solve_plan(scenario, demand="realised")
    flights = result.log.origin != result.log.destination
    assert result.log.destination[flights].tolist() == [1, 2]
    assert result.value == pytest.approx(60.0 - 0.225) == profit(scenario, result.log)


def test_plan_goes_by_the_forecast():
    """Nobody waits at port 0; in hour 1 four are expected at port 2, and four turn up at port 1 instead."""
    forecast = demand(h1_21=4).astype(float)
    scenario = quiet(forecast=forecast, demand=demand(h1_12=4), cost_per_mile=0.01)
    causal = solve_plan(scenario, every=15.0).log
    assert causal.destination[causal.origin != causal.destination][0] == 2
    # The rule of spare aircraft would go by the forecast.
    clairvoyant = solve_plan(scenario, every=15.0, demand="realised", spare="stay").log
    assert profit(scenario, clairvoyant) == pytest.approx(40.0 - 0.225)


@pytest.mark.parametrize("every", [None, 15.0])
def test_causal_plans_know_nothing_hidden(every):
    """Two days that are the same up to the end of the first hour are played alike until then."""
    one = generate({"name": "captain-2024", **SMALL, "downtime": 0.0}, 3)
    table, closed = one.demand.copy(), one.closed.copy()
    table[1] += 3 * (1 - np.eye(one.n_ports, dtype=table.dtype))
    closed[1] = 1 - np.eye(one.n_ports, dtype=closed.dtype)
    other = replace(one, demand=table, closed=closed)
    assert isinstance(other, Scenario)
    logs = [solve_plan(scenario, every=every, time_limit=30.0).log for scenario in (one, other)]
    early = [log.time < one.day_start + 60.0 for log in logs]
    assert early[0].sum() > one.n_aircraft
    for name in ("time", "aircraft", "destination", "departure"):
        assert getattr(logs[0], name)[early[0]].tolist() == getattr(logs[1], name)[early[1]].tolist()


def test_spare_aircraft(monkeypatch):
    """Without any plan all aircraft do what the rule says."""
    scenario = generate({"name": "captain-2024", **SMALL, "demand": 600}, 0)
    monkeypatch.setattr(Network, "solve", lambda *_: Solved(None, None, math.inf))
    for rule in ("greedy", "greedy_lookahead"):
        result = solve_plan(scenario, every=15.0, spare=rule)
        assert result.log == run_rule(rule, scenario)[0]
        assert (result.value, result.gap) == (None, 1.0)
    stays = solve_plan(scenario, spare="stay").log
    assert (stays.origin == stays.destination).all()


def test_pools_expect_no_more_passengers():
    """The predecessor's hourly forecast boards no one: a plan's profit is of those who wait."""
    scenario = generate({"name": "predecessor-2022", "ports": 4, "fleet": 3, "day_end": 480}, 0)
    result = solve_plan(scenario)
    fares = (scenario.demand[0] * scenario.fare[0]).sum()
    assert 0.0 < profit(scenario, result.log) <= result.value * 1.05 <= fares


def test_relaxation_is_above_the_integer_programme():
    scenario = generate({"name": "captain-2024", **SMALL}, 1)
    problem = bound_problem(scenario, 10.0)
    solved = Network(problem).solve(30.0, 0.0)
    assert solved.value <= lp_bound(scenario, step=10.0) + NEAR
    assert solved.value <= solved.bound + NEAR


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"demand": "known"}, "demand.*forecast"),
        ({"step": 7.0}, "step"),
        ({"every": 0.0}, "every"),
        ({"window": -1.0}, "window"),
        ({"gap": 2.0}, "gap"),
        ({"spare": "gredy"}, "spare.*stay"),
        ({"seed": -1}, "seed"),
    ],
)
def test_options(options, text):
    with pytest.raises(InputError, match=text):
        solve_plan(day(0), **options)


# What the evaluator sees.


def test_methods():
    scenario = generate({"name": "captain-2024", **SMALL}, 1)
    names = ["solver:mip", "solver:oracle:time=20", "solver:rolling:window=60", "solver:rolling:demand=realised"]
    methods = parse_methods([*names, "solver:oracle:bound_time=0"], "uam_fleet")
    known = [method.information("uam_fleet") for method in methods]
    assert known == ["causal", "clairvoyant", "causal", "clairvoyant", "clairvoyant"]
    for method in methods:
        method.warm_up(scenario, objective="profit")
        outcome = method.solve(scenario, objective="profit", seed=3)
        earned = profit(scenario, outcome.solution)
        assert outcome.decisions == len(outcome.solution.time)
        assert "plans, gap" in outcome.status
        if method.label == "solver:oracle:time=20":
            assert earned <= outcome.bound == lp_bound(scenario)
        else:
            assert outcome.bound is None
