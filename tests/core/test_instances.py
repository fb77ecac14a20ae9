"""Instances given at reset, pools of fixed ones, and the solutions of episodes under way and of replaced ones."""

import numpy as np
import pytest

from ganttlet.core.errors import InputError
from ganttlet.core.family import get_family
from reference.play import FAMILIES, INDEXED, MODES, VARIANTS, assert_same, batch, legal_actions, row_of, single

both = pytest.mark.parametrize(("case", "name"), VARIANTS)


@both
def test_given_instances(case, name):
    given = [case.resolve(spec) for spec in case.instances]
    env = batch(case, name, 3)
    env.reset(seed=1)
    env.reset(options={"instance": given[0]})
    assert [env.instance(row) for row in range(3)] == [given[0]] * 3
    observation, info = env.reset(options={"instance": [given[1], case.instances[0], given[-1]]})
    assert [env.instance(row) for row in range(3)] == [given[1], given[0], given[-1]]
    one = single(case, name).unwrapped
    start = one.reset(options={"instance": case.instances[1]})
    assert one.instance == given[1]
    assert_same(start, (row_of(observation, 0), row_of(info, 0)))
    mask = np.array([False, True, True])
    env.reset(options={"instance": [given[1], given[0]], "reset_mask": mask})
    assert [env.instance(row) for row in range(3)] == [given[1], given[1], given[0]]


@both
def test_after_a_given_instance_the_row_goes_on_to_its_next_episode(case, name):
    env, twin = batch(case, name, 2), batch(case, name, 2)
    env.reset(seed=5)
    twin.reset(seed=5)
    env.reset(options={"instance": case.instances[0]})
    twin.reset()
    assert_same(env.reset(), twin.reset())
    assert [env.instance(row) for row in range(2)] == [twin.instance(row) for row in range(2)]


@both
def test_the_instance_in_a_space_is_what_the_oracle_played(case, name):
    """What storage gives back, however it got there, is a sound instance of the same content."""
    env = batch(case, name, 4)
    env.reset(seed=2)
    for row in range(4):
        instance = env.instance(row)
        assert type(instance).from_dict(instance.to_dict()) == instance
        again = batch(case, name, 1)
        observation, info = again.reset(options={"instance": instance})
        first = batch(case, name, 4).reset(seed=2)
        ours, theirs = row_of(observation, 0), row_of(first[0], row)
        for key in ours.keys() - {"instance_id"}:
            assert_same(ours[key], theirs[key])
        assert_same(row_of(info, 0), row_of(first[1], row))


@both
def test_solution_in_mid_episode_is_partial(case, name):
    rng = np.random.default_rng(0)
    env = single(case, name).unwrapped
    env.reset(options={"instance": case.instances[0]})
    validate = get_family(case.family).validate
    empty = one = env.solution()
    while one == empty:
        assert not env.batch.done[0]
        env.step(int(env.action_masks().argmax()))
        one = env.solution()
    assert validate(env.instance, one).feasible == case.partial
    frozen = one.to_dict()
    while not env.batch.done[0]:
        env.step(int(legal_actions(env.action_masks()[None], rng)[0]))
    assert one.to_dict() == frozen
    assert validate(env.instance, env.solution()).feasible


@both
@pytest.mark.parametrize("mode", MODES)
def test_last_solution_outlives_the_reset(case, name, mode):
    """It validates, and is worth what the final info said; a reset in mid-episode leaves none."""
    rng = np.random.default_rng(3)
    env = batch(case, name, 3, mode)
    validate = get_family(case.family).validate
    env.reset(seed=8)
    for row in range(3):
        with pytest.raises(InputError, match=rf"last_solution\({row}\)"):
            env.last_solution(row)
    finished = 0
    final = [None] * 3
    for _ in range(50):
        over = env.done.copy()
        if mode == "Disabled" and over.any():
            env.reset(options={"reset_mask": over})
            result = None
        else:
            result = env.step(legal_actions(env.action_masks(), rng))
        for row in range(3):
            if (result and mode == "SameStep" and result[2][row]) or (mode != "SameStep" and over[row]):
                if mode == "SameStep":
                    final[row] = row_of(result[4]["final_info"], row)["objectives"]
                verdict = validate(env.last_instance(row), env.last_solution(row))
                assert verdict.feasible
                assert final[row] == {key: verdict.values[key] for key in final[row]}
                finished += 1
            if result and mode != "SameStep" and result[2][row]:
                final[row] = row_of(result[4], row)["objectives"]
                assert env.solution(row) == env.solution(row)
    assert finished > 6
    kept = env.last_solution(0)
    frozen = kept.to_dict()
    env.reset(options={"instance": case.instances[0]})
    env.step(env.action_masks().argmax(axis=1))
    assert kept.to_dict() == frozen
    env.reset()
    for row in range(3):
        with pytest.raises(InputError, match=rf"last_solution\({row}\)"):
            env.last_solution(row)


