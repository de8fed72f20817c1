"""From params.yaml to an environment of the library."""

from typing import Any

from jsae.config.errors import JsaeError
from jsae.config.parameters import AnyEnvironment, Parameters
from stages import paths


def chosen(settings: Parameters, name: str) -> AnyEnvironment:
    """The section of params.yaml of environment `name`."""
    if name not in settings.environments:
        raise JsaeError(f"{paths.PARAMETERS}: environments has no {name}; it has {', '.join(settings.environments)}")
    return settings.environments[name]


def arguments(environment: AnyEnvironment) -> dict[str, Any]:
    """Arguments of the environment's constructor."""
    values = environment.dynamics.model_dump()
    if environment.module == "recommender":
        values["model_path"] = paths.transitions(environment.store)
    return values
