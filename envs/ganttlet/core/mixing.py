"""A mixture of generators: each instance is drawn from one of several distributions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from ganttlet.core.errors import InputError, check_choice, check_keys
from ganttlet.core.options import as_number
from ganttlet.core.rng import key_of, uniform

NAME = "mixture"
T = TypeVar("T")
# Streams of a key: which part is drawn, and what it draws from.
_CHOICE, _PART = 1, 2


def name_of(settings: Any, known: Collection[str]) -> str:
    """Return the name in the settings of a generator, one of ``known``.

    Raises:
        InputError: if they are no mapping, or have no such name.
    """
    if not isinstance(settings, Mapping):
        raise InputError(f"generator: expected a mapping with the key 'name', got {settings!r}")
    if "name" not in settings:
        raise InputError(f"generator: key 'name' is missing; expected one of {', '.join(known)}")
    check_choice("generator: key 'name'", settings["name"], known)
    name: str = settings["name"]
    return name


class MixtureOf(Generic[T]):
    """A generator that draws each instance from one of its parts; a family's own names the sizes.

    Args:
        settings: ``parts``, a list of settings of other generators, and ``weights``, a number for each, default 1.
        make: the family's ``make_generator``.

    Attributes:
        settings: the settings with every default filled in, those of the parts too.
        parts: the generators.

    Raises:
        InputError: naming the key.
    """

    name = NAME
    default: ClassVar[Sequence[Mapping[str, Any]]]
    """Settings of the parts where none are given."""
    sizes: ClassVar[Sequence[str]]
    """Attributes of a generator that say how large its instances are at most; the mixture has them too."""

    def __init__(self, settings: Mapping[str, Any], make: Callable[[Mapping[str, Any]], Any]) -> None:
        check_keys(f"generator {NAME!r}", settings, ("name", "parts", "weights"))
        given = settings.get("parts", self.default)
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
        for size in self.sizes:
            setattr(self, size, max(getattr(part, size) for part in self.parts))

    def sample(self, seed: int) -> T:
        """Return the instance of ``seed`` (any integer of 64 bits); the same in every process."""
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not -(2**63) <= seed < 2**64:
            raise InputError(f"generator {NAME!r}: seed {seed!r}; expected an integer of 64 bits")
        return self.sample_key(_key(int(seed) % 2**64, 0))

    def sample_key(self, key: Any) -> T:
        """Return the instance that ``key`` (uint64, see ganttlet.core.rng.key_of) stands for."""
        at = int(np.searchsorted(self._until, uniform(_key(key, _CHOICE), 0), side="right"))
        instance: T = self.parts[at].sample_key(_key(key, _PART))
        return instance


def _key(key: Any, stream: int) -> Any:
    """Return the key of a stream of ``key``, typed on purpose: Numba takes larger Python integers for int64."""
    word: Any = np.uint64(key)
    return np.uint64(key_of(word, stream, 0))
