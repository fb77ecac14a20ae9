"""The errors a user meets: each names the file, line or field and what was expected."""

from collections.abc import Iterable


class InputError(ValueError):
    """Input that cannot be used: a malformed file, a wrong shape, an unknown option, an impossible pair of options."""


class UnknownOptionError(InputError, TypeError):
    """An unknown constructor argument; a TypeError too, since TorchRL probes environments with extra arguments."""


class IllegalActionError(ValueError):
    """An action that the mask forbids, raised only under ``strict=True``."""


class MissingExtraError(ImportError):
    """A package of an optional extra is absent; the message carries the install command."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed; get it with: pip install 'ganttlet[{extra}]'")


def check_choice(what: str, value: object, choices: Iterable[object]) -> None:
    """Raise InputError naming ``what`` unless ``value`` is one of ``choices``."""
    known = [str(choice) for choice in choices]
    if value not in known:
        raise InputError(f"{what}: unknown value {value!r}; expected one of {', '.join(known)}")


def check_keys(what: str, given: Iterable[object], known: Iterable[object]) -> None:
    """Raise InputError naming ``what`` and the first key of ``given`` that is not in ``known``."""
    allowed = [str(key) for key in known]
    for key in given:
        if key not in allowed:
            raise InputError(f"{what}: unknown key {key!r}; expected one of {', '.join(allowed)}")


def check_options(owner: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raise UnknownOptionError for the first constructor argument in ``given`` that is not in ``known``."""
    allowed = list(known)
    for key in given:
        if key not in allowed:
            expected = ", ".join(allowed)
            raise UnknownOptionError(
                f"{owner}() got an unexpected keyword argument {key!r}; expected one of {expected}"
            )
