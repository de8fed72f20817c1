"""The worked example of docs/extending.md, followed to the letter in a copy of the project with a smaller budget."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from dvc.repo import Repo

from jsae.io import checkpoint
from stages import paths
from tests import made_parameters

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("dvc.yaml", ".dvcignore", "jsae", "stages", "requirements", "search", "data/calibration")


@pytest.mark.slow
def test_the_example_trains_what_it_says(tmp_path: Path) -> None:
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / name, tmp_path / name)
    Repo.init(str(tmp_path), no_scm=True).close()
    text = (ROOT / "docs/extending.md").read_text()
    name = re.findall(r"`(jsae/embeddings/\w+\.py)`", text)[0]
    code, change, command = (re.findall(rf"```{kind}\n(.*?)```", text, re.S)[0] for kind in ("python", "yaml", "sh"))
    assert len((code + change + command).splitlines()) <= 30
    (tmp_path / name).write_text(code)

    parameters = made_parameters.text()
    before = "    embeddings: [separate, state_only, action_only]\n"
    head, family, tail = parameters.partition("  slot-machine-ablations:\n")
    assert before in tail
    tail = tail.replace(before, change, 1)
    head = head.replace("pretraining_samples: 30000", "pretraining_samples: 300")
    head = re.sub(r"epochs: \{preview: \d+", "epochs: {preview: 1", head)
    (tmp_path / "params.yaml").write_text(head + family + tail)

    words = shlex.split(command)
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DVC_NO_ANALYTICS": "1",
    }
    ended = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    cell = ("slot-machine", "vpg", "random_actions", "0-4")
    curves = pl.read_parquet(tmp_path / paths.curves("preview", *cell))
    assert curves["seed"].to_list() == [0, 1, 2, 3, 4]
    learnt, _ = checkpoint.load(tmp_path / paths.embedding("preview", "slot-machine", "random_actions", "0-4"))
    start_of_g, start_of_t = 4096**-0.5, (16 + 4) ** -0.5  # entries start uniform in ± these
    assert learnt["g"].abs().max() <= start_of_g
    assert learnt["transition"].abs().max() > start_of_t
