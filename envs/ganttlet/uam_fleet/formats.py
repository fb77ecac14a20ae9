"""A day as one JSON file that people can write.

    {"format": "uam_fleet.scenario/1", "name": "...",
     "ports": [{"code": "JFK", "east": 0, "north": 0, "parking": 10, "charging": 6, "delay_mean": 5, "delay_sd": 2}],
     "aircraft": [{"port": "JFK", "charge": 110.0, "ready": 360.0, "downtime_probability": 0.0, "count": 5}],
     "demand": [[0, "JFK", "LGA", 3, 2.5, 40.0]],
     "closures": [[0, "JFK", "LGA"]],
     "electricity": 0.2}

A row of ``demand`` is hour, origin, destination, passengers, forecast, fare in USD; what no row names has none. A row
of ``closures`` closes one direction. Miles, minutes since midnight, kWh. Unless given, an aircraft is fully charged and
ready at the start of the day, never out of service and one of its kind, and ports have no delay. ``electricity`` is one
price or one for each hour. Optional: ``distance_miles`` and ``closure_probability`` (tables in the order of ports; else
straight lines, and none), and by their names all fields of a Scenario that are single numbers or words.
``demand_drawn`` is false unless given: a written day has no law from which another one could be drawn.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ganttlet.core.errors import InputError, check_keys
from ganttlet.core.record import write_atomic
from ganttlet.uam_fleet.geography import straight_lines
from ganttlet.uam_fleet.instance import CURVES, HOUR, RECHARGE, Scenario

FORMAT = "uam_fleet.scenario/1"
NUMBERS = ("passengers", "forecast", "fare")  # of a row of demand, behind hour, origin and destination
MOST_HOURS = 10**4
FIELDS = {field.name: field.default for field in dataclasses.fields(Scenario)}
SCALARS = tuple(name for name, default in FIELDS.items() if default is not dataclasses.MISSING)
KEYS = ("format", "name", "ports", "distance_miles", "aircraft", "demand", "closures", "closure_probability")
PORT_KEYS = ("code", "east", "north", "parking", "charging", "delay_mean", "delay_sd")
AIRCRAFT_KEYS = ("port", "charge", "ready", "downtime_probability", "count")


def read_scenario(path: str | Path) -> Scenario:
    """Read a day from a file.

    Raises:
        InputError: naming the file, the key and the entry.
    """
    path = Path(path)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON: {error}") from None
    return parse_scenario(data, str(path))


def parse_scenario(data: Any, source: str = "scenario") -> Scenario:
    """Return the day of plain data as in a file; ``source`` names its origin in errors."""
    if not isinstance(data, Mapping) or data.get("format") != FORMAT:
        raise InputError(f"{source}: expected a mapping with 'format': {FORMAT!r}")
    check_keys(source, data, (*KEYS, "electricity", *SCALARS))
    constants = {"demand_drawn": False, **{key: data[key] for key in SCALARS if key in data}}
    ports = _entries(data, "ports", source, PORT_KEYS, ("code", "parking", "charging"))
    codes = {str(port["code"]): at for at, port in enumerate(ports)}
    if len(codes) < len(ports):
        raise InputError(f"{source}: key 'ports': a code stands twice")
    start, end = (_real(data, key, source, FIELDS[key]) for key in ("day_start", "day_end"))
    hours = _hours(start, end, source)
    shape = (hours, len(ports), len(ports))
    demand, forecast, fare = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for at, i, j, values, where in _rows(data, "demand", source, codes, hours, NUMBERS):
        if fare[at, i, j] or forecast[at, i, j] or demand[at, i, j]:
            raise InputError(f"{where}: hour {at} of this pair stands twice")
        demand[at, i, j], forecast[at, i, j], fare[at, i, j] = values
    closed = np.zeros(shape, np.int8)
    for at, i, j, _, _ in _rows(data, "closures", source, codes, hours, ()):
        closed[at, i, j] = 1
    position = np.array(
        [[_real(port, key, f"{source}: port {port['code']!r}", 0.0) for key in ("east", "north")] for port in ports]
    )
    fleet = _fleet(data, source, codes, start)
    price = data.get("electricity", 0.2)
    try:
        make: Any = Scenario  # lists become arrays there
        scenario: Scenario = make(
            str(data.get("name", Path(source).stem)),
            list(codes),
            position,
            data["distance_miles"] if "distance_miles" in data else straight_lines(position),
            [port["parking"] for port in ports],
            [port["charging"] for port in ports],
            **fleet,
            demand=demand,
            forecast=forecast,
            fare=fare,
            electricity=price if isinstance(price, list) else [price] * hours,
            closed=closed,
            closure_probability=data.get("closure_probability", np.zeros(shape[1:])),
            delay_mean=[port.get("delay_mean", 0.0) for port in ports],
            delay_sd=[port.get("delay_sd", 0.0) for port in ports],
            **constants,
        )
        return scenario
    except InputError as error:
        raise InputError(f"{source}: {error}") from None


def _hours(start: float, end: float, source: str) -> int:
    """Return the whole hours of a day."""
    if end <= start:
        raise InputError(f"{source}: key 'day_end': {end:g}; expected more than 'day_start' ({start:g} minutes)")
    hours = round((end - start) / HOUR)
    if abs(hours * HOUR - (end - start)) > 1e-6 or hours > MOST_HOURS:
        raise InputError(
            f"{source}: key 'day_end': {end - start:g} minutes after 'day_start'; expected whole hours, at most "
            f"{MOST_HOURS}"
        )
    return hours


def _entries(
    data: Mapping[str, Any], key: str, source: str, known: tuple[str, ...], needed: tuple[str, ...]
) -> list[Mapping[str, Any]]:
    entries = data.get(key)
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, Mapping) for entry in entries):
        raise InputError(f"{source}: key {key!r}: expected a list of mappings")
    for at, entry in enumerate(entries):
        check_keys(f"{source}: key {key!r}, entry {at}", entry, known)
        for name in needed:
            if name not in entry:
                raise InputError(f"{source}: key {key!r}, entry {at}: {name!r} is missing")
    return entries


def _real(entry: Mapping[str, Any], key: str, where: str, default: Any) -> float:
    value = entry.get(key, default)
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < 1e15:
        raise InputError(f"{where}: key {key!r}: expected a number, got {value!r}")
    return float(value)


def _fleet(data: Mapping[str, Any], source: str, codes: Mapping[str, int], start: float) -> dict[str, list[Any]]:
    battery = _real(data, "battery", source, FIELDS["battery"])
    columns: dict[str, list[Any]] = {key: [] for key in ("start_port", "start_charge", "ready", "downtime_probability")}
    for at, entry in enumerate(_entries(data, "aircraft", source, AIRCRAFT_KEYS, ("port",))):
        where, count = f"{source}: key 'aircraft', entry {at}", entry.get("count", 1)
        if entry["port"] not in codes:
            raise InputError(f"{where}: port {entry['port']!r}; expected one of {', '.join(codes)}")
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= 10**5:
            raise InputError(f"{where}: 'count': expected an integer of at least 1, got {count!r}")
        columns["start_port"] += [codes[entry["port"]]] * count
        for column, key, default in (
            ("start_charge", "charge", battery),
            ("ready", "ready", start),
            ("downtime_probability", "downtime_probability", 0.0),
        ):
            columns[column] += [_real(entry, key, where, default)] * count
    return columns


def _rows(
    data: Mapping[str, Any], key: str, source: str, codes: Mapping[str, int], hours: int, numbers: tuple[str, ...]
) -> list[tuple[int, int, int, list[float], str]]:
    """Return rows of hour, origin, destination and the named numbers, with where they stand."""
    given = data.get(key, [])
    if not isinstance(given, list):
        raise InputError(f"{source}: key {key!r}: expected a list of rows")
    rows = []
    for at, row in enumerate(given):
        where = f"{source}: key {key!r}, row {at}"
        if not isinstance(row, list) or len(row) != 3 + len(numbers):
            raise InputError(f"{where}: expected {', '.join(('hour', 'origin', 'destination', *numbers))}, got {row!r}")
        if isinstance(row[0], bool) or not isinstance(row[0], int) or not 0 <= row[0] < hours:
            raise InputError(f"{where}: hour {row[0]!r}; expected 0 … {hours - 1}")
        for port in row[1:3]:
            if not isinstance(port, str) or port not in codes:
                raise InputError(f"{where}: port {port!r}; expected one of {', '.join(codes)}")
        if row[1] == row[2]:
            raise InputError(f"{where}: from port {row[1]!r} to itself")
        values = [_real({name: value}, name, where, None) for name, value in zip(numbers, row[3:], strict=True)]
        for name, value in zip(numbers, values, strict=True):
            if value < 0.0 or (name == "passengers" and value != int(value)):
                what = "an integer" if name == "passengers" else "a number"
                raise InputError(f"{where}: key {name!r}: expected {what} of at least 0, got {value:g}")
        rows.append((row[0], codes[row[1]], codes[row[2]], values, where))
    return rows


def format_scenario(scenario: Scenario) -> str:
    """Return the text of the file of a day; reading it gives an equal scenario."""
    codes = [scenario.port_label(i) for i in range(scenario.n_ports)]
    ports = [
        dict(zip(PORT_KEYS, (code, *values), strict=True))
        for code, *values in zip(
            codes,
            *scenario.position.T.tolist(),
            scenario.parking.tolist(),
            scenario.charging.tolist(),
            scenario.delay_mean.tolist(),
            scenario.delay_sd.tolist(),
            strict=True,
        )
    ]
    aircraft = [
        dict(zip(AIRCRAFT_KEYS, (codes[port], *values), strict=False))
        for port, *values in zip(
            scenario.start_port.tolist(),
            scenario.start_charge.tolist(),
            scenario.ready.tolist(),
            scenario.downtime_probability.tolist(),
            strict=True,
        )
    ]
    some = (scenario.demand != 0) | (scenario.forecast != 0) | (scenario.fare != 0)
    demand = [
        [h, codes[i], codes[j], *(getattr(scenario, field)[h, i, j].item() for field in ("demand", "forecast", "fare"))]
        for h, i, j in np.argwhere(some).tolist()
    ]
    body: dict[str, Any] = {
        "format": FORMAT,
        "name": scenario.name,
        **{key: getattr(scenario, key) for key in SCALARS},
        "recharge": RECHARGE[scenario.recharge],
        "charge_curve": CURVES[scenario.charge_curve],
        "electricity": scenario.electricity.tolist(),
        "ports": ports,
        "distance_miles": scenario.distance.tolist(),
        "closure_probability": scenario.closure_probability.tolist(),
        "aircraft": aircraft,
        "closures": [[h, codes[i], codes[j]] for h, i, j in np.argwhere(scenario.closed).tolist()],
        "demand": demand,
    }
    return "{\n" + ",\n".join(f" {json.dumps(key)}: {_lines(value)}" for key, value in body.items()) + "\n}\n"


def _lines(value: Any) -> str:
    """Return JSON text with an entry of a list of lists or mappings on each line."""
    if isinstance(value, list) and value and isinstance(value[0], list | dict):
        return "[\n  " + ",\n  ".join(json.dumps(entry) for entry in value) + "\n ]"
    return json.dumps(value)


def write_scenario(scenario: Scenario, path: str | Path) -> None:
    """Write a day to a file, whole or not at all."""
    write_atomic(path, format_scenario(scenario))
