"""The slow simulator itself: games worked out by hand, its placement against brute force, the validator's verdict.

By hand, a byte takes a second of slow memory and a quarter of fast memory, and a flop takes a second.
"""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import families_memory
from families_memory import program
from ganttlet.memory_mapping.instance import Program
from ganttlet.memory_mapping.solution import Mapping, validate
from reference import memory_strategies as drawn
from reference.memory_machine import Machine
from reference.memory_mapping import COPY, DROP, NO_COPY, Rectangle, ReferenceMapping

S = 1e6  # µs
AGAIN = Program.from_dict(families_memory.AGAIN)

# All slow, i0 moves 8 + 8 bytes in 16 s and computes 10 s; i1 moves 8 + 8 + 4 in 20 s and computes 20 s.
PAIR = program(
    {"x": ("input", 8), "w": ("param", 8), "a": ("temp", 8), "y": ("output", 4)},
    [(10, "x", "a"), (20, "a w", "y")],
)


def start(instance, *actions, **options):
    """Return a game after ``actions``, each of which must be legal."""
    play = ReferenceMapping(instance, **options)
    for action in actions:
        assert action in play.legal()
        play.step(action)
    return play


def rectangles(play):
    return [(one.buffer, one.start, one.end, one.offset) for one in play.rectangles]


def transfers(play):
    """(buffer, out, release, deadline, moves in seconds) of every transfer."""
    return [
        (one.buffer, one.out, one.release, one.deadline, [(time, us / S) for time, us in one.moves])
        for one in play.transfers
    ]


def test_a_game_by_hand():
    play = start(PAIR)
    assert (play.all_slow(), play.latency()) == (36 * S, 36 * S)
    # x could only be copied in a stall of 8 s before i0, which would then take max(10, 8 + 8/4) instead of 16.
    assert play.legal() == [DROP, COPY]
    assert start(PAIR).step(COPY) == (pytest.approx((16 - 10 - 8) / 36), False, False)
    assert play.step(DROP) == (0.0, False, False)
    # a fits: i0 then takes max(10, 8 + 8/4) = 10 s, of which slow memory works 8.
    assert play.legal() == [DROP, NO_COPY]
    assert play.step(NO_COPY) == (pytest.approx(6 / 36), False, False)
    assert play.left_at(0) == 2 * S
    # Its last use: nothing is left to be made clean for. i1 computes 20 s and moves 8/4 + 12.
    assert play.legal() == [NO_COPY]
    assert play.step(NO_COPY) == (0.0, False, False)
    # w needs 8 s and finds 2 of them in i0; i1 waits 6.
    assert play.legal() == [DROP, COPY]
    assert play.step(COPY) == (pytest.approx(-6 / 36), False, False)
    assert play.legal() == [DROP]
    assert play.step(DROP) == (0.0, True, False)
    assert play.step(DROP) == (0.0, True, False)
    assert (play.legal(), play.mask()) == ([], [1, 1, 1])
    assert rectangles(play) == [(2, 0, 1, 0), (1, 0, 1, 8)]
    assert transfers(play) == [(1, False, 0, 1, [(0, 2.0), (1, 6.0)])]
    assert play.objectives() == {
        "latency": (10 + 20 + 6) * S,
        "speedup": 1.0,
        "stalls": 6 * S,
        "copied": 8.0,
        "peak": 16.0,
        "slow_bytes": 8.0 + 4.0 + 8.0,
    }
    assert play.fields() == {
        "fast": [0, 1, 1, 1, 0],
        "rect_buffer": [2, 1],
        "rect_start": [0, 0],
        "rect_end": [1, 1],
        "rect_offset": [0, 8],
        "copy_buffer": [1],
        "copy_out": [0],
        "copy_release": [0],
        "copy_deadline": [1],
        "move_copy": [0, 0],
        "move_time": [0, 1],
        "move_us": [2 * S, 6 * S],
        "stall": [0.0, 6 * S],
    }


def test_under_way_what_is_undecided_is_slow():
    play = start(PAIR, DROP, NO_COPY)
    assert play.fields()["fast"] == [0, 1, -1, -1, -1]
    assert play.fields()["rect_end"] == [1]  # reserved
    assert play.objectives() == {
        "latency": 30 * S,
        "speedup": 1.2,
        "stalls": 0.0,
        "copied": 0.0,
        "peak": 8.0,
        "slow_bytes": 8.0 + 8.0 + 8.0 + 4.0,
    }


