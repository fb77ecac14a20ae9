"""Memory allocation, slow and plain: what an episode does, what is shown of it, and least heights by trying offsets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise


@dataclass(frozen=True)
class Buffer:
    """A buffer: it lives at the times lower … upper-1 and needs ``size`` bytes from a multiple of ``alignment`` on."""

    lower: int
    upper: int
    size: int
    alignment: int = 1
    fixed: int | None = None

    def meets(self, other: Buffer) -> bool:
        """Whether there is a time at which both live."""
        return any(other.lower <= time < other.upper for time in (self.lower, self.upper - 1)) or any(
            self.lower <= time < self.upper for time in (other.lower, other.upper - 1)
        )

    @property
    def area(self) -> float:
        return self.size * (self.upper - self.lower)


def load_at(buffers: Sequence[Buffer], time: int) -> int:
    """Sum of the sizes that live at a time."""
    return sum(one.size for one in buffers if one.lower <= time < one.upper)


def peak(buffers: Sequence[Buffer]) -> int:
    """Greatest sum of sizes that live at one time."""
    return max(load_at(buffers, one.lower) for one in buffers)


def clash(a: Buffer, at: int, b: Buffer, there: int) -> bool:
    """Whether two buffers share a byte at some time."""
    return a.meets(b) and not (at + a.size <= there or there + b.size <= at)


@dataclass
class ReferenceAllocation:
    """One episode; actions are the numbers of buffers."""

    buffers: Sequence[Buffer]
    capacity: int
    reward: str = "height"
    illegal_penalty: float = 1.0
    offset: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for k, one in enumerate(self.buffers):
            if one.fixed is not None:
                self.offset[k] = one.fixed
        self.first_height = self.height()
        self.first_bound = self.bound()

    @property
    def done(self) -> bool:
        return len(self.offset) == len(self.buffers)

    def mask(self) -> list[int]:
        return [int(self.done or k not in self.offset) for k in range(len(self.buffers))]

    def lowest(self, k: int) -> int:
        """The lowest offset at which buffer ``k`` shares no byte with a placed one."""
        own = self.buffers[k]
        ends = [0, *(at + self.buffers[i].size for i, at in self.offset.items())]
        aligned = sorted({-(-end // own.alignment) * own.alignment for end in ends})
        return next(
            at for at in aligned if not any(clash(own, at, self.buffers[i], there) for i, there in self.offset.items())
        )

    def height(self) -> int:
        return max((at + self.buffers[k].size for k, at in self.offset.items()), default=0)

    def bound(self) -> int:
        """No order of those that are left ends below this."""
        ends = [self.lowest(k) + one.size for k, one in enumerate(self.buffers) if k not in self.offset]
        return max(self.height(), peak(self.buffers), *ends) if ends else max(self.height(), peak(self.buffers))

    def step(self, action: int) -> tuple[float, bool, bool]:
        """Reward, terminated and illegal; an episode that is over stays as it is."""
        if self.done:
            return 0.0, True, False
        if not 0 <= action < len(self.buffers) or action in self.offset:
            return -self.illegal_penalty, False, True
        height, bound = self.height(), self.bound()
        self.offset[action] = self.lowest(action)
        gained: int
        if self.reward == "height":
            gained = height - self.height()
        elif self.reward == "bound":
            gained = bound - self.bound()
        else:
            gained = self.first_height - self.height() if self.done else 0
        return gained / self.capacity, self.done, False

    def objectives(self) -> Mapping[str, float]:
        height = self.height()
        return {"height": height, "ratio": height / peak(self.buffers), "fits": float(height <= self.capacity)}

    def rivals(self, k: int) -> list[Buffer]:
        """Buffers not placed, other than ``k``, that live with it at some time."""
        own = self.buffers[k]
        return [one for i, one in enumerate(self.buffers) if i != k and i not in self.offset and own.meets(one)]


def sections_of(buffers: Sequence[Buffer]) -> list[tuple[int, int]]:
    """The stretches of time between neighbouring starts and ends."""
    times = sorted({time for one in buffers for time in (one.lower, one.upper)})
    return list(pairwise(times))


def shown_buffer(play: ReferenceAllocation, k: int) -> list[float]:
    """The columns of ``buffer``."""
    own, whole, m = play.buffers[k], sum(one.size for one in play.buffers), play.capacity
    if k in play.offset:
        return [1.0, play.offset[k] / m, 0.0, (play.offset[k] + own.size) / m, *[0.0] * 5]
    low, rivals = play.lowest(k), play.rivals(k)
    least = min(play.lowest(i) for i in range(len(play.buffers)) if i not in play.offset)
    rise = max(0, low + own.size - play.height())
    return [
        0.0,
        0.0,
        low / m,
        (low + own.size) / m,
        rise / m,
        len(rivals) / len(play.buffers),
        sum(one.size for one in rivals) / whole,
        (low - least) / m,
        float(low == least),
    ]


def shown_static(play: ReferenceAllocation, k: int) -> list[float]:
    """The columns of ``buffer_static``."""
    own, buffers, m = play.buffers[k], play.buffers, play.capacity
    begin, end = min(one.lower for one in buffers), max(one.upper for one in buffers)
    span = end - begin
    return [
        own.size / m,
        (own.lower - begin) / span,
        (own.upper - begin) / span,
        (own.upper - own.lower) / span,
        own.area / sum(one.area for one in buffers),
        sum(own.meets(one) for one in buffers if one is not own) / len(buffers),
        max(load_at(buffers, time) for time in range(own.lower, own.upper)) / m,
        own.alignment / m,
        float(own.fixed is not None),
    ]


def shown_section(play: ReferenceAllocation, begin: int) -> list[float]:
    """The columns of ``section`` for the one that begins at a time."""
    live = [k for k, one in enumerate(play.buffers) if one.lower <= begin < one.upper]
    top = max((play.offset[k] + play.buffers[k].size for k in live if k in play.offset), default=0)
    filled = sum(play.buffers[k].size for k in live if k in play.offset)
    left = sum(play.buffers[k].size for k in live if k not in play.offset)
    return [value / play.capacity for value in (top, filled, top - filled, left)]


def shown_context(play: ReferenceAllocation) -> list[float]:
    """The columns of ``context``."""
    buffers, m, n = play.buffers, play.capacity, len(play.buffers)
    left = [one for k, one in enumerate(buffers) if k not in play.offset]
    return [
        len(play.offset) / n,
        play.height() / m,
        play.bound() / m,
        peak(buffers) / m,
        sum(one.area for one in left) / sum(one.area for one in buffers),
        sum(one.size for one in left) / sum(one.size for one in buffers),
        float(n),
    ]


def least_height(buffers: Sequence[Buffer]) -> int:
    """The least height of any packing, by trying every aligned offset below the best so far for one after the other."""
    # One on top of the other above the fixed ones they fit always.
    best = max([0, *(one.fixed + one.size for one in buffers if one.fixed is not None)])
    best += sum(one.size + one.alignment - 1 for one in buffers if one.fixed is None)
    order = sorted(range(len(buffers)), key=lambda k: (buffers[k].fixed is None, -buffers[k].size))

    def place(at: int, offset: dict[int, int], height: int) -> None:
        nonlocal best
        if height >= best:
            return
        if at == len(order):
            best = height
            return
        k = order[at]
        own = buffers[k]
        places = [own.fixed] if own.fixed is not None else range(0, best - own.size + 1, own.alignment)
        for there in places:
            if not any(clash(own, there, buffers[i], other) for i, other in offset.items()):
                place(at + 1, {**offset, k: there}, max(height, there + own.size))

    place(0, {}, 0)
    return best
