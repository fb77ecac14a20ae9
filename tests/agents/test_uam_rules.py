"""Rules of air-taxi fleets and the genetic search: plain twins, rules by hand, what they know, options and errors."""

import numpy as np
import pytest

from families_uam import SMALL, day
from ganttlet.core.errors import InputError
from ganttlet.uam_fleet import FAMILY, OBJECTIVES, RULES, FleetLog, generate, validate
from ganttlet.uam_fleet.batch import UAMFleetVectorEnv
from ganttlet_agents.evaluation.methods import parse_methods
from ganttlet_agents.evaluation.suite import load_instances, load_suite
from ganttlet_agents.rules.uam_fleet import run_genetic, run_rule
from reference import uam_rules
from reference.uam_fleet import ReferenceFleet

FEW = {"block": 4, "population": 6, "generations": 3}


def log_of(scenario, twin):
    return FleetLog(**twin.log(), instance_digest=scenario.digest)


def values(scenario, log):
    verdict = validate(scenario, log)
    assert verdict.feasible, verdict.violations
    return verdict.values


def quiet(aircraft=1, ports=3, **fields):
    """A day without chance, legs of 10 miles (17 minutes), from port 0; fares of 1 USD, no costs."""
    far = 10.0 * (1.0 - np.eye(ports))
    hours = fields.pop("hours", 2)
    none = np.zeros((hours, ports, ports))
    given = {
        "distance": far,
        "parking": np.full(ports, 3),
        "charging": np.full(ports, 3),
        "start_port": np.zeros(aircraft, int),
        "start_charge": np.full(aircraft, 110.0),
        "ready": np.full(aircraft, 360.0),
        "downtime_probability": np.zeros(aircraft),
        "demand": none.astype(int),
        "forecast": none,
        "fare": none + far / 10.0,
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
        "charger_power": 150.0,
        "cost_per_mile": 0.0,
        "needs_charger": False,
    }
    return day(0, ports=ports, aircraft=aircraft, hours=hours, **{**given, **fields})


def table(ports, hours=2, **pairs):
    """Numbers by hour, origin and destination: h0_02=3 is of hour 0 from port 0 to port 2."""
    found = np.zeros((hours, ports, ports))
    for name, value in pairs.items():
        hour, pair = name[1:].split("_")
        found[int(hour), int(pair[0]), int(pair[1])] = value
    return found


def first_flight(scenario, rule):
    log, _ = run_rule(rule, scenario)
    flights = np.flatnonzero(log.origin != log.destination)
    return (float(log.time[flights[0]]), int(log.destination[flights[0]])) if len(flights) else None


@pytest.mark.parametrize("rule", RULES)
def test_rules_are_their_twins(rule):
    """Whole days of every kind, and advice at every decision."""
    for seed in range(40):
        scenario = day(seed, ports=2 + seed % 4, aircraft=1 + seed % 5)
        twin = ReferenceFleet(scenario)
        env = UAMFleetVectorEnv(1, instance=scenario, observation="candidates", autoreset_mode="Disabled")
        env.reset(seed=0)
        while not twin.over:
            action = env.advise(rule, seed=seed)
            assert action.tolist() == [uam_rules.choice(twin, rule, seed)]
            assert FAMILY.advise(env, rule).tolist() == env.advise(rule, seed=0).tolist()
            env.step(action)
            twin.step(int(action[0]))
        assert env.advise(rule).tolist() == [-1]
        log, decisions = run_rule(rule, scenario, seed=seed)
        assert log == log_of(scenario, twin)
        assert decisions == len(twin.rows)
        assert dict(values(scenario, log)) == twin.objectives()


def test_play_of_a_batch_goes_on_from_where_it_is():
    scenarios = [generate({"name": "captain-2024", **SMALL}, seed) for seed in range(3)]
    env = UAMFleetVectorEnv(3, instances=scenarios, observation="candidates", autoreset_mode="Disabled")
    env.reset(options={"instance": scenarios})
    env.step(env.advise("greedy"))
    env.play("greedy")
    assert env.done.all()
    for row, scenario in enumerate(scenarios):
        assert env.solution(row) == run_rule("greedy", scenario)[0]
        assert env.objective_values("profit")[row] == values(scenario, env.solution(row))["profit"]
    assert env.play("greedy") == 0