def test_rewards_by_hand():
    played = [DROP, NO_COPY, NO_COPY, DROP, DROP]
    for reward, paid in (("saved", [0, 6, 0, 0, 0]), ("terminal", [0, 0, 0, 0, 6])):
        play = start(PAIR, reward=reward)
        assert [play.step(action)[0] for action in played] == [pytest.approx(one / 36) for one in paid]


def test_an_illegal_action_changes_nothing():
    play = start(PAIR, illegal_penalty=2.5)
    before = play.fields()
    for action in (-1, NO_COPY, 3):
        assert play.step(action) == (-2.5, False, True)
    assert (play.fields(), play.k) == (before, 0)


def test_skipping_forced_slots():
    """The read of a and the write of y; the first slot is shown, even if only Drop is legal."""
    play = start(PAIR, skip_forced=True, stall=False)
    assert play.legal() == [DROP]
    assert play.step(DROP)[0] == 0.0
    assert play.step(NO_COPY)[0] == pytest.approx(6 / 36)
    assert play.fields()["fast"] == [0, 1, 1, 0, 0]  # w is forced too: 2 s are no 8
    assert play.done


def test_results_by_hand():
    """Outputs and temps that nobody reads go to slow memory; others may stay if they fit until their last use."""
    one = program(
        {"a": ("temp", 4), "b": ("temp", 4), "c": ("temp", 4), "y": ("output", 4)},
        [(1, "", "a"), (1, "a", "b"), (1, "b", "c"), (1, "a", "y"), (0, "y", "")],
        capacity=4,
    )
    # a is kept until i3, through i1 and i2, where nobody reads it: there is no room for b.
    play = start(one, NO_COPY, NO_COPY)
    assert (rectangles(play), play.legal()) == ([(0, 0, 3, 0)], [DROP])
    # b needs 4 s and was made by i1: its copy finds no second and no room. c is read by nobody.
    play.step(DROP)
    assert play.legal() == [DROP]
    play.step(DROP)
    assert play.legal() == [DROP]
    play.step(DROP)
    assert play.legal() == [NO_COPY]
    play.step(NO_COPY)
    # y is an output, so it may not stay; read later, it is copied in a stall of 4 s, i3 being busy with writing it.
    assert play.legal() == [DROP]
    play.step(DROP)
    assert play.legal() == [DROP, COPY]
    play.step(COPY)
    assert transfers(play) == [(3, False, 4, 4, [(4, 4.0)])]
    assert rectangles(play) == [(0, 0, 3, 0), (3, 4, 4, 0)]
    # Given room, b stays too.
    assert start(replace(one, capacity=8), NO_COPY, NO_COPY).legal() == [DROP, NO_COPY]


# Nothing but arithmetic before the read: slow memory is idle for 5, 3 and 4 s.
IDLE = program({"w": ("param", 8), "y": ("output", 1)}, [(5, "", ""), (3, "", ""), (4, "", ""), (0, "w", "y")])


@pytest.mark.parametrize(
    ("window", "release", "moves", "left"),
    [
        # 8 s: all of i2, all of i1, and the last 1 of i0's 5.
        (128, 0, [(2, 4.0), (1, 3.0), (0, 1.0)], [4, 0, 0]),
        (3, 0, [(2, 4.0), (1, 3.0), (0, 1.0)], [4, 0, 0]),
        (2, 1, [(2, 4.0), (1, 3.0), (3, 1.0)], [5, 0, 0]),
        (1, 2, [(2, 4.0), (3, 4.0)], [5, 3, 0]),
    ],
)
def test_copy_windows_by_hand(window, release, moves, left):
    play = start(IDLE, COPY, window=window)
    assert transfers(play) == [(0, False, release, 3, moves)]
    assert rectangles(play) == [(0, release, 3, 0)]
    assert [play.left_at(time) / S for time in range(3)] == left
    stall = sum(seconds for time, seconds in moves if time == 3)
    assert play.fields()["stall"] == [0, 0, 0, stall * S]
    # i3 takes 8 + 1 s all slow, 2 + 1 with w in fast memory.
    assert play.latency() == (5 + 3 + 4 + 3 + stall) * S
    assert (COPY in start(IDLE, window=window, stall=False).legal()) == (stall == 0)


