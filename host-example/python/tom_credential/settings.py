"""A provider's settings: a dataclass, the JSON Schema that hosts are told, and the check of what they send."""

import dataclasses
import datetime
import json
import re
import types
import typing

from .error import Error, Reason
from .secret import Secret

_DURATION = r"^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$"
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}
_TYPES = {
    str: ("string", "a string"),
    Secret: ("string", "a string"),
    datetime.timedelta: ("string", 'a duration such as "5s" or "1m30s"'),
    bool: ("boolean", "true or false"),
    int: ("integer", "a whole number"),
    float: ("number", "a number"),
    list[str]: ("array", "a list of strings"),
}


def setting(description, *, default=dataclasses.MISSING, pattern=None, choices=None, minimum=None, maximum=None, empty_allowed=False):
    """One setting, a field of the settings dataclass. Without a default it is required.

    Its type is str, bool, int, float, list[str], datetime.timedelta (written as "1m30s"), Secret, or one of these or None.
    pattern, choices, minimum and maximum bound it. An empty string counts as not set, unless empty_allowed.
    """
    bounds = {"pattern": pattern, "enum": choices, "minimum": minimum, "maximum": maximum, "minLength": 0 if empty_allowed else None}
    about = {"description": description, **{name: bound for name, bound in bounds.items() if bound is not None}}
    if isinstance(default, list):
        return dataclasses.field(default_factory=default.copy, metadata=about)
    return dataclasses.field(default=default, metadata=about)


class Form:
    """The schema of a settings dataclass, and what makes one from settings as they were sent."""

    def __init__(self, kind):
        """Its errors are the author's mistakes."""
        self._kind = kind
        self._types, self._properties, self._required = {}, {}, []
        hints = typing.get_type_hints(kind) if kind else {}
        for field in dataclasses.fields(kind) if kind else ():
            self._add(field, hints[field.name])

    def _add(self, field, kind):
        if isinstance(kind, types.UnionType) and len(kind.__args__) == 2 and types.NoneType in kind.__args__:
            kind = next(one for one in kind.__args__ if one is not types.NoneType)
        if kind not in _TYPES:
            raise TypeError(f"setting {field.name}: type {kind} can't be a setting")
        if not re.fullmatch("[a-z][a-z0-9_]*", field.name) or not field.metadata.get("description"):
            raise TypeError(
                f"setting {field.name}: it needs a name of lower-case letters, digits and underscores, and setting(description)"
            )
        about = {"type": _TYPES[kind][0], **field.metadata}
        if kind is Secret:
            about["writeOnly"] = True
        elif kind is datetime.timedelta:
            about["pattern"] = _DURATION
        elif kind == list[str]:
            about["items"] = {"type": "string", **{name: about.pop(name) for name in ("pattern", "enum") if name in about}}
        default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        if default is dataclasses.MISSING:
            self._required.append(field.name)
        elif isinstance(default, datetime.timedelta):
            about["default"] = f"{default.total_seconds():g}s"
        elif default not in (None, "", []) and kind is not Secret:
            about["default"] = default
        self._types[field.name], self._properties[field.name] = kind, about

    @property
    def schema(self):
        """The JSON Schema; empty if there are no settings."""
        if not self._properties:
            return ""
        return json.dumps(
            {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "type": "object",
                "properties": self._properties,
                "required": self._required,
                "additionalProperties": False,
            }
        )

    def decode(self, values):
        """Makes the dataclass, or raises SETTINGS_INVALID that names everything that is wrong and quotes no value."""
        settings, wrong = {}, {}
        for name, value in values.items():
            if name not in self._types:
                there = ", ".join(sorted(self._types))
                wrong[name] = f"no such setting; there are: {there}" if there else "no such setting; the provider takes none"
            elif value == "" and "minLength" not in self._properties[name]:
                continue  # hosts don't send it; it means "not set"
            elif not self._fits(name, value):
                wrong[name] = "must be " + self._expectation(name)
            else:
                settings[name] = _convert(self._types[name], value)
        wrong.update({name: "must be set" for name in self._required if name not in settings and name not in wrong})
        if wrong:
            raise Error(Reason.SETTINGS_INVALID, "the settings are refused", violations=dict(sorted(wrong.items())))
        return self._kind(**settings) if self._kind else None

    def _fits(self, name, value):
        about, kind = self._properties[name], self._types[name]
        if kind == list[str]:
            return isinstance(value, list) and all(isinstance(item, str) and _within(about["items"], item) for item in value)
        if kind in (int, float):
            number = isinstance(value, float) and (kind is float or value.is_integer())
            return number and about.get("minimum", value) <= value <= about.get("maximum", value) and _within(about, value)
        return isinstance(value, bool if kind is bool else str) and _within(about, value)

    def _expectation(self, name):
        about = self._properties[name]
        text = _TYPES[self._types[name]][1]
        bounds = about.get("items", about)
        if "enum" in bounds:
            text += ", one of " + ", ".join(map(str, bounds["enum"]))
        if "pattern" in bounds and bounds["pattern"] != _DURATION:
            text += f" that matches {bounds['pattern']}"
        if "minimum" in about:
            text += f" of at least {about['minimum']}"
        if "maximum" in about:
            text += f" of at most {about['maximum']}"
        return text


def _within(about, value):
    return ("enum" not in about or value in about["enum"]) and ("pattern" not in about or bool(re.search(about["pattern"], value)))


def _convert(kind, value):
    if kind is datetime.timedelta:
        return datetime.timedelta(seconds=sum(float(n) * _UNITS[unit] for n, unit in re.findall(r"([0-9.]+)([a-zµ]+)", value)))
    return kind(value) if kind in (int, float, Secret) else value
