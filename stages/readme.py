"""Write the verdict table of README.md from the claims that the runs judged.

inputs   results/SCALE/claims.json, README.md with the two marks
outputs  README.md, what stands between the marks

No stage of the graph: `make readme` runs it after a study.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from jsae import pages
from jsae.errors import JsaeError
from jsae.files import write_atomically
from stages import _main, paths

README = Path("README.md")
BEGIN, END = "<!-- verdicts: begin -->", "<!-- verdicts: end -->"


def main(arguments: Sequence[str]) -> None:
    scale = _main.parser(__doc__, "scale").parse_args(arguments).scale
    path = paths.claims(scale)
    if not path.exists():
        raise JsaeError(f"{path} is missing: run `make reproduce` at that scale first")
    text = with_table(README.read_text(), pages.verdicts_markdown(json.loads(path.read_text()), scale))
    with write_atomically(README) as temporary:
        temporary.write_text(text)


def with_table(text: str, table: str) -> str:
    """`text` with `table` between the marks. Raises JsaeError where they do not stand once each, in order."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise JsaeError(f"README.md needs one {BEGIN} and, below it, one {END}")
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{table}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    _main.run(main)
