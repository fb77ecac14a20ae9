"""``python:FILE:CLASS`` and ``rule-file:FILE``: methods that a user writes, judged as the built-in ones are."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from ganttlet.core.errors import InputError, check_choice
from ganttlet.core.family import get_family
from ganttlet.core.record import Instance
from ganttlet_agents.evaluation.methods import (
    ANY_FAMILY,
    ANY_NAME,
    Further,
    Information,
    MethodType,
    Option,
    Outcome,
    Stated,
)
from ganttlet_agents.evaluation.user_code import UserCode, call, load_code, plain_name, plain_text, telling

ENV = "env_"
KNOWLEDGE = ("causal", "clairvoyant")


@dataclass(frozen=True)
class UserMethod:
    """The method ``python:…``: the user's object, and what it states."""

    own: Any
    stated: Stated

    def solve(self, instance: Instance, *, objective: str, seed: int) -> Outcome:
        """Return what the user's ``solve`` returns; a solution alone becomes an outcome."""
        found = call(self.own.solve, instance, objective=objective, seed=seed)
        if isinstance(found, Outcome):
            return replace(found, status=plain_text(found.status))
        return Outcome(found, status="solve returned None" if found is None else "")

    def warm_up(self, instance: Instance, *, objective: str) -> None:
        """Call the user's ``warm_up``, if there is one."""
        hook = getattr(self.own, "warm_up", None)
        if hook is not None:
            call(hook, instance, objective=objective)


@dataclass(frozen=True)
class RuleFile:
    """The method ``rule-file:…``: a rule asked at every decision of an environment.

    Fields:
        choose: (observation, mask (A,) int8) -> action.
        reset: called with the instance before an episode, or None.
        env_id, env_kwargs: the environment.
        stated: what the file states.
    """

    choose: Callable[[Mapping[str, NDArray[Any]], NDArray[np.int8]], int]
    reset: Callable[[Any], Any] | None
    env_id: str
    env_kwargs: Mapping[str, Any]
    stated: Stated

    def solve(self, instance: Instance, *, objective: str, seed: int) -> Outcome:
        """Return the solution of one episode; the seed has no say, as a rule draws nothing that we could seed."""
        return self._play(instance, None)

    def warm_up(self, instance: Instance, *, objective: str) -> None:
        """Load the environment's compiled kernels, and what the rule loads at its first decision."""
        self._play(instance, 1)

    def _play(self, instance: Instance, most: int | None) -> Outcome:
        env = gym.make(self.env_id, instance=instance, disable_env_checker=True, **self.env_kwargs)
        # As for policies: where an environment draws anything itself, every method meets the same.
        obs, info = env.reset(seed=0)
        if self.reset is not None:
            call(self.reset, instance)
        latencies: list[float] = []
        terminated = truncated = False
        while not (terminated or truncated or len(latencies) == most):
            asked = time.perf_counter()
            # The mask comes from ``info``: the rule may do with its observation whatever it likes.
            action = self.choose(obs, info["action_mask"])
            latencies.append(time.perf_counter() - asked)
            obs, _, terminated, truncated, info = env.step(action)
        count = len(latencies)
        status = "" if terminated else f"cut off after {count} decisions"
        solution = env.unwrapped.solution()  # type: ignore[attr-defined]
        return Outcome(solution, status=status, decisions=count, simulated=count, latencies=latencies)


def by_score(score: Callable[..., Any]) -> Callable[[Mapping[str, NDArray[Any]], NDArray[np.int8]], int]:
    """Return a choice of the legal action with the greatest score, the least index of equals."""

    def choose(obs: Mapping[str, NDArray[Any]], mask: NDArray[np.int8]) -> int:
        scores = np.asarray(call(score, obs))
        if scores.shape != mask.shape:
            raise ValueError(f"score: expected an array of shape {mask.shape}, got {scores.shape}")
        if scores.dtype.kind not in "biuf":
            raise TypeError(f"score: expected numbers, got an array of {scores.dtype}")
        legal = np.flatnonzero(mask)
        allowed = scores[legal]
        if scores.dtype.kind == "f" and np.isnan(allowed).any():
            raise ValueError(f"score: NaN for the legal action {legal[np.isnan(allowed)][0]}")
        return int(legal[np.argmax(allowed)])

    return choose


def by_act(act: Callable[..., Any]) -> Callable[[Mapping[str, NDArray[Any]], NDArray[np.int8]], int]:
    """Return a choice that refuses illegal actions."""

    def choose(obs: Mapping[str, NDArray[Any]], mask: NDArray[np.int8]) -> int:
        action = np.asarray(call(act, obs))
        if action.size != 1 or action.dtype.kind not in "iu":
            raise TypeError(f"act: expected an integer, got {action.dtype} of shape {action.shape}")
        index = int(action.item())
        if not 0 <= index < len(mask):
            raise ValueError(f"act: expected an action in 0 … {len(mask) - 1}, got {index}")
        if not mask[index]:
            raise ValueError(f"act: action {index} is illegal here; legal are {_few(np.flatnonzero(mask))}")
        return index

    return choose


