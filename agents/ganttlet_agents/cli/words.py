"""Lists as they are typed: words separated by commas or spaces, and ranges of seeds."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ganttlet_agents.evaluation.suite import read_seeds


def split_words(pieces: Sequence[str]) -> list[str]:
    """Return the words of a flag's values."""
    return [word for piece in pieces for word in piece.replace(",", " ").split()]


def typed_seeds(pieces: Sequence[str]) -> list[int]:
    """Return the seeds behind ``--seeds``: numbers, or one range such as 0..4; raises InputError for others."""
    words = split_words(pieces)
    if len(words) == 1 and ".." in words[0]:
        return read_seeds(words[0], "--seeds")
    numbers = [int(word) if re.fullmatch(r"\d+", word) else word for word in words]
    return read_seeds(numbers, "--seeds")
