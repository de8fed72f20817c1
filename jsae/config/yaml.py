"""Reading YAML files that people write."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from jsae.config.errors import JsaeError


def read_yaml(path: Path) -> Any:
    """What a YAML file holds. Raises JsaeError if it is missing or no YAML."""
    try:
        return YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise JsaeError(f"{path} is missing: run from the project's folder") from None
    except (OSError, UnicodeDecodeError) as error:
        raise JsaeError(f"{path} cannot be read ({error}): restore it from git") from None
    except MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise JsaeError(f"{path} is not YAML{line}: {error.problem}") from None
    except (YAMLError, ValueError, RecursionError) as error:  # ValueError: a date that no calendar has
        raise JsaeError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
