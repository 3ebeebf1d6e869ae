"""Methods with settings as words: `vista:threshold=-inf,resamples=0`, and grids of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import Field, fields, replace
from itertools import product
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from . import methods
from .errors import UserError
from .methods import Method
from .types import digest

TRUTH = {"true": True, "yes": True, "false": False, "no": False}


def variants(words: Sequence[str], grid: Sequence[str] = ()) -> dict[str, Method]:
    """Return methods by the words that name them; `grid` holds `setting=value,value,…`, crossed with each word.

    A word is a method's name, and after a colon settings that differ from its defaults. A setting of the grid
    is crossed with the methods that have it and do not name it themselves; the others stay as they are.
    Raises UserError for what is no method, setting or value, and where two words come to the same.
    """
    named = [split(word) for word in words]
    crossings = [crossing(entry) for entry in grid]
    for setting, _ in crossings:
        if named and not any(takes(name, said, setting) for name, said in named):
            raise UserError(f"--grid {setting}: no method here has such a setting open; {choices(named)}")
    found: dict[str, Method] = {}
    for name, said in named:
        axes = [[(s, v) for v in values] for s, values in crossings if takes(name, said, s)]
        for point in product(*axes):
            settings = {**said, **dict(point)}
            word = spelled(name, settings)
            made = method(name, settings)
            if twin := next((w for w, m in found.items() if m == made), None):
                raise UserError(f"{word} and {twin} are the same method with the same settings; name each once")
            found[word] = made
    return found


def split(word: str) -> tuple[str, dict[str, str]]:
    """Split `name:setting=value,setting=value`; dashes in names are underscores."""
    name, colon, rest = word.partition(":")
    said: dict[str, str] = {}
    for pair in rest.split(",") if colon else []:
        setting, equals, value = pair.partition("=")
        if not (setting and equals and value):
            raise UserError(f"{word!r}: {pair!r} is no setting; write METHOD:SETTING=VALUE,SETTING=VALUE")
        if identifier(setting) in said:
            raise UserError(f"{word!r} sets {setting!r} twice; set it once")
        said[identifier(setting)] = value
    return identifier(name), said


def crossing(entry: str) -> tuple[str, list[str]]:
    """Split `setting=value,value,…`."""
    setting, equals, rest = entry.partition("=")
    values = rest.split(",")
    if not (setting and equals and all(values)):
        raise UserError(f"--grid {entry!r} is no list of values; write SETTING=VALUE,VALUE,…")
    return identifier(setting), values


def identifier(word: str) -> str:
    """Write a name as Python does."""
    return word.replace("-", "_")


def takes(name: str, said: Mapping[str, str], setting: str) -> bool:
    """Whether a method has a setting that its word leaves open."""
    return setting in settings_of(methods.find(name)) and setting not in said


def choices(named: Sequence[tuple[str, Mapping[str, str]]]) -> str:
    """Say which settings the methods have."""
    return "; ".join(f"{name} has {', '.join(settings_of(methods.find(name)))}" for name, _ in named)


def spelled(name: str, settings: Mapping[str, str]) -> str:
    """Return the word of a method with settings."""
    return f"{name}:{','.join(f'{s}={v}' for s, v in settings.items())}" if settings else name


def settings_of(kind: type[Method]) -> dict[str, Field[Any]]:
    """Return the fields of a method by name."""
    return {f.name: f for f in fields(kind) if f.init}  # type: ignore[arg-type]  # a Method is a dataclass


def method(name: str, settings: Mapping[str, str]) -> Method:
    """Make a method with settings given as text; raises UserError for what it does not take."""
    kind = methods.find(name)
    known, hints = settings_of(kind), get_type_hints(kind)
    values: dict[str, object] = {}
    for setting, text in settings.items():
        if setting not in known:
            raise UserError(f"{name} has no setting {setting!r}; it has {', '.join(known)}")
        values[setting] = value_of(hints[setting], text, f"{name}:{setting}")
    try:
        return kind(**values)
    except UserError as error:
        raise UserError(f"{spelled(name, settings)}: {error}") from error


def value_of(hint: Any, text: str, what: str) -> object:
    """Read a value as the type of its setting; raises UserError with what it may be."""
    for kind in arms(hint):
        if kind is NoneType and text.lower() == "none":
            return None
        if get_origin(kind) is Literal:
            for value in get_args(kind):
                if str(value) == text:
                    return value
        if kind is bool and text.lower() in TRUTH:
            return TRUTH[text.lower()]
        if kind in (int, float):
            try:
                number = kind(text)
            except ValueError:
                continue
            if number == number:  # a NaN compares with nothing, so no setting can mean it
                return number
        if kind is str:
            return text
    raise UserError(f"{what}={text} cannot be used; give {' or '.join(map(told, arms(hint)))}")


def arms(hint: Any) -> list[Any]:
    """Return the types of a union, None first so that the word for it is never text."""
    if get_origin(hint) in (Union, UnionType):
        return sorted((arm for inner in get_args(hint) for arm in arms(inner)), key=lambda kind: kind is not NoneType)
    return [hint]


def told(kind: Any) -> str:
    """Say in words what a type takes."""
    if get_origin(kind) is Literal:
        return " or ".join(str(value) for value in get_args(kind))
    words = {NoneType: "none", bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    return words.get(kind, f"nothing on a command line: it is a {kind}")


def with_samples(chosen: Method, samples: int) -> Method:
    """Return the method with another number of attempts a task."""
    return replace(chosen, samples=samples)  # type: ignore[type-var]  # a Method is a dataclass


def folder_name(word: str) -> str:
    """Return a word as the name of a folder; words that differ have names that differ."""
    plain = word.replace(":", "-", 1)
    safe = re.sub(r"[^\w.=,+-]", "_", plain)
    return safe if safe == plain else f"{safe}-{digest(word)[:6]}"
