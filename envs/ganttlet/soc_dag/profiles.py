"""Platforms and applications by name: the few that the package ships, and those in the folder of outside data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from ganttlet.core.data import data_path
from ganttlet.core.errors import InputError, check_choice
from ganttlet.core.family import DataSet
from ganttlet.soc_dag.application import Application
from ganttlet.soc_dag.formats import parse_application, parse_platform
from ganttlet.soc_dag.mixes import COUNTED, COUNTS
from ganttlet.soc_dag.platform import Platform

SHIPPED = ("top.json", "ds3_table4.json")
# name -> file under soc_dag/ of the folder of outside data, and the file's SHA-256
OUTSIDE_APPS = {
    "wifi_tx": ("apps/wifi_tx.json", "1972ae1f7c1ce37f10ce94300a752ea0d2cb51183ed2cdc027311feec4978b9f"),
    "wifi_rx": ("apps/wifi_rx.json", "c8589e2efa350fe10f5c9426d3f8449e5f8b0064ba4f44c639e585feb2e4093e"),
    "range_detection": (
        "apps/range_detection.json",
        "49a73e1b66003c0d41ba37923536abb38f5052c8b9642e70398c2aa3b71db90b",
    ),
    "sc_tx": ("apps/sc_tx.json", "80779269bfad33f2b51a07b23d37e03fd0691e3fa27ba25c89df3e0c3e0385bd"),
    "sc_rx": ("apps/sc_rx.json", "f6b11bc74a5e457d1146e9a4c7500d195664db0a3e10d66849cc299d3a28e1b4"),
    "temporal_mitigation": (
        "apps/temporal_mitigation.json",
        "8ca6ae7c27c26c0f6d1ddfd23fb796abf8976daf2fc2a92171859f7ffff4c640",
    ),
}
OUTSIDE_PLATFORMS = {
    "odroid_acc16": ("socs/odroid_acc16.json", "935e91846d9d22ec8dcf013e11739b327d187067fc3f3883a3d50a9d9a5f60e6"),
    "odroid_8": ("socs/odroid_8.json", "bea1e05b337542958f5f889fa1b6450a9536895789d39d85f886f7fce55ead6e"),
}
_ORIGIN = "facts of segemena/DS3 at 056c930, in files of our own layout"
_LICENCE = "facts; that repository's LICENSE is GPL-3.0"
# the digests are ganttlet.core.data.data_set_digest of the files
DATA_SETS = (
    DataSet(
        "applications",
        "soc_dag/apps/*[!0-9].json",  # not top_1 … top_10, which the package ships
        len(OUTSIDE_APPS),
        _ORIGIN,
        _LICENCE,
        "e31c74f8cff5dada078e95ddac07d189f407429117e173c1ae031028261606d2",
    ),
    DataSet(
        "platforms",
        "soc_dag/socs/odroid_*.json",
        len(OUTSIDE_PLATFORMS),
        _ORIGIN,
        _LICENCE,
        "8443f7df7f6161b8d3cfc5e9ef236117e837ca87c9759950ea2a7cf2b71d263f",
    ),
)


@cache
def shipped() -> tuple[Mapping[str, Platform], Mapping[str, tuple[Application, str]]]:
    """Return the shipped platforms by name, and the applications by name, each with its platform's name."""
    platforms, apps = {}, {}
    for file in SHIPPED:
        data = json.loads(files("ganttlet.soc_dag").joinpath(f"data/{file}").read_text(encoding="utf-8"))
        platform = parse_platform(data["platform"], f"{file}: platform")
        platforms[platform.name] = platform
        for number, entry in enumerate(data["applications"]):
            app = parse_application(entry, f"{file}: application {number}")
            apps[app.name] = (app, platform.name)
    return MappingProxyType(platforms), MappingProxyType(apps)


def platform_names() -> tuple[str, ...]:
    """Return the names that :func:`find_platform` knows."""
    return (*shipped()[0], *OUTSIDE_PLATFORMS, *COUNTS)


def application_names() -> tuple[str, ...]:
    """Return the names that :func:`find_application` knows."""
    return (*shipped()[1], *OUTSIDE_APPS)


def find_platform(name: str) -> Platform:
    """Return a platform by name: top_3, table4, odroid_acc16, odroid_8, or G1 … G5, which are made of odroid_acc16.

    Raises:
        InputError: for an unknown name, or if the file of an outside one is absent or another one.
    """
    check_choice("platform", name, platform_names())
    if name in COUNTS:
        return find_platform(COUNTED).with_counts(COUNTS[name], name)
    if name in OUTSIDE_PLATFORMS:
        return parse_platform(*_outside("platform", name, *OUTSIDE_PLATFORMS[name]))
    return shipped()[0][name]


def find_application(name: str) -> Application:
    """Return an application by name.

    Raises:
        InputError: for an unknown name, or if the file of an outside one is absent or another one.
    """
    check_choice("application", name, application_names())
    if name in OUTSIDE_APPS:
        return parse_application(*_outside("application", name, *OUTSIDE_APPS[name]))
    return shipped()[1][name][0]


def home_of(name: str) -> str:
    """Return the name of the platform an application by name is measured on."""
    return COUNTED if name in OUTSIDE_APPS else shipped()[1][name][1]


def _outside(what: str, name: str, file: str, sha256: str) -> tuple[Any, str]:
    """Return the data of a file of the folder of outside data, and its path."""
    path = data_path("soc_dag", *file.split("/"))
    if not path.is_file():
        raise InputError(
            f"{what} {name!r}: {path} does not exist; set GANTTLET_DATA to the folder that holds soc_dag/{file}"
        )
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise InputError(f"{path}: is not the published {what} {name!r}; its SHA-256 differs from {sha256}")
    return json.loads(content), str(path)
