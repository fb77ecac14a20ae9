"""The slow simulators themselves: cases with known answers, and the rules of the validator, written apart from them."""

import copy
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from families_vm import cluster, pods
from ganttlet.vm_rescheduling.instance import Cluster
from ganttlet.vm_rescheduling.solution import Plan, validate
from reference.pod_packing import EVICT, ReferencePods
from reference.vm_rescheduling import STOP, ReferenceRescheduling
from reference.vm_strategies import clusters, pod_problems

# Host 0 has 6 + 16 cores free, host 1 has 10 + 0, host 2 has 16 + 16: 6 + 10 of 64 are fragments.
PAIR = Cluster.from_dict(
    cluster(
        [((16, 16), (9, 9)), ((16, 16), (9, 9)), ((16, 16), (9, 9))],
        [(10, 1, 0, 0), (6, 2, 1, 0), (16, 9, 1, 1)],
        limit=2,
        goal=0.1,
    )
)


def start(instance=PAIR, **options):
    return ReferenceRescheduling(instance, **options)


def hosts(play):
    """Legal (host, flip) pairs of the chosen VM."""
    return [decision[1:] for decision in play.legal()]


def test_fragments_by_hand():
    play = start()
    assert play.free() == [[(6, 8), (16, 9)], [(10, 7), (0, 0)], [(16, 9), (16, 9)]]
    assert play.objectives() == {"fr16": 0.25, "n16": 3.0, "mixed": pytest.approx(0.625), "moves": 0.0, "goal": 3.15}
    # VM 1 takes the six cores beside VM 0: both fragments vanish, 16 of 16 cores.
    assert play.step(("vm", 1)) == (0.0, False, False)
    assert play.step(("pm", 0, 0)) == (0.25, False, False)
    assert (play.plan, play.objectives()["n16"], play.objectives()["goal"]) == ([(1, 0, 0)], 4.0, 1.0)
    assert play.step(STOP) == (0.0, True, False)
    assert play.step(STOP) == (0.0, True, False)


def test_rewards_by_hand():
    moves = [("vm", 1), ("pm", 0, 0), ("vm", 2), ("pm", 2, 1)]
    expected = {
        "dense": [0.0, 0.25, 0.0, 0.0],
        "terminal": [0.0, 0.0, 0.0, 0.25],
        "vmr2l": [0.0, 0.125, 0.0, 0.0],  # one block of 16 cores
    }
    for reward, paid in expected.items():
        play = start(reward=reward)
        assert [play.step(move)[0] for move in moves] == paid
        assert play.done
    play = start(objective="goal")
    assert [play.step(move)[:2] for move in moves[:2]] == [(0.0, False), (pytest.approx(3.15 - 1.0), True)]


def test_cut_by_hand():
    """The plan ends where it was best, whatever must be done after."""
    for reward, paid in (("dense", [0.0, 0.25, 0.0, 0.0]), ("terminal", [0.0, 0.0, 0.0, 0.25])):
        play = start(ending="cut", reward=reward)
        assert STOP not in play.legal()
        assert [play.step(move)[0] for move in (("vm", 1), ("pm", 0, 0), ("vm", 1), ("pm", 2, 0))] == paid
        assert play.done
        assert play.now()["fr16"] == 0.25
        assert (play.kept, play.objectives()["fr16"], play.objectives()["moves"]) == ([(1, 0, 0)], 0.0, 1.0)
    full = cluster([((4, 4), (4, 4))], [(4, 1, 0, 0), (4, 1, 0, 1)])
    assert start(Cluster.from_dict(full), ending="cut").legal() == [STOP]


def test_flip_bits_by_hand():
    play = start()
    play.step(("vm", 1))
    # On its own host NUMA node 1 is full; on host 0 both nodes have room, on host 2 too.
    assert hosts(play) == [(0, 0), (0, 1), (2, 0), (2, 1)]
    assert [play.target(1, *pair) for pair in hosts(play)] == [0, 1, 0, 1]
    play = start()
    play.step(("vm", 0))
    # Its own host's other node has room. Host 1 has ten cores on node 0, so that the bit makes no difference there.
    assert hosts(play) == [(0, 1), (1, 0), (2, 0), (2, 1)]
    assert [play.target(0, 1, flip) for flip in (0, 1)] == [0, 0]
    play = start()
    play.step(("vm", 2))
    # From node 1, host 0 has room on node 1 alone.
    assert hosts(play) == [(0, 0), (2, 0), (2, 1)]
    assert [play.target(2, *pair) for pair in hosts(play)] == [1, 1, 0]