def test_a_copy_begins_where_it_first_gets_something():
    """i0 and i1 leave slow memory no time, i2 leaves 3 s of the 8 that w needs; before that w takes no room."""
    one = program(
        {"v": ("param", 8), "w": ("param", 8), "y": ("output", 1)},
        [(0, "v", ""), (0, "v", ""), (3, "", ""), (0, "w", "y")],
    )
    play = start(one, DROP, DROP, COPY)
    assert transfers(play) == [(1, False, 2, 3, [(2, 3.0), (3, 5.0)])]
    assert rectangles(play) == [(1, 2, 3, 0)]


def test_copies_share_supply_by_hand():
    """Both reads of i2 look back on i0 and i1, which leave 4 and 6 s; the second finds what the first left."""
    one = program(
        {"v": ("param", 7), "w": ("param", 5), "y": ("output", 1)},
        [(4, "", ""), (6, "", ""), (0, "v w", "y")],
    )
    play = start(one, COPY, COPY)
    assert transfers(play) == [
        (0, False, 0, 2, [(1, 6.0), (0, 1.0)]),
        (1, False, 0, 2, [(0, 3.0), (2, 2.0)]),
    ]
    # Aligned to 4 bytes, 7 take 8 and 5 take 8: side by side.
    assert rectangles(play) == [(0, 0, 2, 0), (1, 0, 2, 8)]
    # 12 s all slow and y 1; in fast memory 3 s and y 1, after a stall of 2.
    assert play.latency() == (4 + 6 + 4 + 2) * S


def test_instructions_leave_what_their_slow_slots_do_not_take():
    """i0 computes 3 s and moves 2 slow bytes and 8 fast ones: 2 + 8/4 = 4 s, half of them idle for slow memory."""
    one = program(
        {"v": ("param", 2), "a": ("temp", 8), "w": ("param", 8), "y": ("output", 1)},
        [(3, "v", "a"), (1, "a w:4", "y")],
    )
    play = start(one, DROP, NO_COPY, NO_COPY)
    assert play.left_at(0) == 2 * S
    # A slice: 4 of w's 8 bytes are read, all 8 are copied. i1 takes 2 + 4 + 1 s, then 2 + 1 + 1 and a stall of 6.
    assert play.length_at(1) == 7 * S
    assert play.step(COPY)[0] == pytest.approx((7 - 4 - 6) / play.all_slow() * S)
    assert transfers(play) == [(2, False, 0, 1, [(0, 2.0), (1, 6.0)])]


def test_a_result_in_slow_memory_can_be_copied_only_after_it_was_written():
    """a is written by i1; i0's and i1's idle time is of no use to it."""
    one = program(
        {"a": ("temp", 4), "y": ("output", 1), "z": ("output", 1)},
        [(9, "", ""), (9, "", "a"), (7, "a", "y"), (0, "a", "z")],
    )
    play = start(one, DROP)
    assert play.left_at(1) == 5 * S
    assert start(one, DROP, stall=False).legal() == [DROP]
    assert play.legal() == [DROP, COPY]
    play.step(COPY)
    assert transfers(play) == [(0, False, 2, 2, [(2, 4.0)])]
    # At i3 there is i2, which computes 7 s and moves 4 + 1.
    play = start(one, DROP, DROP, DROP, COPY)
    assert transfers(play) == [(0, False, 2, 3, [(2, 2.0), (3, 2.0)])]


def test_write_back_by_hand():
    play = start(AGAIN, NO_COPY)
    assert (rectangles(play), play.legal()) == ([(0, 0, 5, 0)], [DROP, NO_COPY])
    play.step(DROP)
    # i0 itself, which makes a, is no time to write it back: 2 s of i2, 2 of i1. The slot is read from fast memory.
    assert transfers(play) == [(0, True, 1, 3, [(2, 2.0), (1, 2.0)])]
    assert (rectangles(play), play.fields()["fast"]) == ([(0, 0, 3, 0)], [1, 1, -1, -1, -1, -1])
    assert play.held_from == {0: 3}
    play.step(DROP)
    # Now it is clean: kept on, or fetched again. i3 reads 4 fast bytes and writes 1: 2 s, 1 of them idle.
    assert play.legal() == [DROP, NO_COPY, COPY]
    play.step(NO_COPY)
    assert rectangles(play) == [(0, 0, 4, 0)]
    play.step(COPY)
    assert transfers(play)[1] == (0, False, 4, 5, [(4, 4.0)])
    # Its own place is taken at i4 as any other's would be.
    assert rectangles(play) == [(0, 0, 4, 0), (0, 4, 5, 4)]
    assert play.objectives()["copied"] == 8.0


