"""Between DVC and Snakemake: DVC knows what is stale and what is done, Snakemake runs it in parallel.

dvc.yaml is the only graph. A run has three steps, and may be killed in each:

    begin       in Snakemake's main process: record what a killed run finished, restore from the run-cache what it has,
                run the eager stages, and freeze the rest in PLAN, one entry per stage
    run STAGE   in each job: run the stage's command, write its log, write its fingerprint
    end         in the main process: record the finished stages in dvc.lock and in the run-cache, with one write

A fingerprint is the digest of everything that the stage used: command, parameters, contents of its dependencies, names
of its outputs. Jobs read the plan, never dvc.yaml. A stage whose fingerprint differs from what is in the folder at the
end of the run is not recorded, and runs again the next time.
"""

import atexit
import contextlib
import fcntl
import functools
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from stages import end_with_parent
from workflow import starter

HOME = Path(".snakemake/jsae")
PLAN, LOCK, FINGERPRINTS = HOME / "plan.json", HOME / "lock", HOME / "fingerprints"
PARAMETERS = "params.yaml"
GRAPH = "dvc.yaml"
"""The graph of the study."""
SEARCH = Path("search/graph.yaml")
"""The graph of the search, which runs on request only: DVC does not see it, unless `opened` shows it to DVC."""
FAILED = "failed: "
"""How the last line of a failed stage's log starts."""
AFTER = "after "
"""How the reason of a stage starts that is itself unchanged and comes after a stage that runs."""
SHOWN = 12
"""Reasons that are printed: a dry run and `dvc status` say them all."""
EAGER = ("settings",)
"""Quick stages that run while the plan is made: most other stages depend on what they write."""

Plan = dict[str, dict[str, Any]]
"""By stage: cmd, params {key: value}, deps [path], outs [path], persist [path], needs [stage], why; fixed, the digests
of the dependencies that no stage of this run writes; parameters, the MD5 of params.yaml; recorded, the fingerprint that
dvc.lock has for the outputs in place, null if it has none."""


class BridgeError(Exception):
    """An error that a user can fix, in one sentence."""


def kind(stage: str) -> str:
    """The first word of a stage's name, by which profiles set resources: "train" of train@slot-machine-vpg-jsae-0-4."""
    return re.split("[-@]", stage)[0]


def kinds(*graphs: str) -> list[str]:
    """Kinds of the stages of these graphs, from the names in the files."""
    texts = (Path(graph).read_text(encoding="utf-8") for graph in graphs)
    return sorted({kind(name) for text in texts for name in re.findall(r"^  ([\w-]+):", text, re.MULTILINE)})


def fingerprint(stage: str) -> str:
    return f"{FINGERPRINTS}/{stage}.json"


def log(stage: str) -> str:
    return f"logs/{stage}.log"


def say(text: str) -> None:
    print(f"dvc: {text}", file=sys.stderr, flush=True)