def test_split_vms_and_groups_by_hand():
    instance = Cluster.from_dict(
        cluster(
            [((8, 8), (4, 4)), ((8, 8), (4, 4)), ((8, 3), (4, 4)), ((8, 8), (4, 1))],
            [(8, 4, 0, 2), (2, 0, 1, 0), (2, 1, 2, 1)],
            groups=[(0, 1), (0, 2), (3, 0), (3, 2)],
            limit=3,
        )
    )
    play = start(instance)
    play.step(("vm", 0))
    # Host 2 lacks cores on node 1 and holds a rival, host 3 lacks memory on node 1.
    assert hosts(play) == [(1, 0)]
    assert play.step(("pm", 1, 1)) == (-1.0, False, True)
    play.step(("pm", 1, 0))
    assert play.at[0] == (1, 2)
    play.step(("vm", 2))
    # Rivals are on host 1 only, both of them; its own host leaves the other node.
    assert hosts(play) == [(0, 0), (0, 1), (2, 1), (3, 0), (3, 1)]


def test_penalties_by_hand():
    play = start(masking="penalty", infeasible_penalty=2.5)
    assert play.legal() == [("vm", 0), ("vm", 1), ("vm", 2), STOP]
    play.step(("vm", 2))
    assert len(hosts(play)) == 6
    assert play.step(("pm", 1, 0)) == (0.0, False, False)  # where it lies
    assert (play.plan, play.used) == ([], 1)
    play.step(("vm", 0))
    assert play.step(("pm", 0, 1)) == (pytest.approx(0.0), True, False)
    assert (play.plan, play.used) == ([(0, 0, 1)], 2)
    play = start(masking="penalty", infeasible_penalty=2.5)
    play.step(("vm", 2))
    assert play.step(("pm", 1, 1)) == (-2.5, False, False)  # node 0 of its own host lacks room
    assert play.step(("pm", 0, 0)) == (-1.0, False, True)
    assert (play.plan, play.used, play.at[2]) == ([], 1, (1, 1))


def test_merging_by_hand():
    vms = [(2, 1, 0, 0), (2, 1, 0, 0), (2, 1, 0, 1), (2, 1, 0, 0), (2, 2, 0, 0), (2, 1, 0, 0)]
    instance = Cluster.from_dict(cluster([((16, 16), (9, 9))] * 2, vms, groups=[(0, 3)], limit=2))
    play = start(instance, merge=True)
    assert [vm for vm in play.vms if play.shown(vm)] == [0, 2, 3, 4]
    assert play.twins(5) == [0, 1, 5]
    play.step(("vm", 0))
    play.step(("pm", 0, 1))
    assert [play.twins(vm) for vm in (0, 1)] == [[0, 2], [1, 5]]
    assert [vm for vm in play.vms if play.shown(vm)] == [0, 1, 3, 4]


def test_potential_by_hand():
    """Of a free node with 6 of 16 cores in fragments: 6/16 by φ, 6/16 - 0.6 (6/16)³ by ψ."""
    play = start()
    assert float(play.potential(6, False)) == 0.375
    assert float(play.potential(6, True)) == pytest.approx(0.375 - 0.6 * 0.375**3)
    assert float(play.change({(0, 0): 10}, False)) == 0.375
    assert float(play.change({(0, 0): -6, (1, 0): 6}, False)) == 1.0
    assert play.ways_in(1) == [(0, 0), (0, 1), (2, 0), (2, 1)]


def played(play, seed):
    """Play random legal decisions to the end; return the rewards."""
    rng, rewards = random.Random(seed), []
    while not play.done:
        reward, _, illegal = play.step(rng.choice(play.legal()))
        assert not illegal
        rewards.append(reward)
    return rewards


