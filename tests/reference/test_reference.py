"""The oracle itself: against recorded JSSEnv episodes, against identities, and against full enumeration."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest

from reference.brute_force import Search, optimum
from reference.job_shop import OBJECTIVES, TIMINGS, WAITING, ReferenceJobShop, earliest_gap

Jobs = list[list[tuple[int, int]]]
FIXTURE = Path(__file__).parents[1] / "fixtures" / "jssenv_episodes.json"
RECORDED = json.loads(FIXTURE.read_text(encoding="utf-8"))["episodes"]
DISPATCH = ("nondelay", "active", "append", "insert")


def random_jobs(rng: random.Random, n: int, m: int, longest: int = 9) -> Jobs:
    """n jobs that visit each of m machines once, durations from 1."""
    return [[(k, rng.randint(1, longest)) for k in rng.sample(range(m), m)] for _ in range(n)]


def odd_case(rng: random.Random) -> dict[str, Any]:
    """Unequal lengths, repeated machines, zero durations, releases, due dates and weights."""
    n, m = rng.randint(1, 5), rng.randint(1, 4)
    zeros = rng.choice((0.0, 0.2, 0.7))
    jobs = [
        [(rng.randrange(m), 0 if rng.random() < zeros else rng.randint(1, 6)) for _ in range(rng.randint(1, 5))]
        for _ in range(n)
    ]
    return {
        "jobs": jobs,
        "n_machines": m,
        "release": [rng.choice((0, 0, rng.randint(1, 9))) for _ in range(n)],
        "due": [rng.randint(-2, 20) for _ in range(n)],
        "weight": [rng.randint(0, 3) for _ in range(n)],
    }


def play(env: ReferenceJobShop, rng: random.Random, wait_share: float = 0.4) -> tuple[float, list[int]]:
    """Random legal actions to the end; the return and the actions."""
    total, done, actions = 0.0, False, []
    while not done:
        legal = [a for a, ok in enumerate(env.mask()) if ok]
        waits = env.timing in WAITING and legal[-1] == env.n_actions - 1
        action = legal[-1] if waits and rng.random() < wait_share else rng.choice(legal)
        reward, done, illegal = env.step(action)
        assert not illegal
        actions.append(action)
        total += reward
    return total, actions


def conflicts(env: ReferenceJobShop) -> list[str]:
    """Rules broken by the finished schedule, checked pair by pair on the start times alone."""
    found, placed = [], []
    for j, (job, starts) in enumerate(zip(env.jobs, env.start, strict=True)):
        ready = env.release[j]
        for (k, p), s in zip(job, starts, strict=True):
            if s < ready:
                found.append(f"job {j} starts at {s} before {ready}")
            ready = s + p
            placed.append((k, s, s + p))
    for a, (k, s, e) in enumerate(placed):
        for other, s2, e2 in placed[a + 1 :]:
            if k == other and max(s, s2) < min(e, e2):
                found.append(f"machine {k}: {s}-{e} and {s2}-{e2}")
            if k == other and (s2 < s == e < e2 or s < s2 == e2 < e):
                found.append(f"machine {k}: a zero-duration operation inside another")
    return found


@pytest.mark.parametrize("index", range(len(RECORDED)), ids=[f"{i}-{e['name']}" for i, e in enumerate(RECORDED)])
def test_replays_jssenv_exactly(index: int) -> None:
    episode = RECORDED[index]
    jobs = [list(zip(row[::2], row[1::2], strict=True)) for row in episode["jobs"]]
    env = ReferenceJobShop(jobs, episode["n_machines"], timing="wait_jssenv", reward="idle")
    masks = [int(word, 16) for word in episode["masks"].split()]
    for t, action in enumerate(episode["actions"]):
        assert sum(ok << a for a, ok in enumerate(env.mask())) == masks[t]
        reward, done, illegal = env.step(action)
        assert (round(reward * env.max_p), illegal) == (episode["rewards"][t], False)
        assert reward * env.max_p == pytest.approx(episode["rewards"][t], abs=1e-9)
        assert env.clock == episode["clocks"][t]
        assert done == (t == len(episode["actions"]) - 1)
    assert env.start == episode["start"]
    assert env.objectives()["makespan"] == episode["makespan"]
    assert masks[-1] == 0  # JSSEnv offers nothing at the end, where ours is all ones
    assert env.mask() == [1] * env.n_actions


def test_recorded_episodes_hold_many_no_ops() -> None:
    waits = sum(action == len(e["jobs"]) for e in RECORDED for action in e["actions"])
    assert waits > 100


@pytest.mark.parametrize("timing", TIMINGS)
def test_odd_instances_finish_feasible_with_the_promised_returns(timing: str) -> None:
    rng = random.Random(f"odd {timing}")
    for _ in range(30):
        case = odd_case(rng)
        n, m = len(case["jobs"]), case["n_machines"]
        for objective in OBJECTIVES:
            env = ReferenceJobShop(**case, timing=timing, objective=objective)
            first = env.objectives()[objective]
            total, actions = play(env, rng)
            assert conflicts(env) == []
            assert total == first - env.objectives()[objective]
            placed = [a for a in actions if a < n]
            assert sorted(placed) == sorted(j for j, job in enumerate(case["jobs"]) for _ in job)
            assert len(actions) == len(placed) or timing in WAITING
            terminal = ReferenceJobShop(**case, timing=timing, objective=objective, reward="terminal")
            rewards = [terminal.step(action)[0] for action in actions]
            assert rewards == [0.0] * (len(actions) - 1) + [-env.objectives()[objective]]
        idle = ReferenceJobShop(**case, timing=timing, reward="idle")
        total, _ = play(idle, rng)
        work = sum(p for job in case["jobs"] for _, p in job)
        makespan = idle.objectives()["makespan"]
        assert total == pytest.approx((2 * work - m * makespan) / max(1, idle.max_p))
        assert idle.clock == makespan
        loads = ReferenceJobShop(**case, timing=timing, reward="load_bound")
        first = loads.load_bound()
        total, _ = play(loads, rng)
        assert total == first - loads.objectives()["makespan"]


@pytest.mark.parametrize("timing", TIMINGS)
def test_bound_never_falls_and_clock_never_goes_back(timing: str) -> None:
    rng = random.Random(f"monotone {timing}")
    for _ in range(40):
        env = ReferenceJobShop(**odd_case(rng), timing=timing)
        done = False
        while not done:
            clock, before, tight = env.clock, env.objectives(), env.load_bound()
            assert tight >= before["makespan"]
            _, done, _ = env.step(rng.choice([a for a, ok in enumerate(env.mask()) if ok]))
            assert all(env.objectives()[name] >= value for name, value in before.items())
            assert env.clock >= clock
            assert env.load_bound() >= tight or timing == "insert"
        assert env.load_bound() == env.objectives()["makespan"]


def test_objectives_of_a_known_schedule() -> None:
    env = ReferenceJobShop([[(0, 3), (1, 2)], [(0, 2)]], 2, timing="append", release=[1, 0], due=[5, 4], weight=[2, 5])
    assert env.objectives() == {"makespan": 6, "flow_time": 7, "total_tardiness": 1, "weighted_tardiness": 2}
    assert env.step(0) == (0.0, False, False)  # job 1 now ends at 6, as job 0 does
    assert env.objectives() == {
        "makespan": 6,
        "flow_time": 11,
        "total_tardiness": 3,
        "weighted_tardiness": 12,
    }
    env.step(1)
    env.step(0)
    assert env.start == [[1, 4], [4]]
    assert env.objectives() == {
        "makespan": 6,
        "flow_time": 11,
        "total_tardiness": 3,
        "weighted_tardiness": 12,
    }


@pytest.mark.parametrize("timing", TIMINGS)
def test_illegal_actions_change_nothing(timing: str) -> None:
    rng = random.Random(3)
    env = ReferenceJobShop(**odd_case(rng), timing=timing, illegal_penalty=2.5)
    done, tried = False, 0
    while not done:
        mask = env.mask()
        seen = copy.deepcopy((env.start, env.clock, env.objectives(), mask))
        for action in (-1, env.n_actions, *(a for a, ok in enumerate(mask) if not ok)):
            assert env.step(action) == (-2.5, False, True)
            assert (env.start, env.clock, env.objectives(), env.mask()) == seen
            tried += 1
        _, done, _ = env.step(rng.choice([a for a, ok in enumerate(mask) if ok]))
    assert tried > 0
    for action in (0, -1, env.n_actions):
        assert env.step(action) == (0.0, True, False)


def test_options_are_checked() -> None:
    jobs = [[(0, 1)]]
    bad_options: list[dict[str, Any]] = [
        {"timing": "later"},
        {"reward": "idle", "objective": "flow_time"},
        {"reward": "load_bound", "objective": "flow_time"},
        {"objective": "total_tardiness"},
    ]
    for bad in bad_options:
        with pytest.raises(ValueError, match=next(iter(bad.values()))):
            ReferenceJobShop(jobs, 1, **bad)


def test_nondelay_leaves_no_machine_idle_while_an_operation_waits() -> None:
    rng = random.Random("nondelay")
    for _ in range(20):
        env = ReferenceJobShop(random_jobs(rng, 5, 4), 4, timing="nondelay", release=[rng.randint(0, 9)] * 5)
        play(env, rng)
        for j, (job, starts) in enumerate(zip(env.jobs, env.start, strict=True)):
            ready = env.release[j]
            for (k, p), s in zip(job, starts, strict=True):
                worked = sum(max(0, min(e, s) - max(b, ready)) for b, e in env._busy(k))
                assert worked == s - ready
                ready = s + p


@pytest.mark.parametrize("timing", ["nondelay", "active"])
def test_no_operation_of_an_active_schedule_can_move_left_alone(timing: str) -> None:
    rng = random.Random(f"left {timing}")
    for _ in range(20):
        env = ReferenceJobShop(random_jobs(rng, 5, 4), 4, timing=timing)
        play(env, rng)
        for job, starts in zip(env.jobs, env.start, strict=True):
            ready = 0
            for (k, p), s in zip(job, starts, strict=True):
                others = [interval for interval in env._busy(k) if interval != (s, s + p)]
                assert earliest_gap(others, ready, p) == s
                ready = s + p


def test_earliest_gap_is_the_first_free_start() -> None:
    rng = random.Random("gap")
    for _ in range(300):
        busy, time = [], 0
        for _ in range(rng.randint(0, 5)):
            time += rng.randint(0, 4)
            busy.append((time, time + rng.randint(0, 3)))
            time = busy[-1][1]
        ready, p = rng.randint(0, 15), rng.randint(0, 4)
        rng.shuffle(busy)

        def fits(s: int, p: int = p, busy: list[tuple[int, int]] = busy) -> bool:
            return all(s + p <= begin or s >= end for begin, end in busy)

        assert earliest_gap(busy, ready, p) == next(s for s in range(ready, 100) if fits(s))


def best_by_enumeration(root: ReferenceJobShop) -> dict[str, int]:
    """The least value of every objective over all plays of the discipline."""
    best: dict[str, int] = {}
    stack, seen = [root], set()
    while stack:
        env = stack.pop()
        if env.done:
            for name, value in env.objectives().items():
                best[name] = min(value, best.get(name, value))
            continue
        for action, legal in enumerate(env.mask()):
            if legal:
                child = copy.copy(env)
                child.start = [list(row) for row in env.start]
                _ = child._wait() if action == len(env.jobs) else child._place(action)
                key = (str(child.start), child.floor)
                if key not in seen:
                    seen.add(key)
                    stack.append(child)
    return best


def optima(case: dict[str, Any]) -> dict[str, int]:
    return {name: optimum(objective=name, **case)[0] for name in OBJECTIVES}


def test_enumeration_of_every_discipline_agrees_with_the_search() -> None:
    rng = random.Random("enumerate")
    case: dict[str, Any] = {
        "jobs": random_jobs(rng, 3, 3, 5),
        "n_machines": 3,
        "due": [7, 6, 9],
        "weight": [1, 3, 2],
    }
    best = {t: best_by_enumeration(ReferenceJobShop(**case, timing=t)) for t in (*DISPATCH, "wait")}
    assert best["active"] == best["append"] == best["insert"] == best["wait"] == optima(case)
    assert all(best["nondelay"][name] >= value for name, value in best["active"].items())


def test_search_finds_the_best_of_all_operation_orders() -> None:
    rng = random.Random("orders")
    tight = 0
    for _ in range(24):
        jobs = [job[: rng.randint(2, 3)] for job in random_jobs(rng, 3, 3, rng.choice((3, 30)))]
        due = [rng.randint(2, 20) for _ in jobs]
        case: dict[str, Any] = {
            "jobs": jobs,
            "n_machines": 3,
            "due": due,
            "release": [0, 0, rng.randint(0, 20)],
        }
        assert best_by_enumeration(ReferenceJobShop(**case, timing="append")) == optima(case)
        search = Search(jobs, 3, "makespan", case["release"], due, [1] * 3)
        bound = search.bound([0] * 3, case["release"], [0] * 3)
        assert bound <= optima(case)["makespan"]
        tight += bound == optima(case)["makespan"]
    assert tight > 0


@pytest.mark.long
def test_enumeration_of_every_discipline_agrees_with_the_search_on_many_cases() -> None:
    rng = random.Random("enumerate many")
    worse = 0
    for copies in range(12):
        case = odd_case(rng)
        if copies % 2:
            case["jobs"] = [job[:3] for job in case["jobs"][:3]]
            for name in ("release", "due", "weight"):
                case[name] = case[name][:3]
        else:
            due, weight = [rng.randint(5, 25) for _ in range(3)], [rng.randint(1, 3) for _ in range(3)]
            case = {
                "jobs": random_jobs(rng, 3, 3, 20),
                "n_machines": 3,
                "due": due,
                "weight": weight,
            }
        best = {t: best_by_enumeration(ReferenceJobShop(**case, timing=t)) for t in (*DISPATCH, "wait")}
        assert best["active"] == best["append"] == best["insert"] == best["wait"] == optima(case)
        assert all(best["nondelay"][name] >= value for name, value in best["active"].items())
        worse += best["nondelay"] != best["active"]
    assert worse > 0


def test_a_case_where_only_waiting_is_optimal() -> None:
    jobs = [[(0, 10)], [(1, 1), (0, 1), (1, 20)]]  # machine 0 should wait one tick for the urgent job
    best = {t: best_by_enumeration(ReferenceJobShop(jobs, 2, timing=t))["makespan"] for t in (*DISPATCH, "wait")}
    assert best == {"nondelay": 31, "active": 22, "append": 22, "insert": 22, "wait": 22}
    assert optimum(jobs, 2)[0] == 22


def test_search_returns_a_feasible_schedule_of_its_value() -> None:
    rng = random.Random("search")
    for objective in OBJECTIVES:
        due = [rng.randint(10, 30) for _ in range(4)]
        case: dict[str, Any] = {
            "jobs": random_jobs(rng, 4, 4),
            "n_machines": 4,
            "due": due,
            "weight": [1, 2, 3, 4],
        }
        value, start = optimum(objective=objective, **case)
        env = ReferenceJobShop(**case, timing="append", objective=objective)
        env.start = start
        assert conflicts(env) == []
        assert env.objectives()[objective] == value


def test_giffler_thompson_set_by_hand() -> None:
    # Jobs 0 and 1 need machine 0, where job 1 could end first, at 2; job 2, on machine 1, ends no earlier.
    env = ReferenceJobShop([[(0, 5)], [(0, 2)], [(1, 2)]], 2, timing="active")
    assert env.mask() == [1, 1, 0]
    # A zero-duration operation ends before any start on its machine: it alone is offered.
    env = ReferenceJobShop([[(0, 5)], [(0, 0)]], 1, timing="active")
    assert env.mask() == [0, 1]


def test_wait_jumps_to_the_next_distinct_start() -> None:
    env = ReferenceJobShop([[(0, 4), (1, 1)], [(1, 2), (0, 3)], [(0, 1)]], 2, timing="wait", release=[0, 2, 5])
    assert (env.mask(), env.clock) == ([1, 0, 0, 1], 0)
    env.step(3)
    assert (env.mask(), env.clock) == ([1, 1, 0, 1], 2)
    env.step(3)
    assert (env.mask(), env.clock) == ([1, 1, 1, 0], 5)
    env.step(0)
    assert env.start[0][0] == 5


def test_jssenv_rules_with_zero_duration_and_release() -> None:
    # The zero-duration operation is running until the clock moves to the event at the current time.
    env = ReferenceJobShop([[(0, 0), (1, 2)], [(1, 3)]], 2, timing="wait_jssenv")
    assert env.mask() == [1, 1, 0]
    env.step(0)
    assert (env.mask()[:2], env.clock) == ([0, 1], 0)
    env.step(1)
    assert (env.mask()[:2], env.clock) == ([1, 0], 3)
    # Nothing is released before 4: the reset itself moves the clock there.
    env = ReferenceJobShop([[(0, 1)], [(0, 2)]], 1, timing="wait_jssenv", release=[6, 4])
    assert (env.mask(), env.clock) == ([0, 1, 0], 4)