def without_commit() -> str:
    """Why git does not tell the commit of this folder, which has a repository, in one line; empty if it does."""
    if not Path(".git").exists():
        return ""
    try:
        asked = subprocess.run(
            ["git", "rev-parse", "--verify", "HEAD"],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except OSError:
        return "git cannot be started: install it"
    said = (asked.stderr.splitlines() or [""])[0]
    if "dubious ownership" in said:
        return f"this folder is another user's: git config --global --add safe.directory {shlex.quote(str(Path.cwd()))}"
    return f"git says: {said}" if asked.returncode else ""


def _use_this_python() -> None:
    """The "python" of commands is the one that runs this."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


# ---- in the main process: with DVC -----------------------------------------------------------------------------------


def begin(graph: str = GRAPH, *, dry: bool) -> Plan:
    """The stages to run, of a graph and of what it needs, in DVC's order. A dry call changes nothing.

    Raises BridgeError if another run is at work here, or if DVC cannot read the project.
    """
    if not dry:
        _be_alone()
        _use_this_python()
        if problem := without_commit():
            say(f"warning: records of this run will not name the commit of the code: {problem}")
        PLAN.unlink(missing_ok=True)  # of the run before
    with opened(locked=not dry) as repo:
        if not dry:
            _keep_dvc_off(repo)
            _drop_leftovers(repo)
            _record(repo)
        plan = _plan(repo, graph, dry)
        if not dry:
            _write(PLAN, json.dumps(plan, indent=1, ensure_ascii=False))
    for number, (stage, entry) in enumerate(plan.items()):
        may = entry["why"].startswith(AFTER)  # only if what comes before changes its files
        if dry or number < SHOWN:
            say(f"{'may run' if may else 'would run' if dry else 'to run'}: {stage} ({entry['why']})")
    say(f"{len(plan)} stages to run" if plan else "every stage is up to date")
    return plan


def end() -> None:
    """Record what has finished."""
    with opened() as repo:
        _record(repo)


@contextlib.contextmanager
def opened(*, locked: bool = True) -> Iterator[Any]:
    """DVC's view of the project, the search included; without its lock, for reading only, no file changes.

    Raises BridgeError in place of DVC's own errors and of a full disk.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with _shown(SEARCH), Repo() as repo, repo.lock if locked else contextlib.nullcontext():
            try:
                _name_hashes(repo.index.stages)
            except (AttributeError, KeyError, TypeError, ValueError) as error:  # DVC expects values of the right type
                raise BridgeError(f"DVC: dvc.yaml cannot be filled with these parameters: {error!r}") from error
            yield repo
    except (DvcException, OSError) as error:
        raise BridgeError(f"DVC: {error}") from error


def _name_hashes(stages: Iterable[Any]) -> None:
    """DVC takes a new dependency of a recorded stage for one of DVC 2, which hashes text without its line ends."""
    for item in (item for stage in stages for item in (*stage.deps, *stage.outs)):
        if item.hash_name == "md5-dos2unix" and not item.hash_info:
            item.hash_name = "md5"


@contextlib.contextmanager
def _shown(graph: Path) -> Iterator[None]:
    """Let DVC see a graph, which must be called dvc.yaml for it, while the block runs."""
    name = graph.with_name(GRAPH)
    if graph.exists():
        shutil.copyfile(graph, name)
    try:
        yield
    finally:
        if graph.exists():
            name.unlink(missing_ok=True)


def ordered(repo: Any, graph: str = GRAPH) -> list[Any]:
    """Stages of a graph, and those of others that it needs, in the order in which `dvc repro GRAPH` runs them.

    Raises BridgeError if it has none: DVC would take them all.
    """
    from dvc.repo.reproduce import plan_repro

    path = Path(graph).with_name(GRAPH).as_posix()
    wanted = [stage for stage in repo.index.stages if stage.path_in_repo == path]
    if not wanted:
        raise BridgeError(f"DVC finds no stage in {graph}: either there is nothing to run, or git ignores {path}")
    return [stage for stage in plan_repro(repo.index.graph, wanted) if stage.cmd]


def why(stage: Any) -> str:
    """What DVC finds changed in a stage, in words; empty if nothing has."""
    if not any(item.hash_info for item in (*stage.deps, *stage.outs)):
        return "it has not run yet"
    found = []
    status = type(stage).status.__wrapped__  # without the lock for readers, which is a file
    for change in status(stage).get(stage.addressing, []):
        if isinstance(change, str):
            found.append("its command changed" if change == "changed checksum" else change)
            continue
        for entries in change.values():
            for path, state in entries.items():
                named = state.items() if isinstance(state, dict) else [(path, state)]  # one by one: parameters
                found += [f"{name} is {'missing' if word == 'deleted' else word}" for name, word in named]
    return "; ".join([*found[:3], *([f"and {len(found) - 3} more"] if len(found) > 3 else [])])


def _plan(repo: Any, which: str, dry: bool) -> Plan:
    """Every stage that is stale or comes after one, except those that the run-cache has: they are restored."""
    plan: Plan = {}
    restored: dict[str, Any] = {}  # and the eager stages
    graph = repo.index.graph
    for stage in ordered(repo, which):
        ahead = sorted(up.name for up in graph.successors(stage))
        needs = [name for name in ahead if name in plan]
        unsure = [name for name in ahead if name in restored] if dry else []
        changed = why(stage)
        if not (needs or unsure or changed):
            continue
        if not needs and changed and _in_run_cache(stage):
            restored[stage.name] = stage
            say(f"{'would be restored' if dry else 'restored'} from the run-cache: {stage.name} ({changed})")
            if not dry:
                stage.run()
            continue
        if kind(stage.name) in EAGER and not needs and not dry:
            say(f"runs first: {stage.name} ({changed})")
            stage.run()
            restored[stage.name] = stage
            continue
        later = f"{AFTER}{(needs + unsure)[0]}" if needs or unsure else ""
        plan[stage.name] = {"needs": needs, "why": "; ".join(filter(None, [changed, later]))}
        if not dry:
            plan[stage.name] |= _frozen(stage, [Path(out) for need in needs for out in plan[need]["outs"]])
    if not dry:
        _lock(repo, restored)
    return plan


def _frozen(stage: Any, made: list[Path]) -> dict[str, Any]:
    """What the plan says of a stage; made: the outputs that stages before it write in this run."""
    parameters = [dep for dep in stage.deps if dep.def_path == PARAMETERS]
    deps = {dep.def_path: dep for dep in stage.deps if dep.def_path != PARAMETERS}
    fixed = {
        path: dep.get_hash().value
        for path, dep in deps.items()
        if dep.exists and not any(out.is_relative_to(path) or Path(path).is_relative_to(out) for out in made)
    }
    return {
        "cmd": stage.cmd,
        "params": {key: value for dep in parameters for key, value in dep.get_hash().value.items()},
        "deps": list(deps),
        "fixed": fixed,
        "outs": [out.def_path for out in stage.outs],
        "persist": [out.def_path for out in stage.outs if out.persist],
        "parameters": md5(Path(PARAMETERS)) if parameters else None,
        "recorded": None if stage.changed_stage() or stage.changed_outs() else _digest(stage, recorded=True),
    }


def _in_run_cache(stage: Any) -> bool:
    """Whether DVC can restore the outputs for the present inputs; leaves the stage as it was."""
    from dvc.stage.cache import _can_hash

    if stage.already_cached() and all(out.hash_info for out in stage.outs):
        return True
    before = [dep.hash_info for dep in stage.deps]
    try:
        if not all(dep.exists for dep in stage.deps):
            return False
        stage.save_deps()
        entry = stage.repo.stage_cache._load(stage) if _can_hash(stage) else None
        return entry is not None and stage.repo.stage_cache._create_stage(entry, wdir=stage.wdir).outs_cached()
    finally:
        for dep, info in zip(stage.deps, before, strict=True):
            dep.hash_info = info


def _record(repo: Any) -> None:
    """Put the stages whose fingerprints are still true into the cache and into dvc.lock; remove their fingerprints.

    Those of stages that dvc.yaml does not list now, because another scale or panel was chosen, wait until it does.
    """
    done = {}
    for stage in repo.index.stages:
        name = stage.name
        if not (stage.cmd and Path(fingerprint(name)).exists()):
            continue
        present = all(item.exists for item in (*stage.deps, *stage.outs))
        if present and Path(fingerprint(name)).read_text(encoding="utf-8") == _digest(stage, recorded=False):
            stage.save(run_cache=all(out.use_cache or out.is_metric or out.is_plot for out in stage.outs))
            stage.commit()
            done[name] = stage
        else:
            say(f"not recorded: {name} (what it reads has changed since, or its outputs are gone)")
    _lock(repo, done)
    for stage in repo.index.stages:
        Path(fingerprint(stage.name)).unlink(missing_ok=True)
    FINGERPRINTS.mkdir(parents=True, exist_ok=True)
    if waiting := sum(path.is_file() for path in FINGERPRINTS.iterdir()):
        say(f"{waiting} finished stages are of another scale or panel: they are recorded when it is chosen again")
    if done:
        say(f"recorded: {len(done)} stages")


def _lock(repo: Any, stages: dict[str, Any]) -> None:
    """Enter stages in the lock next to their graph, in the order in which `dvc repro` of a fresh clone enters them.

    DVC's own way writes the lock in place: a kill may cut it short.
    """
    from dvc.stage.serialize import to_single_stage_lockfile
    from dvc.utils.serialize import dumps_yaml, parse_yaml_for_update

    for graph in sorted({stage.path_in_repo for stage in stages.values()}):
        made = {name: to_single_stage_lockfile(s) for name, s in stages.items() if s.path_in_repo == graph}
        names = [stage.name for stage in ordered(repo, graph) if stage.path_in_repo == graph]
        path = Path(graph).with_suffix(".lock")
        lock: Any = parse_yaml_for_update(path.read_text(encoding="utf-8") if path.exists() else "", path)
        lock.setdefault("schema", "2.0")
        entries = {**lock.get("stages", {}), **made}
        lock["stages"] = {name: entries[name] for name in dict.fromkeys([*names, *entries]) if name in entries}
        _write(path, dumps_yaml(lock))


def _digest(stage: Any, *, recorded: bool) -> str:
    """The fingerprint of a stage: of what dvc.lock has recorded, or of what is in the folder now."""
    values = {dep.def_path: (dep.hash_info if recorded else dep.get_hash()).value for dep in stage.deps}
    parameters = values.pop(PARAMETERS, {})
    return digest(stage.cmd, parameters, values, [out.def_path for out in stage.outs])


def _be_alone() -> None:
    """Hold LOCK until this process ends, in whatever way. Raises BridgeError if another run holds it."""
    HOME.mkdir(parents=True, exist_ok=True)
    stream = LOCK.open("a+", encoding="utf-8")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        stream.seek(0)
        raise BridgeError(f"process {stream.read()} is running the stages in this folder: wait for it") from None
    except OSError as error:
        stream.close()
        raise BridgeError(
            f"this folder's file system cannot lock files ({error.strerror}), and two runs would disturb each other: "
            "have it mounted with locks (Lustre: the option flock), or put the project on another one"
        ) from None
    stream.truncate(0)
    stream.write(str(os.getpid()))
    stream.flush()
    atexit.register(stream.close)


def running() -> bool:
    """Whether a run is at work in this folder."""
    if not LOCK.exists():
        return False
    with LOCK.open(encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # no locks on this file system: no run either
            return False
    return False


def _keep_dvc_off(repo: Any) -> None:
    """Until this process ends, a `dvc repro` or `dvc checkout` in this folder is refused, and says by whom.

    DVC writes its list of readers and writers in place: a kill may cut it short, and DVC then refuses to work.
    """
    from dvc.lock import make_lock
    from dvc.rwlock import rwlock

    hardlink = repo.config["core"].get("hardlink_lock", False)
    path = Path(repo.tmp_dir) / "rwlock"
    with make_lock(f"{path}.lock", tmp_dir=repo.tmp_dir, hardlink_lock=hardlink):
        try:
            json.loads(path.read_text(encoding="utf-8") if path.exists() else "{}")
        except ValueError:
            path.unlink()
            say(f"{path} was cut short by a kill: made again")
    held = contextlib.ExitStack()
    held.enter_context(rwlock(repo.tmp_dir, repo.fs, " ".join(sys.argv), [repo.root_dir], [], hardlink))
    atexit.register(held.close)


def _drop_leftovers(repo: Any) -> None:
    """Entries of the run-cache that a kill has cut short: DVC would take the newest of them for whole."""
    for path in Path(repo.stage_cache.cache_dir).rglob("*.tmp"):
        path.unlink()
        say(f"{path} was cut short by a kill: removed")


# ---- in a job: without DVC -------------------------------------------------------------------------------------------


def read_plan() -> Plan:
    plan: Plan = json.loads(PLAN.read_text(encoding="utf-8"))
    return plan


def end_with(parent: int) -> None:
    """End with the process that started this one, even if it has ended already; 0: it is not known."""
    end_with_parent()
    if parent and os.getppid() != parent:
        os._exit(1)


def run(stage: str, parent: int = 0) -> int:
    """Run a stage of the plan as `dvc repro` would; returns the exit status. What it prints goes to its log.

    parent: the process that starts it; 0: it is not known.
    """
    end_with(parent)
    _use_this_python()
    start = time.monotonic()
    Path(log(stage)).parent.mkdir(exist_ok=True)
    with Path(log(stage)).open("w", encoding="utf-8", errors="replace") as stream:
        try:
            now = _run(stage, read_plan()[stage], stream)
            print(f"done in {time.monotonic() - start:.1f} s", file=stream, flush=True)
            _write(Path(fingerprint(stage)), now)
        except (BridgeError, OSError) as error:
            print(f"{FAILED}{error}", file=stream)
            return 1
    return 0


def _run(stage: str, entry: dict[str, Any], stream: TextIO) -> str:
    """Returns the fingerprint. Raises BridgeError if the stage fails, or if what it reads has been edited."""
    read = _read(entry, entry["fixed"], "after this run had started")
    now = digest(entry["cmd"], entry["params"], read, entry["outs"])
    if now == entry["recorded"]:
        print("what it reads came out as it was: nothing to do", file=stream)
    else:
        for out in entry["outs"]:
            if out not in entry["persist"]:
                _remove(Path(out))
        _command(stage, entry["cmd"], stream)
    for out in entry["outs"]:
        if not Path(out).exists():
            raise BridgeError(f"it ended well and did not write {out}")
    _read(entry, read, "while this stage ran")
    for need in entry["needs"]:  # Snakemake fails a job whose output is older than its input: a clock may jump back
        os.utime(fingerprint(need), (0, 0))
    return now


def _read(entry: dict[str, Any], expected: dict[str, str], when: str) -> dict[str, str]:
    """Digests of the dependencies of a stage. Raises BridgeError if one, or a parameter, is not as expected."""
    edited = [path for path, digest in expected.items() if md5(Path(path)) != digest]
    if entry["params"] and md5(Path(PARAMETERS)) != entry["parameters"] and _params(entry["params"]) != entry["params"]:
        edited.append(PARAMETERS)
    if edited:
        raise BridgeError(f"{edited[0]} was edited {when}; run again")
    return {path: expected.get(path) or md5(Path(path)) for path in entry["deps"]}


def _command(stage: str, command: str, stream: TextIO) -> None:
    """Run a command line, without a shell. Raises BridgeError if it fails."""
    environment = {**starter.environment(), "DVC_STAGE": stage, "DVC_ROOT": str(Path.cwd())}
    environment.setdefault("JSAE_WORKERS", environment.get("OMP_NUM_THREADS", "1"))  # Snakemake's: the job's threads
    print(f"> {command}", file=stream, flush=True)
    words = shlex.split(command)
    status = starter.ask(words[2:], environment, stream.fileno()) if words[:2] == ["python", "-m"] else None
    if status is None:
        words[0] = sys.executable if words[0] == "python" else words[0]
        process = subprocess.Popen(
            words,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            preexec_fn=functools.partial(end_with, os.getpid()),
        )
        while status is None:
            with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C reaches the stage too: wait for its end
                status = process.wait()
    if status:
        raise BridgeError(f"killed by signal {-status}" if status < 0 else f"exit status {status}")


def _params(keys: Iterable[str]) -> dict[str, Any]:
    """The present values of these keys of params.yaml, as the plan has them."""
    from ruamel.yaml import YAML

    document, values = YAML(typ="safe").load(Path(PARAMETERS)), {}
    for key in keys:
        value = document
        for part in key.split("."):
            value = value[part]
        values[key] = value
    read: dict[str, Any] = json.loads(json.dumps(values))
    return read


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _write(path: Path, text: str) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


# ---- digests ---------------------------------------------------------------------------------------------------------


def digest(command: str, params: dict[str, Any], deps: dict[str, str], outs: list[str]) -> str:
    """What a fingerprint holds: a SHA-256."""
    return hashlib.sha256(json.dumps([command, params, deps, sorted(outs)], sort_keys=True).encode()).hexdigest()


def md5(path: Path) -> str:
    """DVC's digest of a file or folder. Raises BridgeError if there is none."""
    if path.is_dir():
        files = [{"md5": md5(file), "relpath": name} for name, file in _files(path)]
        return hashlib.md5(json.dumps(files, sort_keys=True).encode()).hexdigest() + ".dir"
    if not path.exists():
        raise BridgeError(f"{path} is missing")
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "md5").hexdigest()


def _files(folder: Path) -> list[tuple[str, Path]]:
    """Files of a folder that DVC looks at, by relative path, sorted."""
    found = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not _is_ignored(Path(parent, name).as_posix(), is_folder=True)]
        paths = [Path(parent, name) for name in files if not _is_ignored(Path(parent, name).as_posix())]
        found += [(path.relative_to(folder).as_posix(), path) for path in paths if path.is_file()]
    return sorted(found)