def test_a_write_back_waits_for_nothing():
    assert start(AGAIN, NO_COPY, window=2).legal() == [DROP, NO_COPY]
    # The window, or too little idle time, and at last no later use.
    assert start(AGAIN, NO_COPY, window=1).legal() == [NO_COPY]
    assert start(AGAIN, NO_COPY, NO_COPY, DROP, NO_COPY).legal() == [NO_COPY]
    short = program({"a": ("temp", 6)}, [(9, "", "a"), (3, "", ""), (2, "", ""), (0, "a", ""), (0, "a", "")])
    assert start(short, NO_COPY).legal() == [NO_COPY]
    assert start(short, NO_COPY, NO_COPY).legal() == [NO_COPY]


def test_keeping_on_by_hand():
    """w lies from i0 on; v may take its place once its use is over, and then w can only be fetched anew."""
    one = program(
        {"w": ("param", 4), "v": ("param", 4), "y": ("output", 1)},
        [(4, "", ""), (4, "w", ""), (4, "", ""), (0, "v", ""), (4, "", ""), (0, "w", "y")],
        capacity=4,
    )
    play = start(one, COPY)
    assert rectangles(play) == [(0, 0, 1, 0)]
    # v gets its 4 s from i2, when w is no longer needed.
    assert play.legal() == [DROP, COPY]
    assert start(one, COPY, DROP).legal() == [DROP, NO_COPY, COPY]
    play.step(COPY)
    assert rectangles(play) == [(0, 0, 1, 0), (1, 2, 3, 0)]
    assert play.legal() == [DROP, COPY]
    play.step(COPY)
    assert rectangles(play)[2] == (0, 4, 5, 0)
    # Without v, w lies there until its next use.
    play = start(one, COPY, DROP, NO_COPY)
    assert rectangles(play) == [(0, 0, 5, 0)]
    # What was fetched one instruction ago cannot be fetched again beside itself, but be kept.
    twice = program({"w": ("param", 4)}, [(4, "", ""), (4, "w", ""), (0, "w", "")], capacity=4)
    assert start(twice, COPY).legal() == [DROP, NO_COPY]


def test_a_read_from_slow_memory_in_between_gives_nothing_up():
    one = program({"w": ("param", 4)}, [(4, "", ""), (0, "w", ""), (0, "w", ""), (0, "w", "")], capacity=4)
    play = start(one, COPY, DROP, NO_COPY)
    assert rectangles(play) == [(0, 0, 3, 0)]
    assert play.fields()["fast"] == [1, 0, 1]


def test_what_is_larger_than_fast_memory_never_gets_there():
    one = program({"w": ("param", 5), "a": ("temp", 9)}, [(50, "w:1", "a"), (0, "a w", "")], capacity=7)
    play = start(one)
    for _ in range(4):
        assert play.legal() == [DROP]
        play.step(DROP)
    assert rectangles(play) == []


# Free over all time: 8 … 16 and 24 … 34 of 34 bytes, not counting what v lies in.
HOLES = program(
    {"p": ("param", 8), "q": ("param", 8), "v": ("param", 8), "a": ("temp", 8), "b": ("temp", 4)},
    [(0, "p q v", ""), (0, "", "a b"), (0, "a b p q v", "")],
    capacity=34,
)


def holes(placement, *, v=None, capacity=34):
    """A game at i1 with p at 0, q at 16 throughout, and v at an offset during i0."""
    play = start(replace(HOLES, capacity=capacity), DROP, DROP, DROP, placement=placement)
    for buffer, offset, end in ((0, 0, 2), (1, 16, 2), *([(2, v, 0)] if v is not None else [])):
        play.put(Rectangle(buffer, 0, end, offset))
    return play


