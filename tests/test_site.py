"""The API reference: what public names must say of themselves, and that the site is built without a warning."""

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jsae import api
from tools import site

ROOT = Path(__file__).resolve().parents[1]


def public() -> Iterator[Any]:
    """Every public function and class of the modules that jsae.api takes its names from, as parameters of a test."""
    for module in site.modules("api"):
        found = importlib.import_module(module)
        for name in found.__all__:
            value = getattr(found, name)
            if inspect.isfunction(value) or inspect.isclass(value):
                yield pytest.param(value, id=f"{module}.{name}")


def methods(known: Any) -> list[Any]:
    """A function itself, or the public methods of a class that it does not inherit."""
    if inspect.isfunction(known):
        return [known]
    return [value for name, value in vars(known).items() if inspect.isfunction(value) and not name.startswith("_")]


@pytest.mark.parametrize("known", list(public()))
def test_arguments_and_errors_are_documented(known: Any) -> None:
    """A class documents its fields or the arguments of its constructor; methods that wrap Gymnasium's need not."""
    said = inspect.getdoc(known) or ""
    assert said
    for name in inspect.signature(known).parameters if not issubclass_of_exception(known) else ():
        assert name.startswith("_") or re.search(rf"\b{name}\b", said), f"{name} is not documented"
    for function in methods(known):
        described = inspect.getdoc(function) or ""
        assert described, function.__qualname__
        if "raise JsaeError" in inspect.getsource(function):
            assert "Raise" in described + said, f"{function.__qualname__}: errors are not documented"


def issubclass_of_exception(known: Any) -> bool:
    """Whether it is an error."""
    return inspect.isclass(known) and issubclass(known, Exception)


@pytest.mark.parametrize("name", [n for n in api.__all__ if n not in ("JsaeError",)])
def test_public_names_have_an_example(name: str) -> None:
    assert "    " in inspect.getdoc(getattr(api, name)).replace("Args:\n    ", ""), "give an example"
    assert "jsae." in inspect.getdoc(getattr(api, name))


@pytest.mark.parametrize("package", site.PACKAGES)
def test_public_modules_say_what_is_public(package: str) -> None:
    """A module with public names has `__all__`, and what it lists is there."""
    files = sorted((ROOT / "jsae" / package).glob("*.py")) or [ROOT / "jsae" / f"{package}.py"]
    for file in files:
        module = importlib.import_module(
            ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        )
        own = [
            name
            for name, value in vars(module).items()
            if getattr(value, "__module__", None) == module.__name__ and not name.startswith("_")
            if inspect.isfunction(value) or inspect.isclass(value)
        ]
        assert set(own) <= set(getattr(module, "__all__", ())), file
        assert all(hasattr(module, name) for name in getattr(module, "__all__", ()))


def test_the_page_of_a_package_has_all_of_its_modules() -> None:
    assert "::: jsae.library.fitting.fit\n" in site.page_of("api")
    assert all(f".{name}\n" in site.page_of("api") for name in api.__all__)
    assert "::: jsae.agents.vpg\n    options: {members: ['VPG', 'policy_gradient_loss']}\n" in site.page_of("agents")
    assert "members: ['chance_loss', " in site.page_of("library")  # fit itself is on the page of the API
