"""Sites of ports: those that come with the package, those of a user's file, and places drawn at random.

A geography is a JSON file: ``format`` "uam_fleet.geography/1", ``name``, and ``sites``, a list of mappings with
``code`` and either ``lat`` and ``lon`` (degrees) or ``east`` and ``north`` (miles), and optionally ``name``, ``kind``,
``source``, ``parking`` and ``charging`` (slots; at all sites or at none). Optional: ``title``, ``source``, ``default``
(codes of the sites that are used unless others are asked for), ``high_kinds`` (kinds of sites with high demand),
``distance_miles`` (a table in the order of sites; else great circles, or straight lines between miles), ``weights`` (a
table of weights of the demand from each site to each other, in the order of sites).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from ganttlet.core.errors import InputError, check_keys
from ganttlet.uam_fleet.drawing import uniforms

Array = np.ndarray[Any, Any]
FORMAT = "uam_fleet.geography/1"
EARTH = 3958.7613  # mean radius in miles
KEYS = ("format", "name", "title", "source", "sites", "default", "high_kinds", "distance_miles", "weights")
SITE_KEYS = ("code", "name", "kind", "source", "lat", "lon", "east", "north", "parking", "charging")


@dataclass(frozen=True, eq=False)
class Geography:
    """Places of V ports.

    Fields:
        name: for labels.
        codes: V short names.
        position: (V, 2) float64, miles to the east and to the north.
        distance: (V, V) float64, miles.
        slots: (V, 2) int64, parking and charging slots, or None.
        high: (V,) bool, ports with high demand, or None.
        weights: (V, V) float64, weights of the demand of each pair, or None.
        default: how many of the sites, from the first on, are used unless told otherwise.
    """

    name: str
    codes: tuple[str, ...]
    position: Array
    distance: Array
    slots: Array | None = None
    high: Array | None = None
    weights: Array | None = None
    default: int = 0

    def choose(self, ports: Any, what: str) -> Geography:
        """Return the geography of some of the sites: None: the default ones, a number: the first, a list of codes."""
        if ports is None:
            ports = self.default
        if isinstance(ports, Sequence) and not isinstance(ports, str) and all(isinstance(code, str) for code in ports):
            unknown = [code for code in ports if code not in self.codes]
            if unknown or len(set(ports)) < len(ports):
                raise InputError(f"{what}: expected different codes of {', '.join(self.codes)}, got {list(ports)}")
            chosen = [self.codes.index(code) for code in ports]
        elif isinstance(ports, int | np.integer) and not isinstance(ports, bool) and 2 <= ports <= len(self.codes):
            chosen = list(range(int(ports)))
        else:
            raise InputError(f"{what}: expected a number in 2 … {len(self.codes)} or a list of codes, got {ports!r}")

        def part(table: Array | None, ndim: int) -> Any:
            return None if table is None else table[np.ix_(*[chosen] * ndim)]

        codes = tuple(self.codes[at] for at in chosen)
        return Geography(
            self.name,
            codes,
            self.position[chosen],
            part(self.distance, 2),
            None if self.slots is None else self.slots[chosen],
            part(self.high, 1),
            part(self.weights, 2),
            len(chosen),
        )


def draw_geography(key: Any, stream: int, ports: int, area: float) -> Geography:
    """Return ``ports`` places that are uniform in a square with sides of ``area`` miles."""
    position = area * uniforms(key, stream, ports, 2)
    return Geography("random", tuple(f"p{i}" for i in range(ports)), position, straight_lines(position), default=ports)


def straight_lines(position: Array) -> Array:
    """Return (V, V) distances between points."""
    apart = position[:, None, :] - position[None, :, :]
    distance: Array = np.sqrt((apart**2).sum(axis=2))
    return distance


def great_circles(lat: Array, lon: Array) -> Array:
    """Return (V, V) distances in miles between points on the Earth, by the haversine formula; degrees."""
    phi, lam = np.radians(lat), np.radians(lon)
    half = (
        np.sin((phi[:, None] - phi[None, :]) / 2.0) ** 2
        + np.cos(phi)[:, None] * np.cos(phi)[None, :] * np.sin((lam[:, None] - lam[None, :]) / 2.0) ** 2
    )
    distance: Array = 2.0 * EARTH * np.arcsin(np.sqrt(half))
    return distance


def shipped_geographies() -> list[str]:
    """Return the names of the geographies that come with the package."""
    return sorted(_shipped())


@cache
def _shipped() -> dict[str, Path]:
    folder = Path(str(files("ganttlet.uam_fleet").joinpath("data")))
    return {path.stem: path for path in folder.glob("*.json")}


def find_geography(name: str) -> Geography:
    """Return the geography of a shipped name or of a file.

    Raises:
        InputError: naming the file and what was expected.
    """
    return _read(_shipped()[name] if name in _shipped() else Path(name))


def _read(path: Path) -> Geography:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        known = ", ".join(shipped_geographies())
        raise InputError(f"geography {str(path)!r}: no such file; expected random, {known}, or a JSON file") from None
    except ValueError as error:
        raise InputError(f"{path}: cannot be read as JSON: {error}") from None
    return parse_geography(data, str(path))


def parse_geography(data: Any, source: str) -> Geography:
    """Return the geography of plain data; ``source`` names its origin in errors."""
    if not isinstance(data, Mapping) or data.get("format") != FORMAT:
        raise InputError(f"{source}: expected a mapping with 'format': {FORMAT!r}")
    check_keys(source, data, KEYS)
    sites = data.get("sites")
    if not isinstance(sites, list) or len(sites) < 2 or not all(isinstance(site, Mapping) for site in sites):
        raise InputError(f"{source}: key 'sites': expected a list of at least two sites")
    for number, site in enumerate(sites):
        check_keys(f"{source}: site {number}", site, SITE_KEYS)
        if not isinstance(site.get("code"), str) or not site["code"]:
            raise InputError(f"{source}: site {number}: key 'code': expected a short name, got {site.get('code')!r}")
    codes = [site["code"] for site in sites]
    if len(set(codes)) < len(codes):
        raise InputError(f"{source}: key 'sites': a code stands twice")
    default = data.get("default", codes)
    if not isinstance(default, list) or len(default) < 2 or any(code not in codes for code in default):
        raise InputError(f"{source}: key 'default': expected at least two codes of sites, got {default!r}")
    order = [codes.index(code) for code in dict.fromkeys([*default, *codes])]
    position, distance = _places(sites, source)
    if "distance_miles" in data:
        distance = _table(data["distance_miles"], len(sites), f"{source}: key 'distance_miles'")
    weights = None
    if "weights" in data:
        weights = _table(data["weights"], len(sites), f"{source}: key 'weights'")[np.ix_(order, order)]
    slots = None
    if any("parking" in site or "charging" in site for site in sites):
        slots = np.array(
            [[_value(site, key, source, 0, 10**6, whole=True) for key in ("parking", "charging")] for site in sites]
        ).astype(np.int64)[order]
    high = None
    if "high_kinds" in data:
        high = np.array([site.get("kind") in data["high_kinds"] for site in sites])[order]
    return Geography(
        str(data.get("name", Path(source).stem)),
        tuple(codes[at] for at in order),
        position[order],
        distance[np.ix_(order, order)],
        slots,
        high,
        weights,
        len(dict.fromkeys(default)),
    )


def _places(sites: list[Mapping[str, Any]], source: str) -> tuple[Array, Array]:
    """Return positions in miles (V, 2) and distances (V, V)."""
    if "lat" not in sites[0]:
        position = np.array(
            [[_value(site, key, source, -1e6, 1e6) for key in ("east", "north")] for site in sites], float
        )
        return position, straight_lines(position)
    lat = np.array([_value(site, "lat", source, -90, 90) for site in sites], float)
    lon = np.array([_value(site, "lon", source, -180, 180) for site in sites], float)
    middle, centre = float(lat.mean()), float(lon.mean())
    east = EARTH * math.cos(math.radians(middle)) * np.radians(lon - centre)
    return np.stack([east, EARTH * np.radians(lat - middle)], axis=1), great_circles(lat, lon)


def _value(site: Mapping[str, Any], key: str, source: str, least: float, most: float, whole: bool = False) -> float:
    value: Any = site.get(key)
    good = isinstance(value, int if whole else int | float) and not isinstance(value, bool) and least <= value <= most
    if not good:
        what = "an integer" if whole else "a number"
        raise InputError(
            f"{source}: site {site['code']!r}: key {key!r}: expected {what} in {least:g} … {most:g}, got {value!r}"
        )
    return float(value)


def _table(value: Any, count: int, what: str) -> Array:
    try:
        table = np.array(value, np.float64)
    except (TypeError, ValueError):
        table = np.zeros(0)
    if table.shape != (count, count) or not np.isfinite(table).all() or (table < 0.0).any():
        raise InputError(f"{what}: expected {count} rows of {count} numbers of at least 0, in the order of sites")
    if np.diagonal(table).any():
        raise InputError(f"{what}: expected 0 from a site to itself")
    return table
