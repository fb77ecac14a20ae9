"""Loads the code of a user's own method: a file, run afresh each time, or a module that can be imported."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import numpy as np

from ganttlet.core.errors import InputError

ENDING = ".py"


@dataclass(frozen=True)
class UserCode:
    """A loaded module and the hash (16 hex digits) of the file that it came from.

    The hash covers that one file; what the file imports is not in it.
    """

    module: ModuleType
    digest: str


def is_path(target: str) -> bool:
    """Return whether ``target`` names a file rather than a module."""
    return target.endswith(ENDING) or "/" in target or os.sep in target


def plain_name(name: str) -> str:
    """Return a path, alone or before ``:CLASS``, in one spelling with forward slashes; a module's name as it is."""
    path, colon, attribute = (name, "", "") if name.endswith(ENDING) else name.rpartition(":")
    return Path(os.path.normpath(path)).as_posix() + colon + attribute if is_path(path) else name


def load_code(what: str, target: str) -> UserCode:
    """Return the code that ``target`` names.

    Args:
        what: the method, for errors.
        target: path of a .py file, or the dotted name of a module in the current directory or on Python's path.

    Raises:
        InputError: if there is no such file or module, or it cannot be run; names the file and line.
    """
    return _load_file(what, Path(target)) if is_path(target) else _load_module(what, target)


def place_of(error: BaseException, file: str) -> str:
    """Return ``file.py:line`` of the last line of ``file`` that led to the error, else of the last line of all."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == file]
    if not frames:
        return file
    frame = (own or frames)[-1]
    return f"{frame.filename}:{frame.lineno}"


@contextmanager
def telling(what: str, file: str) -> Iterator[None]:
    """Turn whatever the user's code raises while it is loaded into one line that names file and line."""
    try:
        yield
    except KeyboardInterrupt:
        raise
    except SyntaxError as error:
        place = f"{error.filename or file}:{error.lineno or 1}"
        raise InputError(f"{what}: {place}: SyntaxError: {error.msg}") from None
    except BaseException as error:
        # A script that ends in sys.exit(), say, must not end the evaluator.
        raise InputError(f"{what}: {place_of(error, file)}: {type(error).__name__}: {plain_text(error)}") from None


def call(hook: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call the user's code so that whatever it does can cost no more than its row.

    What is no ``Exception``, such as SystemExit, or cannot be told in a row becomes a RuntimeError; the current
    directory and NumPy's handling of errors are put back.
    """
    here = os.getcwd()
    try:
        with np.errstate():
            return hook(*args, **kwargs)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if isinstance(error, Exception) and plain_text(error) == _text(error):
            raise
        place = os.path.basename(place_of(error, ""))
        raise RuntimeError(f"{type(error).__name__}: {plain_text(error)}, raised at {place}") from None
    finally:
        if os.getcwd() != here:
            os.chdir(here)


def plain_text(value: Any) -> str:
    """Return ``str(value)`` as text that a file can hold; says so if there is none."""
    text = _text(value)
    return "(its text cannot be had)" if text is None else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _text(value: Any) -> str | None:
    try:
        return str(value)
    except Exception:
        return None


def _load_file(what: str, path: Path) -> UserCode:
    try:
        source = path.read_bytes()
    except OSError as error:
        raise InputError(f"{what}: {path}: cannot be read: {error.strerror or error}") from None
    file = str(path.resolve())
    digest = _digest(source)
    name = f"ganttlet_user_{re.sub(r'[^a-z0-9]', '_', path.stem.lower())}_{_digest(file.encode())}"
    module = ModuleType(name)
    module.__file__ = file
    # Dataclasses and pickling look a class's module up by name.
    sys.modules[name] = module
    try:
        with _importing_from(str(path.resolve().parent)), telling(what, file):
            # Compiled from the very bytes that were hashed: no cached bytecode can stand in for them.
            code: CodeType = compile(source, file, "exec", dont_inherit=True)
            exec(code, module.__dict__)
    except InputError:
        del sys.modules[name]
        raise
    return UserCode(module, digest)


def _load_module(what: str, name: str) -> UserCode:
    if not all(piece.isidentifier() for piece in name.split(".")):
        raise InputError(f"{what}: {name!r} is neither a module's name nor the path of a {ENDING} file")
    with _importing_from(os.getcwd()):
        importlib.invalidate_caches()
        with telling(what, name):
            try:
                spec = importlib.util.find_spec(name)
            except ModuleNotFoundError as error:
                # The package that should hold it is missing, or something that the package imports.
                if not f"{name}.".startswith(f"{error.name}."):
                    raise
                spec = None
        if spec is None:
            raise InputError(f"{what}: no module {name!r} in the current directory or on Python's path")
        with telling(what, spec.origin or name):
            module = importlib.import_module(name)
    file = Path(spec.origin or "")
    return UserCode(module, _digest(file.read_bytes()) if file.is_file() else "")


@contextmanager
def _importing_from(folder: str) -> Iterator[None]:
    """Look for modules in ``folder`` first while the code is loaded, and last when it imports more later on."""
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
        if folder not in sys.path:
            sys.path.append(folder)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