def test_greedy_takes_profit_and_rate_takes_time():
    """To port 2 it is 40 miles and 45 minutes, to port 1 10 miles and 21 with charging, for 5 and 4 USD."""
    distance = 10.0 * (1.0 - np.eye(3))
    distance[0, 2] = distance[2, 0] = 40.0
    demand = table(3, h0_01=1, h0_02=1).astype(int)
    scenario = quiet(distance=distance, demand=demand, fare=table(3, h0_01=4, h0_02=5))
    assert first_flight(scenario, "greedy") == (360.0, 2)
    assert first_flight(scenario, "greedy_rate") == (360.0, 1)


def test_nothing_pays():
    scenario = quiet(demand=table(3, h0_01=1, h1_01=1).astype(int), cost_per_mile=0.1)
    for rule in ("greedy", "greedy_rate", "greedy_lookahead", "balance"):
        assert first_flight(scenario, rule) is None, rule
    # They serve whoever waits.
    assert first_flight(scenario, "fcfs") == first_flight(scenario, "edd") == (360.0, 1)


def test_lookahead_goes_where_passengers_will_be():
    """Nobody waits at port 0; in hour 1 four are expected at port 2, for 10 USD each."""
    scenario = quiet(
        forecast=table(3, h1_21=4.0), demand=table(3, h1_21=4).astype(int), fare=table(3, h1_21=10), cost_per_mile=0.1
    )
    log, _ = run_rule("greedy_lookahead", scenario)
    assert values(scenario, log)["profit"] == 40.0 - 2 * 10.0 * 0.1
    assert first_flight(scenario, "greedy") is None
    assert first_flight(scenario, "balance") is None or first_flight(scenario, "balance")[1] == 2


def test_oldest_hour_first():
    """In hour 1 two of hour 0 wait for port 2, five of hour 1 for port 1."""
    late = {"max_wait": 60.0, "ready": np.full(1, 425.0)}
    demand = table(3, h0_02=2, h1_01=5).astype(int)
    for rule in ("fcfs", "edd"):
        assert first_flight(quiet(demand=demand, **late), rule) == (425.0, 2), rule
    demand[0, 0, 1] = 2
    fare = table(3, h1_01=2, h1_02=5)
    scenario = quiet(demand=demand, fare=fare, **late)
    # Of hour 0 as many wait for both, the first port wins; 4 x 2 USD are less than 2 x 5.
    assert first_flight(scenario, "fcfs") == (425.0, 1)
    assert first_flight(scenario, "edd") == (425.0, 2)


def test_balance_ferries_what_is_too_many():
    """Three aircraft at port 0; next hour's passengers leave ports 0 and 2 in equal shares."""
    scenario = quiet(aircraft=3, forecast=table(3, h1_01=5.0, h1_21=5.0))
    log, _ = run_rule("balance", scenario)
    flown = log.destination[(log.time < 420.0) & (log.origin != log.destination)]
    assert flown.tolist() == [2]


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != "random"])
def test_rules_know_nothing_hidden(rule):
    """With another future after each of the first decisions nothing changes at that decision."""
    scenario = generate({"name": "captain-2024", **SMALL}, 5)
    env = UAMFleetVectorEnv(8, instance=scenario, observation="candidates", autoreset_mode="Disabled")
    env.reset(seed=0)
    for _ in range(12):
        snapshot = env.snapshot()
        action = env.advise(rule)
        env.restore(snapshot, resample_future=list(range(8)))
        assert env.advise(rule).tolist() == action.tolist()
        env.restore(snapshot)
        env.step(action)


# The genetic search.


