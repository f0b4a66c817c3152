"""The block of comments that says what a plugin is. The host has read it as TOML before."""

from __future__ import annotations

import ast
import re
import sys
from typing import Dict

_BLOCK = re.compile(r"^# /// dataserver[ \t]*\n((?:#(?: .*)?\n)*?)# ///[ \t]*$", re.MULTILINE)
_ENTRY = re.compile(r"""^# (\w+)[ \t]*=[ \t]*("(?:[^"\\\n]|\\.)*"|'[^'\n]*'|\d+)[ \t]*(?:#.*)?$""", re.MULTILINE)


def read(file: str) -> Dict[str, str]:
    """Texts and numbers of the block of that file, as texts.

    :raises SystemExit: when there is none.
    """
    with open(file, encoding="utf-8") as source:
        found = _BLOCK.search(source.read())
    if found is None:
        sys.exit(f"{file} has no block `# /// dataserver`; see docs/PYTHON_PLUGINS.md")
    block = {key: str(ast.literal_eval(value)) for key, value in _ENTRY.findall(found.group(1))}
    missing = [key for key in ("id", "kind", "version", "api") if key not in block]
    if missing:
        sys.exit(f"{file}: the block `# /// dataserver` has no {', '.join(missing)}")
    return block


def check_python(requirement: str) -> None:
    """Compares the interpreter with what the plugin asks for, e.g. ``>=3.9,<4``.

    :raises SystemExit: when it is another one.
    """
    have = sys.version_info[:2]
    for part in filter(None, (part.strip() for part in requirement.split(","))):
        told = re.fullmatch(r"(>=|<=|==|!=|>|<|~=)\s*(\d+)(?:\.(\d+))?(?:\.\d+|\.\*)?", part)
        if told is None:
            sys.exit(f"python = {requirement!r} is no requirement; write e.g. '>=3.9'")
        wanted = (int(told.group(2)), int(told.group(3) or 0))
        fits = {
            ">=": have >= wanted,
            "<=": have <= wanted,
            "==": have == wanted,
            "!=": have != wanted,
            ">": have > wanted,
            "<": have < wanted,
            "~=": have >= wanted and have[0] == wanted[0],
        }
        if not fits[told.group(1)]:
            sys.exit(
                f"the plugin needs Python {requirement}, and {sys.executable} is "
                f"{have[0]}.{have[1]}; make a .venv beside the file with another one, or set "
                "[host] python"
            )
