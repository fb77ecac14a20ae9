"""Parts of the engine: charging, the order of events, room for the log, other futures, and options."""

import itertools

import numpy as np
import pytest

from families_uam import BUSY, LARGE, LAZY, POOL, day
from ganttlet.core.errors import InputError
from ganttlet.core.rng import random_legal
from ganttlet.uam_fleet import layout as at
from ganttlet.uam_fleet.batch import UAMFleetVectorEnv
from ganttlet.uam_fleet.charging import charge_after, minutes_to_full
from ganttlet.uam_fleet.events import before, sink
from ganttlet.uam_fleet.instance import CC_CV, LINEAR, Scenario
from ganttlet.uam_fleet.storage import sizes_of

BATTERY, POWER = 110.0, 150.0


def slowly(charge, minutes, curve, step=1e-3):
    """kWh after some minutes, by small steps of the power that the share of charge allows."""
    for _ in range(round(minutes / step)):
        share = charge / BATTERY
        power = POWER * (1.0 if curve == LINEAR or share < 0.8 else 1.0 - 4.0 * (share - 0.8))
        charge = min(BATTERY, charge + power / 60.0 * step)
    return charge


@pytest.mark.parametrize("curve", [LINEAR, CC_CV])
@pytest.mark.parametrize("charge", [0.0, 50.0, 88.0, 100.0, 109.5])
def test_charging_is_the_integral_of_the_power(curve, charge):
    for minutes in (0.0, 1.0, 10.0, 20.0):
        expected = slowly(charge, minutes, curve)
        assert charge_after(charge, minutes, BATTERY, POWER, curve) == pytest.approx(expected, abs=0.01)
    full = minutes_to_full(charge, BATTERY, POWER, curve)
    assert charge_after(charge, full, BATTERY, POWER, curve) == pytest.approx(BATTERY, abs=1e-9)
    assert charge_after(charge, full / 2, BATTERY, POWER, curve) < BATTERY
    assert charge_after(charge, 2 * full, BATTERY, POWER, curve) <= BATTERY
    assert minutes_to_full(BATTERY, BATTERY, POWER, curve) == 0.0


def test_the_last_fifth_takes_longer_with_a_falling_current():
    """ln 5 / 0.8 times as long as with full power."""
    slow, fast = (minutes_to_full(0.8 * BATTERY, BATTERY, POWER, curve) for curve in (CC_CV, LINEAR))
    assert slow / fast == pytest.approx(np.log(5.0) / 0.8)
    bulk = [minutes_to_full(charge, BATTERY, POWER, CC_CV) for charge in (0.0, 0.8 * BATTERY)]
    assert bulk[0] - bulk[1] == pytest.approx(0.8 * BATTERY / POWER * 60.0)


