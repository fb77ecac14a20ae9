"""A mixture of generators: each program is drawn from one of several distributions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ganttlet.core.errors import InputError, check_keys
from ganttlet.core.options import as_number
from ganttlet.core.rng import key_of, uniform
from ganttlet.memory_mapping.instance import Program

NAME = "mixture"
DEFAULT_PARTS: tuple[Mapping[str, Any], ...] = ({"name": "random"}, {"name": "recurrent"})
# Streams of a key: which part is drawn, and what it draws from.
_CHOICE, _PART = 1, 2


class Mixture:
    """A generator that draws each program from one of its parts.

    Attributes:
        settings: the settings with every default filled in, those of the parts too.
        max_instructions, max_buffers, max_slots: the most that can be drawn.
    """

    name = NAME

    def __init__(self, settings: Mapping[str, Any], make: Callable[[Mapping[str, Any]], Any]) -> None:
        check_keys(f"generator {NAME!r}", settings, ("name", "parts", "weights"))
        given = settings.get("parts", DEFAULT_PARTS)
        if isinstance(given, str | Mapping) or not isinstance(given, Sequence) or not given:
            raise InputError(f"generator {NAME!r}: key 'parts': expected a list of generator settings, got {given!r}")
        for at, part in enumerate(given):
            if isinstance(part, Mapping) and part.get("name") == NAME:
                raise InputError(f"generator {NAME!r}: key 'parts': entry {at} is a mixture itself")
        self.parts = [make(part) for part in given]
        weights = settings.get("weights", [1.0] * len(self.parts))
        if isinstance(weights, str | Mapping) or not isinstance(weights, Sequence) or len(weights) != len(self.parts):
            raise InputError(
                f"generator {NAME!r}: key 'weights': expected a number for each of the {len(self.parts)} parts, "
                f"got {weights!r}"
            )
        shares = [as_number(f"generator {NAME!r}: key 'weights'", one, 0.0, 1e6) for one in weights]
        if sum(shares) == 0.0:
            raise InputError(f"generator {NAME!r}: key 'weights': expected one above 0, got {weights!r}")
        self._until = np.cumsum(shares) / sum(shares)
        self.settings = {"name": NAME, "parts": [part.settings for part in self.parts], "weights": shares}
        self.max_instructions = max(part.max_instructions for part in self.parts)
        self.max_buffers = max(part.max_buffers for part in self.parts)
        self.max_slots = max(part.max_slots for part in self.parts)

    def sample(self, seed: int) -> Program:
        """Return the program of ``seed`` (any integer of 64 bits); the same in every process."""
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not -(2**63) <= seed < 2**64:
            raise InputError(f"generator {NAME!r}: seed {seed!r}; expected an integer of 64 bits")
        return self.sample_key(_key(int(seed) % 2**64, 0))

    def sample_key(self, key: Any) -> Program:
        """Return the program that ``key`` (uint64, see ganttlet.core.rng.key_of) stands for."""
        at = int(np.searchsorted(self._until, uniform(_key(key, _CHOICE), 0), side="right"))
        program: Program = self.parts[at].sample_key(_key(key, _PART))
        return program


def _key(key: Any, stream: int) -> Any:
    """Return the key of a stream of ``key``, typed on purpose: Numba takes larger Python integers for int64."""
    word: Any = np.uint64(key)
    return np.uint64(key_of(word, stream, 0))