@pytest.mark.parametrize("seed", range(6))
def test_search_is_its_twin(seed):
    scenario = day(seed, ports=2 + seed % 3, aircraft=1 + seed % 3)
    given = {"mutation": 0.2, "crossover": 0.6, "elite": 0.2, "parents": 0.4, "seed": seed, **FEW}
    log, played = run_genetic(scenario, oracle=True, **given)
    twin = uam_rules.genetic(scenario, **given)
    assert log == log_of(scenario, twin)
    assert played > len(twin.rows)


def test_search_knows_nothing_hidden():
    """Two days that are the same but for what the first block cannot know."""
    one = generate({"name": "captain-2024", **SMALL}, 3)
    fields = one.to_dict() | {"world": 12345}
    demand, closed = one.demand.copy(), one.closed.copy()
    demand[1] += 1 - np.eye(one.n_ports, dtype=demand.dtype)
    closed[1] = 1 - np.eye(one.n_ports, dtype=closed.dtype)
    other = type(one).from_dict(fields | {"demand": demand.tolist(), "closed": closed.tolist()})
    # As many decisions as there are aircraft: all at the start of the day, before anything is known.
    given = {"population": 20, "generations": 5, "block": one.n_aircraft, "seed": 4}
    plans = [run_genetic(day, **given)[0].destination[: one.n_aircraft].tolist() for day in (one, other)]
    assert plans[0] == plans[1]


def test_search_improves_and_repeats():
    scenario = generate({"name": "captain-2024", **SMALL}, 0)
    few = run_genetic(scenario, oracle=True, population=4, generations=1)[0]
    given = {"oracle": True, "block": 200, "population": 60, "generations": 60}
    many = run_genetic(scenario, **given)[0]
    assert values(scenario, many)["profit"] > values(scenario, few)["profit"]
    assert run_genetic(scenario, **given)[0] == many
    assert run_genetic(scenario, seed=1, **given)[0] != many
    served = run_genetic(scenario, "served", **given)[0]
    empty = run_genetic(scenario, "empty_flights", **given)[0]
    assert values(scenario, served)["served"] >= values(scenario, many)["served"]
    assert values(scenario, empty)["empty_flights"] == 0.0


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"block": 0}, "block"),
        ({"mutation": 1.5}, "mutation"),
        ({"parents": 0.0}, "parents: expected a share above 0"),
        ({"futures": 0}, "futures"),
        ({"seed": -1}, "seed"),
    ],
)
def test_search_options(options, text):
    with pytest.raises(InputError, match=text):
        run_genetic(day(0), **options)


# What the evaluator sees.


def test_methods():
    scenario = generate({"name": "captain-2024", **SMALL}, 1)
    search = "search:ga:population=4:generations=2:block=5"
    names = [f"rule:{rule}" for rule in RULES] + [search, f"{search}:oracle=true"]
    methods = parse_methods(names, "uam_fleet")
    assert [method.information("uam_fleet") for method in methods] == ["causal"] * (len(RULES) + 1) + ["clairvoyant"]
    for method in methods:
        method.warm_up(scenario, objective="profit")
        outcome = method.solve(scenario, objective="profit", seed=3)
        values(scenario, outcome.solution)
        assert outcome.decisions >= len(outcome.solution.time)
        assert outcome.solution == method.solve(scenario, objective="profit", seed=3).solution


def test_unknown_rules():
    env = UAMFleetVectorEnv(1, instance=day(0), autoreset_mode="Disabled")
    env.reset(seed=0)
    for call in (env.play, env.advise, lambda rule: FAMILY.advise(env, rule)):
        with pytest.raises(InputError, match=r"rule.*greedy_lookahead"):
            call("gredy")
    with pytest.raises(InputError, match="objective"):
        run_genetic(day(0), "money")


@pytest.mark.parametrize("name", ["uam_small", "uam_test", "uam_dfw", "uam_sizes", "uam_uncertainty"])
def test_suites(name):
    suite = load_suite(name)
    assert suite.family == "uam_fleet"
    assert set(suite.objectives) <= set(OBJECTIVES)
    parse_methods([*suite.methods], suite.family)
    if name == "uam_small":
        assert len(load_instances(suite)) == 7
