"""What the wheel holds: types, docstrings, and nothing newer than Python 3.9."""

from __future__ import annotations

import ast
import inspect
import logging
from pathlib import Path

import pytest

import dataserver as ds
from dataserver import _native

FOLDER = Path(ds.__file__).parent
OWN = [file for file in FOLDER.glob("*.py*") if file.suffix in (".py", ".pyi")]


@pytest.mark.parametrize("file", OWN, ids=lambda file: file.name)
def test_sources_are_those_of_python_3_9(file):
    ast.parse(file.read_text(), feature_version=(3, 9))


def test_the_wheel_is_typed_and_for_every_python_from_3_9_on():
    assert (FOLDER / "py.typed").exists() and (FOLDER / "_native.pyi").exists()
    [module] = FOLDER.glob("_native*.so")
    assert module.name == "_native.abi3.so"
    [info] = FOLDER.parent.glob("dataserver-*.dist-info")
    assert "Tag: cp39-abi3-" in (info / "WHEEL").read_text()
    assert "Requires-Python: >=3.9" in (info / "METADATA").read_text()
    needed = [line for line in (info / "METADATA").read_text().splitlines() if line.startswith("Requires-Dist")]
    assert all("extra ==" in line for line in needed), needed


def test_the_stubs_name_what_there_is():
    told = ast.parse((FOLDER / "_native.pyi").read_text())
    described = {it.name: it for it in told.body if isinstance(it, (ast.ClassDef, ast.FunctionDef))}
    there = {name for name in vars(_native) if not name.startswith("__")}
    assert set(described) == there
    for name, described_class in described.items():
        if isinstance(described_class, ast.ClassDef):
            members = {it.name for it in described_class.body if isinstance(it, ast.FunctionDef)}
            missing = {it for it in members if not hasattr(getattr(_native, name), it)}
            public = {it for it in vars(getattr(_native, name)) if not it.startswith("__")}
            assert not missing and public <= members, (name, missing, public - members)


def test_everything_that_users_see_has_a_docstring():
    for name in ds.__all__:
        thing = getattr(ds, name)
        if not (inspect.isclass(thing) or inspect.isfunction(thing)):
            continue
        assert inspect.getdoc(thing), name
        for member, value in vars(thing).items() if inspect.isclass(thing) else ():
            is_call = inspect.isfunction(value) or isinstance(value, (property, classmethod))
            if is_call and not member.startswith("_"):
                assert inspect.getdoc(value), f"{name}.{member}"


def test_every_exception_is_one_of_the_packages_and_one_that_python_knows():
    for name in ds.__all__:
        thing = getattr(ds, name)
        if inspect.isclass(thing) and issubclass(thing, Exception) and thing is not ds.DataserverError:
            assert issubclass(thing, ds.DataserverError)
            builtin = [base for base in thing.__mro__ if base.__module__ == "builtins"]
            assert len(builtin) > 3, name


def test_the_log_is_pythons():
    assert logging.getLogger("dataserver").handlers == []
