"""Environment files for jobs: a stand-in until jsae.experience.environment has load_environment."""

import json
from pathlib import Path
from typing import Any

import torch

from jsae.experience import environment


def written(path: Path, module: str, arguments: dict[str, Any]) -> Path:
    """A file with the environment of jsae/environments/`module`.py."""
    path.write_text(json.dumps([module, arguments]))
    return path


def load(path: Path, device: torch.device) -> environment.Environment:
    module, arguments = json.loads(path.read_text())
    return environment.build(module, arguments, device)


if not hasattr(environment, "load_environment"):
    environment.load_environment = load