@settings(max_examples=60, deadline=None, derandomize=True)
@given(instance=clusters(least_limit=1), seed=st.integers(0, 9))
def test_legal_moves_are_the_validators(instance, seed):
    """Exact masks offer every place that the validator accepts, once, and no other."""
    play = start(instance)
    rng = random.Random(seed)
    usage = instance.usage()
    while not play.done:
        if play.chosen is None:
            offered = set()
            for _, vm in play.legal()[:-1]:
                ahead = copy.copy(play)
                ahead.step(("vm", vm))
                places = [(vm, host, play.target(vm, host, flip)) for host, flip in hosts(ahead)]
                assert len(places) == len(set(places)) > 0
                offered |= set(places)
            numas = range(3)
            every = {(vm, host, numa) for vm in play.vms for host in play.hosts for numa in numas}
            assert offered == {move for move in every if usage.complaint(*move) is None}
        before = len(play.plan)
        play.step(rng.choice(play.legal()))
        if len(play.plan) > before:
            usage.move(*play.plan[-1])
            assert usage.cpu.ravel().tolist() == play.free_cores()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(instance=clusters(least_limit=1), seed=st.integers(0, 9), objective=st.sampled_from(["fr16", "mixed", "goal"]))
def test_plans_validate_and_returns_add_up(instance, seed, objective):
    play = start(instance, objective=objective)
    first = play.objectives()
    rewards = played(play, seed)
    verdict = validate(instance, Plan(play.plan, instance.digest))
    assert verdict.values == play.objectives()
    assert sum(rewards) == pytest.approx(first[objective] - play.objectives()[objective])


def test_pods_by_hand():
    """Pod 2 fits once pod 0 has moved (two points) and pod 1 is evicted (one); pending pods weigh (n + 1)^tier."""
    instance = Cluster.from_dict(
        pods([(10, 10), (8, 8)], [(4, 4, 0, 3), (5, 5, 0, 0), (10, 10, -1, 9), (4, 4, 1, 0)], limit=3)
    )
    play = ReferencePods(instance)
    assert play.objectives() == {"unplaced": 25.0, "pending": 1.0, "disruption": 0.0, "moves": 0.0}
    assert play.legal() == [("pod", 0), ("pod", 1), ("pod", 3), STOP]
    play.step(("pod", 0))
    assert play.legal() == [("node", 1), EVICT]
    assert play.step(("node", 1)) == (pytest.approx(-2 / 9), False, False)
    play.step(("pod", 1))
    assert play.legal() == [EVICT]
    assert play.step(EVICT) == (pytest.approx(-1 - 1 / 9), False, False)
    assert play.legal() == [("pod", 0), ("pod", 1), ("pod", 2), ("pod", 3), STOP]
    play.step(("pod", 2))
    assert play.step(("node", 0)) == (pytest.approx(25.0), True, False)
    assert play.objectives() == {"unplaced": 1 + 3 / 9, "pending": 1.0, "disruption": 3.0, "moves": 3.0}
    assert play.plan == [(0, 1, 0), (1, -1, -1), (2, 0, 0)]


def test_free_placements_by_hand():
    """After the last counted move pending pods may still be placed, and nothing else."""
    instance = Cluster.from_dict(
        pods([(4, 4)], [(2, 2, 0, 0), (3, 3, -1, 1), (1, 1, -1, 0)], limit=1, count_placements=False)
    )
    play = ReferencePods(instance)
    for decision in (("pod", 2), ("node", 0), ("pod", 0), EVICT):
        assert not play.step(decision)[1]
    assert play.spent
    assert play.legal() == [("pod", 0), ("pod", 1), STOP]
    play.step(("pod", 1))
    assert play.legal() == [("node", 0)]
    play.step(("node", 0))
    assert play.legal() == [STOP]
    assert play.step(STOP)[1]
    assert play.objectives()["moves"] == 1.0
    assert play.counted == 1 < len(play.plan)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(instance=pod_problems(), seed=st.integers(0, 9), reward=st.sampled_from(["dense", "terminal"]))
def test_pod_plans_validate_and_returns_add_up(instance, seed, reward):
    play = ReferencePods(instance, reward=reward)
    first = play.value()
    rewards = played(play, seed)
    verdict = validate(instance, Plan(play.plan, instance.digest))
    assert verdict.values == play.objectives()
    assert sum(rewards) == pytest.approx(first - play.value(), abs=1e-9)