def test_placement_by_hand():
    assert holes("first_fit").free_ranges(1, 2) == [(8, 16), (24, 34)]
    assert [holes("first_fit").offset(buffer, 1, 2) for buffer in (3, 4)] == [8, 8]
    # Of 8 and 10 bytes the smaller, also where it lies higher.
    assert [holes("best_fit").offset(buffer, 1, 2) for buffer in (3, 4)] == [8, 8]
    play = holes("best_fit")
    play.rectangles.append(Rectangle(4, 0, 2, 24))
    assert [play.offset(buffer, 1, 2) for buffer in (3, 4)] == [8, 28]
    # At i0 v lies at 8, clean, and could be kept on for i2: a and b spare it, if they can.
    play = holes("reserve", v=8)
    assert play.extensible(2)
    assert [play.offset(buffer, 1, 2) for buffer in (3, 4)] == [24, 24]
    assert [holes("first_fit", v=8).offset(buffer, 1, 2) for buffer in (3, 4)] == [8, 8]
    # At 24 they lie below; at 26 there is no multiple of the alignment.
    assert [holes("reserve", v=24).offset(buffer, 1, 2) for buffer in (3, 4)] == [8, 8]
    # With 8 … 16 taken too, 40 bytes in all and v at 28 … 36, a must take 4 of them at least, b none.
    play = holes("reserve", v=28, capacity=40)
    play.rectangles += [Rectangle(4, 0, 2, 8), Rectangle(4, 0, 2, 12)]
    assert [(offset, play.cost(3, offset)) for offset in play.offsets(3, 1, 2)] == [(24, 4), (28, 8), (32, 4)]
    assert [play.offset(buffer, 1, 2) for buffer in (3, 4)] == [24, 24]


def test_reserve_counts_only_what_can_be_kept_on():
    play = holes("reserve", v=8)
    # Overwritten at i1, v can no longer be kept on; nor is it of use after its last read.
    play.rectangles.append(Rectangle(4, 1, 1, 12))
    assert not play.extensible(2)
    assert play.offset(3, 2, 2) == 8
    play = holes("reserve", v=8)
    play.served = [0] * 9 + [-1]
    assert play.offset(3, 2, 2) == 8


def brute_force(play, buffer, start, end):
    """Where the rule puts a buffer, by trying every offset."""
    need, align = play.aligned(buffer), play.align
    top = [
        offset
        for offset in range(0, play.capacity - need + 1, align)
        if all(
            one.end < start
            or end < one.start
            or offset + need <= one.offset
            or one.offset + play.aligned(one.buffer) <= offset
            for one in play.rectangles
        )
    ]
    if play.placement == "best_fit":
        taken = {
            byte
            for one in play.rectangles
            if one.start <= end and start <= one.end
            for byte in range(one.offset, one.offset + play.aligned(one.buffer))
        }

        def hole(offset):
            low, high = offset, offset
            while low > 0 and low - 1 not in taken:
                low -= 1
            while high < play.capacity and high not in taken:
                high += 1
            return high - low, offset

        return min(top, key=hole, default=None)
    if play.placement == "reserve":
        return min(top, key=lambda offset: (play.cost(buffer, offset), offset), default=None)
    return min(top, default=None)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(instance=drawn.programs(), options=drawn.settings(), seed=st.integers(0, 99))
def test_random_games(instance, options, seed):
    """Placement is what brute force finds; rewards add up; the validator agrees, and finds the same values."""
    play, rng, paid = ReferenceMapping(instance, **options), random.Random(seed), 0.0
    while not play.done:
        buffer, now = play.slots[play.k].buffer, play.now
        for first in {now, max(0, now - 2)}:
            for last in {now, len(play.compute) - 1}:
                assert play.offset(buffer, first, last) == brute_force(play, buffer, first, last)
        legal = play.legal()
        assert legal
        # Copies and kept results before reads from slow memory: they make the richer games.
        action = rng.choice(legal) if rng.random() < 0.4 else legal[-1]
        reward, over, illegal = play.step(action)
        assert not illegal
        assert over == play.done
        paid += reward
    assert paid == pytest.approx(1 - play.latency() / play.all_slow(), abs=1e-9)
    mapping = Mapping(**play.fields(), instance_digest=instance.digest)
    verdict = validate(instance, mapping)
    assert verdict.violations == ()
    assert verdict.values == play.objectives()
    assert Machine(instance, mapping).run() == pytest.approx(play.latency(), rel=1e-9)
