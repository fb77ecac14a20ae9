"""Rows of a table of buffers that are only other names of a buffer, such as views: they are merged into it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn

Fail = Callable[[int, str], NoReturn]


class Use(NamedTuple):
    """One row of the table of uses; ``row`` is its position there."""

    row: int
    time: int
    buffer: int
    role: int
    bytes: int


def roots_of(alias_of: Sequence[int], fail: Fail) -> list[int]:
    """Return the buffer that each row stands for, itself if it is no alias.

    Args:
        alias_of: the row that each row is another name of, -1 for none; that may be an alias too.
        fail: raises the error of a row.
    """
    roots = []
    for b, target in enumerate(alias_of):
        seen = [b]
        while target != -1:
            if not 0 <= target < len(alias_of):
                fail(seen[-1], f"column 'alias_of': expected -1 or a buffer 0 … {len(alias_of) - 1}, found {target}")
            seen.append(target)
            if target in seen[:-1]:
                fail(b, f"column 'alias_of': aliases in a cycle: {' -> '.join(map(str, seen))}")
            target = alias_of[target]
        roots.append(seen[-1])
    return roots


def check_aliases(roots: Sequence[int], columns: dict[str, Any], fail: Fail) -> None:
    """Check that every alias is of its buffer's kind, no larger, not older, and in no sync group of its own."""
    for b, root in enumerate(roots):
        if b == root:
            continue
        kind, size, defined = (columns[name] for name in ("kind", "size", "def"))
        if kind[b] != kind[root]:
            fail(b, f"column 'kind': an alias is of the kind of its buffer {root}")
        if size[b] > size[root]:
            fail(b, f"column 'size': {size[b]}, but the alias is of buffer {root}, which has {size[root]} bytes")
        if defined[b] < defined[root]:
            fail(b, f"column 'def': {defined[b]}, but the alias is of buffer {root}, defined at {defined[root]}")
        if columns["sync"][b] != -1:
            fail(b, f"column 'sync': expected -1 for an alias; its buffer {root} may be in a group")


def check_uses(uses: Sequence[Use], roots: Sequence[int], columns: dict[str, Any], out: int, fail: Fail) -> None:
    """Check that uses are of buffers that exist by then, once per instruction, and of no more bytes than they have."""
    count = len(roots)
    known: set[tuple[int, int]] = set()
    for use in uses:
        b, time = use.buffer, use.time
        if not 0 <= b < count:
            fail(use.row, f"column 'buffer': expected 0 … {count - 1}, found {b}")
        size, defined = columns["size"][b], columns["def"][b]
        if not 1 <= use.bytes <= size:
            fail(use.row, f"column 'bytes': expected 1 … {size}, the size of buffer {b}, found {use.bytes}")
        if use.role == out and b != roots[b]:
            fail(use.row, f"column 'buffer': buffer {b} is an alias, and only its buffer {roots[b]} can be a result")
        if use.role == out and time != defined:
            fail(use.row, f"column 't': buffer {b} is a result of instruction {time}, but defined at {defined}")
        if use.role != out and time <= defined:
            fail(use.row, f"column 't': buffer {b} is used by instruction {time} before it is defined at {defined}")
        if use.role != out and (time, b) in known:
            fail(use.row, f"column 'buffer': buffer {b} is an operand of instruction {time} already; merge such rows")
        if use.role != out:
            known.add((time, b))


def merge(uses: Sequence[Use], roots: Sequence[int], size: Sequence[int], out: int) -> list[Use]:
    """Return the uses with each buffer in place of its aliases, by the numbers of the buffers that are left.

    An instruction that reads a buffer by several names, at least one of them an alias, reads it once, their bytes added
    up, though no more than the buffer has.
    """
    numbers = {b: n for n, b in enumerate(sorted(set(roots)))}
    found: list[Use] = []
    at: dict[tuple[int, int], int] = {}
    for use in uses:
        root = roots[use.buffer]
        key = (use.time, root)
        known = at.get(key)
        if use.role != out and known is not None:
            found[known] = found[known]._replace(bytes=min(size[root], found[known].bytes + use.bytes))
            continue
        if use.role != out:
            at[key] = len(found)
        found.append(use._replace(buffer=numbers[root]))
    return found
