"""Forecasts of passengers, and fares that follow them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.uam_fleet.drawing import fill_erlang, key_of_stream, uniforms

Array = np.ndarray[Any, Any]
WEIGHT, LEVEL = 41, 42  # streams of a day's key


def bumps(settings: Mapping[str, Any], hours: int) -> list[Array]:
    """Return for each peak (H,) the height of a bell curve over it at the middle of every hour; 1 at the peak."""
    clock = settings["day_start"] / 60.0 + 0.5 + np.arange(hours)
    return [np.exp(-((clock - peak) ** 2) / (2.0 * settings["peak_sd"] ** 2)) for peak in settings["peaks"]]


def peaks_forecast(settings: Mapping[str, Any], high: Array, weights: Array | None, total: float, key: Any) -> Array:
    """Return (H, V, V) passengers: ``total`` of the day, spread by hour, kind of pair and weight.

    Pairs of high-demand ports have all peaks. Where only the destination is one, there is the first peak, and where
    only the origin is one, the last. Weights are drawn unless they are given.

    Args:
        settings: of the generator.
        high: (V,) bool, high-demand ports.
        weights: (V, V) or None.
        total: passengers of the day.
        key: of the day.

    Raises:
        InputError: if no pair has any demand.
    """
    ports, hours = len(high), round((settings["day_end"] - settings["day_start"]) / 60.0)
    if weights is None:
        drawn = np.empty(ports * ports)
        fill_erlang(key_of_stream(key, WEIGHT), settings["weight_shape"], drawn)
        weights = drawn.reshape(ports, ports)
    peak = bumps(settings, hours)
    both, first, last = sum(peak), peak[0], peak[-1]
    there, back = high[None, :], high[:, None]
    shape: Array = np.full((hours, ports, ports), settings["base_level"])
    for pairs, curve, gain in (
        (there & back, both, settings["both_gain"]),
        (there & ~back, first, settings["one_gain"]),
        (back & ~there, last, settings["one_gain"]),
    ):
        shape += gain * np.asarray(curve)[:, None, None] * pairs
    shape *= weights
    shape[:, np.arange(ports), np.arange(ports)] = 0.0
    if not shape.any():
        raise InputError("key 'base_level': no pair of ports has any demand; expected a level or a gain above 0")
    shape *= total / shape.sum()
    return shape


def pool_forecast(settings: Mapping[str, Any], high: Array, key: Any) -> Array:
    """Return (H, V, V) the predecessor's hourly demand, which is shown and scales the reward but boards no one.

    A level by whether both, one or none of the ports is urban, the lower two with noise, and nearly flat peaks.
    """
    ports, hours = len(high), round((settings["day_end"] - settings["day_start"]) / 60.0)
    urban = high.astype(int)[:, None] + high.astype(int)[None, :]
    noise = 1.0 + np.floor(settings["level_noise"] * uniforms(key, LEVEL, hours, ports, ports))
    level = np.asarray(settings["urban_levels"])[urban] + (noise if settings["level_noise"] else 0.0) * (urban < 2)
    curve = 1.0 + settings["peak_share"] * sum(bumps(settings, hours), np.zeros(hours))
    forecast: Array = level * curve[:, None, None]
    forecast[:, np.arange(ports), np.arange(ports)] = 0.0
    return forecast


def fares_of(settings: Mapping[str, Any], distance: Array, forecast: Array) -> Array:
    """Return (H, V, V) fares in USD: the table of the settings, or base + price per mile x miles x surge.

    The surge is 1 - slope + slope x forecast / its mean over the day and pairs, cut to its range.
    """
    hours, ports = forecast.shape[:2]
    off = ~np.eye(ports, dtype=bool)
    if settings["fare_table"] is not None:
        table = np.asarray(settings["fare_table"], np.float64)
        if table.ndim == 3 and len(table) != hours:
            raise InputError(
                f"key 'fare_table': tables of {len(table)} hours; expected one, or one for each of {hours}"
            )
        return np.broadcast_to(table, forecast.shape) * off
    mean = forecast.sum() / (hours * off.sum())
    slope = settings["fare_slope"]
    surge = np.clip((1.0 - slope) + slope * (forecast / mean if mean > 0.0 else 1.0), *settings["fare_surge"])
    fare: Array = (settings["fare_base"] + settings["fare_per_mile"] * distance[None] * surge) * off
    return np.floor(fare) if settings["fare_whole"] else fare
