"""How fast everything is, and how its cost grows, on this machine: lines, a plot and files of the numbers.

    make benchmark            # everything, some 40 minutes on two quiet cores
    make benchmark QUICK=1    # what differs in kind, within 5 minutes

Whatever is compared takes turns on one core, and the median of several turns counts. Writes
benchmarks/results/training.csv (our training against the plain reference: seconds of an epoch of all runs),
speed.csv (all other numbers) and speed.svg.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
import torch
from rich.console import Console

from benchmarks import cells, pairs, reference, training
from benchmarks.data import measured
from benchmarks.timing import interleaved
from jsae.agents.sac import SAC, Replay
from jsae.config.study import Cell
from jsae.embeddings.action_map import NearestNeighbour
from jsae.embeddings.learner import Learner
from jsae.experience.samples import random_trajectories, random_transitions
from jsae.experience.trajectories import Experience
from jsae.io import checkpoint
from jsae.io.workers import batches, run_batches
from jsae.nn.randomness import Streams

RESULTS = {quick: Path(__file__).parent / ("quick" if quick else "results") for quick in (False, True)}
"""Measurements with fewer turns are not comparable: they go to a folder of their own."""
MAIN = Cell("gridworld-discrete", "vpg", "jsae")


class Figure(NamedTuple):
    """A number of speed.csv."""

    section: str
    what: str
    value: float
    unit: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="what differs in kind, in fewer turns; writes benchmarks/quick"
    )
    parser.add_argument(
        "--only", nargs="+", choices=list(SECTIONS), default=list(SECTIONS), help="sections to run; others stay"
    )
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    results = RESULTS[chosen.quick]
    results.mkdir(exist_ok=True)
    console = Console()
    figures: list[Figure] = []
    for name in chosen.only:
        console.rule(name)
        for figure in SECTIONS[name](chosen.quick):
            figures.append(figure)
            console.print(f"{figure.what:<60}{figure.value:>12,.3g} {figure.unit}", highlight=False, soft_wrap=True)
    new = {figure.section for figure in figures}
    if len(chosen.only) < len(SECTIONS) and (results / "speed.csv").exists():
        kept = (Figure(*row) for row in pl.read_csv(results / "speed.csv").rows())
        figures = [figure for figure in kept if figure.section not in new] + figures
    pl.DataFrame(figures, schema=list(Figure._fields), orient="row").write_csv(results / "speed.csv", float_precision=4)
    draw(figures, results / "speed.svg")
    console.print(f"Numbers and plot: {results}")


def trainings(quick: bool) -> Iterator[Figure]:
    """Our training, the reference and Stable-Baselines3; writes training.csv."""
    rows = []
    for found in training.comparisons(quick):
        rows.append({**vars(found.cell), "runs": found.runs, "reference_seconds": found.reference_seconds,
                     "seconds": found.seconds, "ratio": found.ratio})  # fmt: skip
        yield Figure("training", f"{found.cell}", found.ratio, "× the reference")
        yield Figure("training", f"{found.cell}", found.runs * found.steps / found.seconds, "steps/s")
        yield Figure("training", f"{found.cell}", 100 * found.share_of_peak, "% of GEMM peak")
        yield Figure("training", f"{found.cell}", found.plain_seconds / found.seconds, "× our plain path")
        if found.peer_seconds:
            yield Figure("training", f"{found.cell}", found.peer_seconds / found.seconds, "× Stable-Baselines3")
    pl.DataFrame(rows).write_csv(RESULTS[quick] / "training.csv", float_precision=4)


def environments(quick: bool) -> Iterator[Figure]:
    """Steps a second of random episodes: five runs in lockstep, and one Gymnasium environment."""
    for name in ("gridworld-discrete", "slot-machine", "half-cheetah", "recommender"):
        world, env = cells.environment(name), training.single(name)
        num_envs = cells.settings().environments[name].num_envs
        streams = Streams(training.SEEDS, "benchmark")
        env.reset(seed=0)
        env.action_space.seed(0)
        actions = [env.action_space.sample() for _ in range(200 if quick else 1000)]

        def step_by_step(env=env, actions=actions) -> None:  # type: ignore[no-untyped-def]
            for action in actions:
                _, _, terminated, truncated, _ = env.step(action)
                if terminated or truncated:
                    env.reset()

        seconds = interleaved(
            {
                "lockstep": lambda world=world, streams=streams, num_envs=num_envs: random_trajectories(
                    world, streams, num_envs
                ),
                "single": step_by_step,
            },
            3 if quick else 7,
        )
        steps = len(training.SEEDS) * num_envs * world.episode_length
        yield Figure(
            "environments", f"{name}, 5 × {num_envs} episodes in lockstep", steps / seconds["lockstep"], "steps/s"
        )
        yield Figure("environments", f"{name}, one by Gymnasium", len(actions) / seconds["single"], "steps/s")


def nearest_neighbour(quick: bool) -> Iterator[Figure]:
    """f for five runs of ten points each, by our map and by the obvious distances."""
    for actions in (512, 835, 2048, 4096):
        table, points = torch.rand(5, actions, 4) * 2 - 1, torch.rand(5, 10, 4) * 2 - 1
        f = NearestNeighbour(table)
        contenders: dict[str, Callable[[], object]] = {
            "‖E‖² − 2 e·E": lambda f=f, points=points: [f(points) for _ in range(20)],
            "cdist": lambda table=table, points=points: [torch.cdist(points, table).argmin(2) for _ in range(20)],
        }
        for name, seconds in interleaved(contenders, 5 if quick else 20).items():
            yield Figure("nearest neighbour", f"{actions} actions, {name}", 1e6 * seconds / 20 / 50, "µs a point")


def pretraining(quick: bool) -> Iterator[Figure]:
    """A pass over 5 × 3,000 transitions, five runs at once and five by the plain learner."""
    samples, settings = 3000, cells.settings().embeddings
    for name in ("gridworld-discrete", "slot-machine", "half-cheetah", "recommender"):
        trainer = cells.trainer(Cell(name, "vpg", "jsae"), training.SEEDS)
        world, embedding = trainer.environment, trainer.embedding
        data = random_transitions(world, training.SEEDS, samples)
        rates = {"learning_rate": settings.learning_rate, "weight_decay": settings.weight_decay}
        learner = Learner(embedding, Streams(training.SEEDS, "benchmark"), **rates)
        beside = reference.EmbeddingLearner(
            pairs.plain_embedding(trainer, 0), epochs=1, batch_size=settings.batch_size, **rates
        )
        o, o2 = data.observation[0], data.next_observation[0]
        if world.discrete_observations:
            o, o2 = (reference.one_hot(ids, world.observation_size) for ids in (o, o2))
        plain = reference.Transitions(o, data.action[0], o2, data.target[0])
        seconds = interleaved(
            {
                "ours": lambda learner=learner, data=data: learner.one_epoch(data, settings.batch_size),
                "reference": lambda beside=beside, plain=plain: beside.learn(plain),
            },
            1 if quick else 5,
        )
        count = len(training.SEEDS) * samples
        yield Figure("pre-training", f"{name}, ours", 1e6 * seconds["ours"] / count, "µs a transition")
        yield Figure("pre-training", f"{name}, reference", 1e6 * seconds["reference"] / samples, "µs a transition")


def memory(quick: bool) -> Iterator[Figure]:
    """Peak of a process that trains a batch of runs for two epochs, its replay buffer full, and saves a checkpoint, and
    the seconds that this takes; what an idle one takes is a line of its own."""
    found = [Cell("recommender", "ppo", "none"), Cell("gridworld-discrete", "sac", "none")]
    found += [Cell("recommender", "sac", "jsae")]
    found += [] if quick else [MAIN, Cell("slot-machine", "sac", "none"), Cell("half-cheetah", "sac", "jsae")]
    yield Figure("memory", "nothing trained", measured(_idle)[2], "MB")
    for cell in found:
        saving, _, peak = measured(_train, cell)
        yield Figure("memory", f"{cell}", peak, "MB")
        yield Figure("checkpoint", f"{cell}", saving, "s")


def _idle() -> float:
    return 0.0


def _train(cell: Cell) -> float:
    torch.set_num_threads(1)
    trainer = cells.trainer(cell, range(cells.settings().training.runs_per_batch.paper))
    if isinstance(trainer.agent, SAC):
        _fill(trainer.agent.replay)
    for _ in range(2):
        trainer.run_epoch()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        checkpoint.save(Path(folder) / "state", trainer.tensors())
    return time.perf_counter() - start


def _fill(replay: Replay) -> None:
    """Have the replay buffer take the next epoch as often as it has room for."""
    add = replay.add

    def add_all(experience: Experience) -> None:
        before = -1
        while before < replay.size:
            before = replay.size
            add(experience)

    replay.add = add_all  # type: ignore[method-assign]


def scaling(quick: bool) -> Iterator[Figure]:
    """Seconds of an epoch for each run as one size grows and the others stay, vpg."""
    rounds = 1 if quick else 3

    def figures(name: str, contenders: dict[str, tuple[Callable[[], object], int]]) -> Iterator[Figure]:
        taken = interleaved({size: run for size, (run, _) in contenders.items()}, rounds)
        for size, (_, runs) in contenders.items():
            yield Figure("scaling", f"{name} {size}", 1e3 * taken[size] / runs, "ms an epoch and run")

    runs = (1, 5, 15) if quick else (1, 3, 5, 15, 45)
    sizes = {f"{n}": (training.epoch(MAIN, range(n), size=n), n) for n in runs}
    yield from figures("runs", sizes)
    for embedding in ("none", "jsae"):
        cell = Cell("gridworld-discrete", "vpg", embedding)
        worlds = {n: cells.environment(cell.environment, actuators=n) for n in ((9, 12) if quick else (9, 10, 11, 12))}
        sizes = {f"{2**n}": (cells.trainer(cell, range(3), world=w).run_epoch, 3) for n, w in worlds.items()}
        yield from figures(f"actions ({embedding})", sizes)
        cell = Cell("recommender", "vpg", embedding)
        stores = {n: cells.environment(cell.environment, items=n) for n in ((100, 5000) if quick else (100, 835, 5000))}
        sizes = {f"{n}": (cells.trainer(cell, range(3), world=w).run_epoch, 3) for n, w in stores.items()}
        yield from figures(f"items ({embedding})", sizes)
    hidden = {f"{n}": (cells.trainer(MAIN, range(3), hidden_sizes=[n, n]).run_epoch, 3) for n in (64, 128, 256)}
    yield from figures("hidden units", hidden)


def workers(quick: bool) -> Iterator[Figure]:
    """Wall time of two jobs for each core, by one worker process up to one a core."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    blocks = batches(range(2 * cores), 1)
    jobs = [Epochs(MAIN, tuple(block), 2 if quick else 10) for block in blocks]

    def run(count: int) -> None:
        before = os.environ.get("JSAE_WORKERS")
        os.environ["JSAE_WORKERS"] = str(count)
        try:
            run_batches(jobs, total=len(jobs), label="workers")
        finally:
            os.environ.pop("JSAE_WORKERS")
            os.environ |= {"JSAE_WORKERS": before} if before else {}

    counts = sorted({1, cores, *(2**n for n in range(8) if 2**n < cores)})
    taken = interleaved({str(count): lambda count=count: run(count) for count in counts}, 1 if quick else 3)
    for count, seconds in taken.items():
        yield Figure("workers", f"{count} of {cores} cores", taken["1"] / seconds, "× one worker")