@both
def test_last_instance_is_the_one_that_was_played(case, name):
    rng = np.random.default_rng(4)
    env = batch(case, name, 1)
    env.reset(seed=0)
    specs = [None, case.instances[0], None, case.instances[1], case.instances[0], None, None]
    for spec in specs:
        played = env.instance(0)
        while not env.done[0]:
            env.step(legal_actions(env.action_masks(), rng))
        solution = env.solution(0)
        env.reset(options={"instance": spec})
        assert env.last_instance(0) == played
        assert env.last_solution(0) == solution


@pytest.mark.parametrize("case", INDEXED)
def test_static_blocks_by_number(case):
    """static='index' leaves the static blocks out; env.static(ids) gives them back, equal to those observed."""
    options = dict(case.variants[case.indexed])
    del options["static"]
    indexed, shown = batch(case, case.indexed, 3), batch(case, case.indexed, 3, static="observe")
    for reset in ({"seed": 4}, {}, {"options": {"instance": list(case.instances[:3])}}, {"seed": [9, 9, 1]}):
        a, b = indexed.reset(**reset)[0], shown.reset(**reset)[0]
        static = set(b) - set(a)
        assert set(a) - set(b) == {"instance_id"}
        assert static
        blocks = indexed.static(a["instance_id"])
        assert_same(blocks, {key: b[key] for key in static})
        assert_same({key: a[key] for key in set(a) & set(b)}, {key: b[key] for key in set(a) & set(b)})
        reverse = indexed.static(a["instance_id"][::-1, 0])
        assert_same(reverse, {key: value[::-1].copy() for key, value in blocks.items()})
    assert a["instance_id"][0] == a["instance_id"][1] != a["instance_id"][2]
    old = a["instance_id"]
    for _ in range(2):
        indexed.reset()
    with pytest.raises(InputError, match=rf"instance number {old[0, 0]} .*no longer"):
        indexed.static(old)
    one = single(case, case.indexed).unwrapped
    observation, _ = one.reset(seed=4)
    same, _ = indexed.reset(seed=4)
    assert observation["instance_id"] == same["instance_id"][0]
    assert_same(one.static(observation["instance_id"]), indexed.static(same["instance_id"][:1]))


@pytest.mark.parametrize("case", INDEXED)
def test_numbers_travel_with_copies_and_snapshots(case):
    """The blocks of a copied or restored row are found after the row it came from has moved on."""
    env, other = batch(case, case.indexed, 2), batch(case, case.indexed, 2)
    for reset in ({"seed": 4}, {"options": {"instance": [case.instances[0], case.instances[1]]}}):
        other.reset(seed=77)
        first = env.reset(**reset)[0]["instance_id"][:1]
        blocks = env.static(first)
        saved = env.snapshot([0])
        env.copy_rows([0], [1])
        for target in (env, other):
            if target is other:
                other.restore(saved, [1])
            for _ in range(2):
                target.reset(options={"reset_mask": np.array([True, False])})
            assert target.live_observation["instance_id"][1] == first[0]
            assert_same(target.static(first), blocks)


@pytest.mark.parametrize("case", FAMILIES)
def test_static_needs_static_blocks(case):
    plain = [name for name in case.variants if not any(b.static for b in batch(case, name, 1).graph.blocks())]
    for name in plain:
        with pytest.raises(InputError, match="static='index'"):
            batch(case, name, 1, static="index")
        env = batch(case, name, 1)
        env.reset(seed=0)
        with pytest.raises(InputError, match="no static blocks"):
            env.static([0])
