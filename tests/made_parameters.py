"""params.yaml as the tests know it: the project's, at the preview's scale and with the seeds that it came with.

A user who has set another scale or other seeds still has tests that pass.
"""

import re
from pathlib import Path

LINES = {
    r"^scale: *\w+": "scale: preview",
    r"^cohorts: .*\]": 'cohorts: ["0-4"]',
    r"^(  recommender-synthetic: \{environments: )\[[^]]*\]": r"\1[]",
}
"""What `make paper` sets, and README's way to more seeds; and what the tests put in their place."""


def text() -> str:
    content = (Path(__file__).resolve().parent.parent / "params.yaml").read_text()
    for pattern, line in LINES.items():
        content, count = re.subn(pattern, line, content, flags=re.MULTILINE)
        assert count == 1, f"params.yaml has no line like {pattern}"
    return content


def written(folder: Path) -> Path:
    """The file in `folder`."""
    path = folder / "params.yaml"
    path.write_text(text())
    return path