class Epochs(NamedTuple):
    """A job of so many epochs."""

    cell: Cell
    seeds: tuple[int, ...]
    epochs: int

    def run(self, progress: Callable[[int], None]) -> None:
        epoch = training.epoch(self.cell, self.seeds)
        for _ in range(self.epochs):
            epoch()
        progress(1)


SECTIONS: dict[str, Callable[[bool], Iterator[Figure]]] = {
    "training": trainings,
    "environments": environments,
    "nearest neighbour": nearest_neighbour,
    "pre-training": pretraining,
    "memory": memory,
    "scaling": scaling,
    "workers": workers,
}


def draw(figures: list[Figure], path: Path) -> None:
    """Bars of the speed-ups over the reference, and lines of how cost grows."""
    ratios = [figure for figure in figures if figure.unit == "× the reference"]
    growth = [figure for figure in figures if figure.section == "scaling"]
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 0.3 * max(len(ratios), 12) + 1), layout="constrained")
    left.barh([ratio.what for ratio in ratios], [ratio.value for ratio in ratios], color="tab:blue")
    left.invert_yaxis()
    left.set_xlabel("times as fast as the plain reference, 5 seeds, one core")
    kinds: dict[str, list[tuple[float, float]]] = {}
    for point in growth:
        kind, size = point.what.rsplit(" ", 1)
        kinds.setdefault(kind, []).append((float(size), point.value))
    for kind, points in kinds.items():
        sizes, costs = np.array(points).T
        right.loglog(sizes / sizes[0], costs / costs[0], marker="o", label=f"{kind} from {sizes[0]:.0f}")
    right.set_xlabel("size, times the smallest")
    right.set_ylabel("cost of an epoch and run, times that at the smallest")
    if kinds:
        right.legend()
    figure.savefig(path)
    plt.close(figure)


if __name__ == "__main__":
    main()
