"""Options of a plugin: a dataclass, its JSON Schema, and values of the pipeline file put into it."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import io
import re
import sys
import tokenize
import typing
from datetime import timedelta
from pathlib import Path
from typing import Any, Dict, List, Optional, Union

from ._errors import ConfigError

_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_PLAIN = {bool: "boolean", int: "integer", float: "number", str: "string"}


class Duration(timedelta):
    """A length of time, which the pipeline file writes ``250ms``, ``3s``, ``1m``, ``2h`` or ``1d``."""

    @classmethod
    def parse(cls, text: str) -> "Duration":
        """Reads it.

        :raises ValueError: says what is allowed.
        """
        told = re.fullmatch(r"(\d+)(ms|s|m|h|d)", text)
        if told is None:
            raise ValueError(f'"{text}" is no duration; write e.g. 250ms, 3s, 1m, 2h or 1d')
        return cls(milliseconds=int(told.group(1)) * _UNITS[told.group(2)])

    def __str__(self) -> str:
        millis = self // timedelta(milliseconds=1)
        fitting = [(scale, unit) for unit, scale in _UNITS.items() if millis % scale == 0]
        scale, unit = max(fitting) if millis else (1, "ms")
        return f"{millis // scale}{unit}"


def schema(options: Optional[type]) -> Dict[str, Any]:
    """The JSON Schema of a dataclass of options; of none, that of a table without keys.

    :raises TypeError: names the field whose type cannot stand in a pipeline file.
    """
    properties: Dict[str, Any] = {}
    required: List[str] = []
    for field, annotation, described in _fields(options):
        try:
            property_of = _type_schema(annotation)
        except TypeError as error:
            raise TypeError(f"option {field.name}: {error}") from None
        if described:
            property_of["description"] = described
        if field.default is not dataclasses.MISSING:
            property_of["default"] = _as_json(field.default)
        elif field.default_factory is not dataclasses.MISSING:
            property_of["default"] = _as_json(field.default_factory())
        else:
            required.append(field.name)
        properties[field.name] = property_of
    result: Dict[str, Any] = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }
    if required:
        result["required"] = required
    return result


def read(options: Optional[type], values: Dict[str, Any], base_dir: Path) -> Any:
    """The dataclass with those values; paths count from the folder of the pipeline file.

    :raises ConfigError: names the option, its value, and what is allowed.
    """
    known = {field.name for field, _, _ in _fields(options)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ConfigError(f"options: there is no {', '.join(unknown)}")
    if options is None:
        return None
    given = {}
    for field, annotation, _ in _fields(options):
        if field.name in values:
            try:
                given[field.name] = _value(annotation, values[field.name], base_dir)
            except (TypeError, ValueError) as error:
                raise ConfigError(f"options: {field.name}: {error}") from None
    try:
        return options(**given)
    except (TypeError, ValueError) as error:
        # one that is missing, or that the class itself refuses
        raise ConfigError(f"options: {error}") from None


def _fields(options: Optional[type]) -> List[Any]:
    if options is None:
        return []
    if not dataclasses.is_dataclass(options):
        raise TypeError(f"{options.__name__} is no dataclass; write @dataclass before it")
    annotations = typing.get_type_hints(options)
    described = _comments(options)
    return [
        (field, annotations[field.name], described.get(field.name, ""))
        for field in dataclasses.fields(options)
    ]


def _comments(options: type) -> Dict[str, str]:
    """The comments ``#: ...`` before a field and behind it, by its name."""
    try:
        source = inspect.cleandoc("\n" + inspect.getsource(options))
    except (OSError, TypeError):
        return {}
    comments: Dict[str, str] = {}
    before: List[str] = []
    name, depth, at_start = "", 0, True
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and token.string.startswith("#:"):
            text = token.string[2:].strip()
            if name:
                comments[name] = f"{comments.get(name, '')} {text}".strip()
            else:
                before.append(text)
        elif token.type == tokenize.NEWLINE:
            name, at_start = "", True
        elif token.type == tokenize.NAME and at_start and depth == 0:
            name, at_start = token.string, False
            if before:
                comments[name] = " ".join(before)
                before = []
        elif token.type == tokenize.OP:
            depth += (token.string in "([{") - (token.string in ")]}")
            at_start = at_start and token.string == "@"
    return comments


def _type_schema(annotation: Any) -> Dict[str, Any]:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation in _PLAIN:
        return {"type": _PLAIN[annotation]}
    if annotation is Path:
        return {"type": "string"}
    if annotation is Duration:
        return {"type": "string", "format": "duration", "pattern": "^[0-9]+(ms|s|m|h|d)$"}
    if inspect.isclass(annotation) and issubclass(annotation, enum.Enum):
        return {"enum": [member.value for member in annotation]}
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin in (list, tuple) and arguments:
        return {"type": "array", "items": _type_schema(arguments[0])}
    if origin is dict and len(arguments) == 2 and arguments[0] is str:
        return {"type": "object", "additionalProperties": _type_schema(arguments[1])}
    if _is_union(origin):
        inner = [argument for argument in arguments if argument is not type(None)]
        if len(inner) == 1:
            return {"anyOf": [_type_schema(inner[0]), {"type": "null"}]}
        return {"anyOf": [_type_schema(argument) for argument in inner]}
    raise TypeError(
        f"its type {annotation} cannot stand in a pipeline file; use bool, int, float, str, Path, "
        "Duration, an Enum, a Literal, or lists and Optional of them"
    )


def _is_union(origin: Any) -> bool:
    if origin is Union:
        return True
    # `X | Y` of newer versions
    return sys.version_info >= (3, 10) and origin is __import__("types").UnionType


def _value(annotation: Any, value: Any, base_dir: Path) -> Any:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is Path:
        return base_dir / _checked(str, value)
    if annotation is Duration:
        return Duration.parse(_checked(str, value))
    if annotation is float:
        return float(_checked((int, float), value))
    if annotation in _PLAIN:
        return _checked(annotation, value)
    if inspect.isclass(annotation) and issubclass(annotation, enum.Enum):
        return annotation(value)
    if origin is typing.Literal and value not in arguments:
        raise ValueError(f"{value!r} is none of {', '.join(map(repr, arguments))}")
    if origin in (list, tuple):
        return origin(_value(arguments[0], item, base_dir) for item in _checked(list, value))
    if origin is dict:
        table = _checked(dict, value)
        return {key: _value(arguments[1], item, base_dir) for key, item in table.items()}
    if _is_union(origin):
        return _of_union(arguments, value, base_dir)
    return value


def _of_union(alternatives: Any, value: Any, base_dir: Path) -> Any:
    if value is None:
        return None
    fault: Optional[Exception] = None
    for alternative in alternatives:
        if alternative is not type(None):
            try:
                return _value(alternative, value, base_dir)
            except (TypeError, ValueError) as error:
                fault = error
    raise fault if fault else TypeError(f"{value!r} fits nothing")


def _checked(wanted: Any, value: Any) -> Any:
    is_bool = isinstance(value, bool)
    if isinstance(value, wanted) and (not is_bool or wanted is bool):
        return value
    names = wanted if isinstance(wanted, tuple) else (wanted,)
    raise TypeError(f"{value!r} is no {' or '.join(name.__name__ for name in names)}")


def _as_json(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (Path, Duration)):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [_as_json(item) for item in value]
    if isinstance(value, dict):
        return {key: _as_json(item) for key, item in value.items()}
    return value