def build_python(options: dict[str, Any], *, name: str, family: str) -> UserMethod:
    """Load ``FILE:CLASS`` or ``MODULE:CLASS`` and construct it with ``options`` as keyword arguments.

    Raises:
        InputError: if there is no such code or class, it cannot be constructed, or its ``solve`` takes other arguments.
    """
    what = f"method python:{name}"
    target, _, attribute = name.rpartition(":")
    if not target or not attribute.isidentifier():
        raise InputError(f"{what}: expected python:MODULE:CLASS or python:path/to/file.py:CLASS")
    code = load_code(what, target)
    if not hasattr(code.module, attribute):
        raise InputError(f"{what}: {target} defines no {attribute!r}")
    own = _construct(what, getattr(code.module, attribute), options, str(code.module.__file__))
    solve = getattr(own, "solve", None)
    if not callable(solve):
        raise InputError(f"{what}: {attribute} has no method solve(instance, *, objective, seed)")
    if not _takes(solve, None, objective="", seed=0):
        raise InputError(f"{what}: expected solve(instance, *, objective, seed), got solve{inspect.signature(solve)}")
    # It is handed the whole instance, hidden future included, so it has to say if it does not look.
    return UserMethod(own, _stated(what, own, code, family, sees_all=True))


def build_rule_file(options: dict[str, Any], *, name: str, family: str) -> RuleFile:
    """Load a file that defines ``score(obs)`` or ``act(obs)``.

    Raises:
        InputError: if there is no such file, it cannot be run or defines not exactly one of the two, or the
            environment has no such option.
    """
    what = f"method rule-file:{name}"
    code = load_code(what, name)
    kinds = {"score": by_score, "act": by_act}
    given = [kind for kind in kinds if callable(getattr(code.module, kind, None))]
    if len(given) != 1:
        found = "both" if given else "neither"
        raise InputError(f"{what}: expected the file to define score(obs) or act(obs), found {found}")
    rule = getattr(code.module, given[0])
    if not _takes(rule, {}):
        raise InputError(f"{what}: expected {given[0]}(obs), got {given[0]}{inspect.signature(rule)}")
    reset = getattr(code.module, "reset", None)
    if reset is not None and not _takes(reset, None):
        raise InputError(f"{what}: expected reset(instance)")
    ids = get_family(family).env_ids
    env_id = ids[0] if options["env"] is None else options["env"]
    check_choice(f"{what} option 'env'", env_id, ids)
    kwargs = {key.removeprefix(ENV): value for key, value in options.items() if key.startswith(ENV)}
    _try_options(what, env_id, kwargs)
    stated = _stated(what, code.module, code, family, sees_all=reset is not None)
    return RuleFile(kinds[given[0]](rule), reset, env_id, kwargs, stated)


def _construct(what: str, found: Any, options: Mapping[str, Any], file: str) -> Any:
    if not isinstance(found, type):
        if options:
            raise InputError(f"{what}: only a class takes options, and this is an object; got {', '.join(options)}")
        return found
    if not _takes(found, **options):
        takes = f"{found.__name__}{inspect.signature(found)}"
        raise InputError(f"{what}: cannot be constructed with {_words(options)}; expected {takes}")
    with telling(what, file):
        return found(**options)


def _stated(what: str, own: Any, code: UserCode, family: str, sees_all: bool) -> Stated:
    families = getattr(own, "families", None)
    if families is not None:
        names = [families] if isinstance(families, str) else families
        if not isinstance(names, Collection) or not all(isinstance(name, str) for name in names):
            raise InputError(f"{what}: attribute 'families': expected names of families, got {families!r}")
        if family not in names:
            raise InputError(f"{what}: its families are {', '.join(names)}, not {family}")
    deterministic = getattr(own, "deterministic", True)
    if not isinstance(deterministic, bool):
        raise InputError(f"{what}: attribute 'deterministic': expected True or False, got {deterministic!r}")
    hindsight = sees_all and get_family(family).stochastic
    information: Information = getattr(own, "information", "clairvoyant" if hindsight else "causal")
    check_choice(f"{what}: attribute 'information'", information, KNOWLEDGE)
    file = getattr(code.module, "__file__", None)
    return Stated(code.digest, deterministic, information, (file,) if file else ())


def _try_options(what: str, env_id: str, kwargs: Mapping[str, Any]) -> None:
    """Refuse options that the environment does not have, before anything runs."""
    for key in ("instance", "instances", "generator", "num_envs", "render_mode"):
        if key in kwargs:
            raise InputError(f"{what}: option '{ENV}{key}' is not the rule's to give")
    if kwargs:
        try:
            gym.make(env_id, disable_env_checker=True, **kwargs)
        except Exception as error:
            raise InputError(f"{what}: {error}") from None


def _takes(function: Callable[..., Any], *args: Any, **kwargs: Any) -> bool:
    """Return whether a function can be called so; True if it does not say what it takes."""
    try:
        inspect.signature(function).bind(*args, **kwargs)
    except TypeError:
        return False
    except ValueError:
        return True
    return True


def _words(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value!r}" for key, value in options.items()) or "no options"


def _few(actions: NDArray[np.int64], most: int = 8) -> str:
    more = f" and {len(actions) - most} more" if len(actions) > most else ""
    return ", ".join(map(str, actions[:most])) + more


METHODS = (
    MethodType(
        kind="python",
        name=ANY_NAME,
        family=ANY_FAMILY,
        about="a class of your own with solve(instance, *, objective, seed): MODULE:CLASS or path/to/file.py:CLASS",
        options={},
        build=build_python,
        spelling=plain_name,
        further=Further("", "keyword argument of your class"),
    ),
    MethodType(
        kind="rule-file",
        name=ANY_NAME,
        family=ANY_FAMILY,
        about="a rule of your own on the observation: the path of a file that defines score(obs) or act(obs)",
        options={"env": Option(str, None, "the environment; the family's main one")},
        build=build_rule_file,
        spelling=plain_name,
        further=Further(ENV, "keyword argument of the environment, such as env_preset"),
    ),
)