def test_the_heap_gives_aircraft_in_order():
    """By time, landings first, then by number, many ties among them."""
    rng, count = np.random.default_rng(0), 17
    craft, clock = np.zeros((count, at.N_CRAFT), np.int32), np.zeros((count, at.N_CLOCK))
    clock[:, at.DUE], craft[:, at.STATUS] = rng.integers(0, 4, count), rng.integers(0, 3, count)
    heap = np.arange(count, dtype=np.int32)
    for place in range(count // 2 - 1, -1, -1):
        sink(place, count, craft, clock, heap)
    for _ in range(500):
        order = sorted(range(count), key=lambda k: (clock[k, at.DUE], craft[k, at.STATUS] != at.IN_AIR, k))
        assert heap[0] == order[0]
        assert all(before(a, b, craft, clock) for a, b in itertools.pairwise(order))
        assert sorted(heap.tolist()) == list(range(count))
        clock[heap[0], at.DUE] += rng.integers(0, 3)
        craft[heap[0], at.STATUS] = rng.integers(0, 3)
        sink(0, count, craft, clock, heap)


def play(env, seed, eager=False):
    """Play random legal actions to the end; a flight wherever there is one, if ``eager``."""
    env.reset(seed=seed)
    actions, turn = np.zeros(env.num_envs, np.int64), 1000 * seed
    while not env.done.all():
        turn += 1
        random_legal(env.live_mask, turn, actions)
        if eager:
            ports, shown = env.live_observation["focus_port"][:, 0], env.live_mask.copy()
            some = ports >= 0
            shown[np.flatnonzero(some), ports[some]] = 0
            free = shown.any(axis=1)
            actions[free] = shown[free].argmax(axis=1)
        env.step_in_place(actions)


def test_what_holds_at_every_decision():
    """Places are enough, batteries are between empty and full, passengers are served, lost, or still to come."""
    for seed in range(20):
        instance = day(seed, ports=4, aircraft=5, hours=3)
        env = UAMFleetVectorEnv(1, instance=instance, autoreset_mode="Disabled", observation="candidates")
        env.reset(seed=0)
        state, actions, paid = env._state, np.zeros(1, np.int64), 0.0
        for turn in range(1000):
            assert env.objective_values("profit")[0] == pytest.approx(paid * instance.scale, abs=1e-9)
            assert env.live_mask.any(axis=1).all()
            taken = state.taken[0]
            assert (taken >= 0).all()
            assert (taken[:, at.PLUGGED] <= instance.charging).all()
            assert (taken[:, at.PARKED] <= instance.parking).all()
            assert (taken.sum(axis=1) <= instance.slots).all()
            assert taken.sum() == instance.n_aircraft
            charge = state.clock[0, :, at.CHARGE]
            assert (charge >= min(instance.reserve * instance.battery, instance.start_charge.min()) - 1e-9).all()
            assert (charge <= instance.battery).all()
            served, lost = state.totals[0, [at.SERVED, at.LOST]]
            assert served + state.left[0].sum() == instance.demand.sum()
            if env.done.all():
                assert served + lost == instance.demand.sum()
                break
            assert lost <= state.left[0].sum()
            random_legal(env.live_mask, turn, actions)
            env.step_in_place(actions)
            paid += float(env.flags.reward[0])
        assert env.done.all()


@pytest.mark.parametrize("corridors", [1, 2, 3])
def test_departures_keep_their_distance(corridors):
    """Of the flights of one direction no more than there are corridors depart within a headway."""
    room = {"parking": [9, 9], "charging": [9, 9], "closed": np.zeros((3, 2, 2), int)}
    full = {"start_port": [0, 1] * 4 + [0], "start_charge": [110.0] * 9, "downtime_probability": [0.0] * 9}
    instance = day(3, ports=2, aircraft=9, hours=3, corridors=corridors, headway=9.0, **room, **full)
    env = UAMFleetVectorEnv(1, instance=instance, autoreset_mode="Disabled")
    play(env, 1, eager=True)
    log = env.solution(0)
    for i, j in ((0, 1), (1, 0)):
        departures = np.sort(log.departure[(log.origin == i) & (log.destination == j)])
        assert len(departures) > 9
        apart = departures[corridors:] - departures[:-corridors]
        assert (apart >= 9.0 - 1e-9).all()
        assert (np.abs(apart - 9.0) < 1e-9).any()


@pytest.mark.parametrize("eager", [False, True])
def test_the_log_has_room(eager):
    """Aircraft that land without a charger and get one that fills them at once decide most often."""
    fullest = 0.0
    for seed in range(10):
        ports = {"ports": 2, "aircraft": 3, "hours": 3, "recharge": 0}
        near = {"distance": [[0.0, 0.1], [0.1, 0.0]], "take_off": 1.0, "landing": 1.0, "delay_mean": [0.0, 0.0]}
        instance = day(seed, **ports, **near, delay_sd=[0.0, 0.0], parking=[2, 2], charging=[1, 1], corridors=0)
        env = UAMFleetVectorEnv(4, instance=instance, autoreset_mode="Disabled")
        play(env, seed, eager)
        fullest = max(fullest, env._state.totals[:, at.COUNT].max() / sizes_of(instance).decisions)
    assert fullest <= 1.0
    assert not eager or fullest > 0.2


def test_policies_meet_the_same_world():
    """The delay of an aircraft's n-th departure from a port does not depend on what was done before."""
    instance = day(6, ports=3, aircraft=3, hours=4, delay_sd=[2.0, 2.0, 2.0], corridors=0, parking=[3, 3, 3])
    env = UAMFleetVectorEnv(8, instance=instance, autoreset_mode="Disabled")
    play(env, 1)
    seen = {}
    for row in range(8):
        log, flown = env.solution(row), dict.fromkeys(range(3), 0)
        for k, i, j, delay in zip(log.aircraft, log.origin, log.destination, log.departure - log.time, strict=True):
            if i != j:
                seen.setdefault((k, flown[k], i), set()).add(round(delay, 9))
                flown[k] += 1
    assert all(len(delays) == 1 for delays in seen.values())
    assert len({next(iter(delays)) for delays in seen.values()}) > 10
    assert len(env.solution(0).time) != len(env.solution(1).time) or env.solution(0) != env.solution(1)


def test_another_future_leaves_what_is_known():
    """Demand and closures up to the present hour, and all aircraft; later hours are drawn by their laws."""
    instance = day(8, ports=4, aircraft=4, hours=4, recharge=1)
    env = UAMFleetVectorEnv(200, instance=instance, autoreset_mode="Disabled")
    env.reset(seed=0)
    for _ in range(12):
        env.step_in_place(env.live_mask.argmax(axis=1))
    hour = int(env._state.totals[0, at.HOUR])
    assert hour < 2
    before_ = [part.copy() for part in env._state]
    env.restore(env.snapshot(), resample_future=3)
    names = type(env._state)._fields
    changed = [name for name, old, new in zip(names, before_, env._state, strict=True) if not np.array_equal(old, new)]
    assert changed == ["world", "left", "closed"]
    left, closed = env._state.left, env._state.closed
    assert (left[:, : hour + 1] == before_[names.index("left")][:, : hour + 1]).all()
    assert (closed[:, : hour + 1] == instance.closed[: hour + 1]).all()
    later = np.s_[hour + 1 :]
    assert left[:, later].mean(axis=0) == pytest.approx(instance.forecast[later], abs=1.2)
    assert left[:, later].var(axis=0).sum() == pytest.approx(instance.forecast[later].sum(), rel=0.15)
    share = closed[:, later].mean(axis=(0, 1))
    assert share == pytest.approx(instance.closure_probability, abs=0.08)
    assert (closed[:, later] == closed[:, later].transpose(0, 1, 3, 2)).all()
    assert env.solution(0).instance_digest == ""
    pool = UAMFleetVectorEnv(2, instance=POOL, autoreset_mode="Disabled")
    pool.reset(seed=0)
    pool.restore(pool.snapshot(), resample_future=1)
    assert (pool._state.left[0] == Scenario.from_dict(POOL).demand).all()


def test_a_day_without_decisions_is_over_at_once():
    instance = day(1, ports=2, aircraft=1, hours=1, ready=[420.0])
    env = UAMFleetVectorEnv(2, instance=instance)
    _, info = env.reset(seed=0)
    assert info["action_mask"].all()
    assert info["objectives"]["lost"].tolist() == [instance.demand.sum()] * 2
    _, reward, terminated, _, _ = env.step(np.array([0, 1]))
    assert (reward.tolist(), terminated.tolist()) == ([0.0, 0.0], [True, True])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reward": "profit"}, "reward"),
        ({"observation": "picture"}, "observation"),
        ({"lookahead": 0}, "lookahead"),
        ({"worth": 1}, "worth: expected True or False"),
        ({"lookahead": 25}, "lookahead: expected at most 24 hours"),
        ({"max_ports": 2}, "max_ports=2"),
        ({"max_decisions": 5}, "max_decisions=5"),
        ({"preset": "paper"}, "preset"),
        ({"fleet": 3}, "fleet"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(InputError, match=message):
        UAMFleetVectorEnv(1, instance=BUSY, **options)


def test_what_does_not_fit_is_refused_by_name():
    env = UAMFleetVectorEnv(1, instance=LAZY)
    with pytest.raises(InputError, match=r"6 ports, but the padded space holds 4; .* max_ports=6"):
        env.reset(options={"instance": LARGE})