def _is_ignored(path: str, *, is_folder: bool = False) -> bool:
    """Whether DVC leaves a file or folder out: the last pattern that fits it decides, as in dvc.ignore. Outside of the
    project, it looks at all."""
    if path.startswith("/"):
        return False
    for pattern, ignores, folders_only in _ignore_patterns():
        if is_folder and (pattern.match(path) or pattern.match(f"{path}/")):
            return ignores
        if not is_folder and not folders_only and pattern.match(path):
            return ignores
    return False


@functools.cache
def _ignore_patterns() -> list[tuple[re.Pattern[str], bool, bool]]:
    """DVC's own patterns and those of .dvcignore, the last first: what fits, whether it is ignored, whether for folders
    only. A .dvcignore in a subfolder is not read."""
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    path = Path(".dvcignore")
    own = path.read_text(encoding="utf-8").split("\n") if path.exists() else []
    lines = [".hg/", ".git/", ".git", ".dvc/", *own]
    found = []
    for line in map(str.strip, lines):
        pattern, ignores = GitIgnoreSpecPattern.pattern_to_regex(line)  # None: a comment or an empty line
        if pattern is not None and ignores is not None:
            found.append((re.compile(str(pattern)), ignores, line.endswith("/")))
    return found[::-1]


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], int(sys.argv[2])))
