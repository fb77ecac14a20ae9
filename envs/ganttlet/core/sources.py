"""Where an environment's instances come from, and how large its padded space is: options that every family has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ganttlet.core.errors import InputError
from ganttlet.core.options import as_count, as_seed

SOURCE_OPTIONS: Final[Mapping[str, Any]] = {
    "instance": None,
    "instances": None,
    "generator": None,
    "pool_size": None,
    "pool_seed": None,
}


def read_sources(
    own: Mapping[str, Any],
    *,
    resolve: Callable[[Any], Any],
    make_generator: Callable[[Mapping[str, Any]], Any],
    default: Mapping[str, Any],
) -> tuple[list[Any], Any]:
    """Return the fixed instances, if any, and the generator, if any, which fills a pool of them or draws afresh.

    Args:
        own: a value for every one of SOURCE_OPTIONS.
        resolve: spec -> instance.
        make_generator: settings -> generator with ``sample(seed)``.
        default: generator settings where nothing is given.

    Raises:
        InputError: for options that contradict one another, or that ``resolve`` or ``make_generator`` refuses.
    """
    given = [key for key in ("instance", "instances", "generator") if own[key] is not None]
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)}: give only one of them")
    if own["pool_size"] is not None:
        as_count("pool_size", own["pool_size"])
        if given not in ([], ["generator"]):
            raise InputError(f"pool_size: a pool is filled by a generator; leave {given[0]!r} out")
    if own["pool_seed"] is not None and own["pool_size"] is None:
        raise InputError("pool_seed: needs pool_size")
    if own["instance"] is not None:
        return [resolve(own["instance"])], None
    if own["instances"] is not None:
        if isinstance(own["instances"], str | Mapping) or not isinstance(own["instances"], Sequence):
            raise InputError("instances: expected a list of names, paths or instances")
        if not own["instances"]:
            raise InputError("instances: expected at least one")
        return [resolve(spec) for spec in own["instances"]], None
    generator = make_generator(default if own["generator"] is None else own["generator"])
    first = 0 if own["pool_seed"] is None else as_seed("pool_seed", own["pool_seed"])
    return [generator.sample(first + i) for i in range(own["pool_size"] or 0)], generator


def padded_sizes(own: Mapping[str, Any], needed: Mapping[str, int]) -> dict[str, int]:
    """Return option -> padded size: what the instances need, or more where an option of ``own`` says so.

    Raises:
        InputError: for an option below what is needed.
    """
    sizes = {}
    for key, least in needed.items():
        sizes[key] = least
        if own[key] is not None:
            as_count(key, own[key])
            if own[key] < least:
                raise InputError(f"{key}={own[key]}: the instances need {least}")
            sizes[key] = int(own[key])
    return sizes
