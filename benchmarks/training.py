"""Our training against the plain reference, and against Stable-Baselines3 where it is installed, cell by cell."""

import dataclasses
import importlib.util
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import gymnasium
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import cells, pairs, reference
from benchmarks.timing import GEMM, gemm, gemm_rate, interleaved
from jsae.config.study import Cell
from jsae.io.workers import batches
from jsae.nn import kernels
from jsae.training.trainer import Trainer

IDS = {"gridworld": "jsae/Gridworld-v0", "slot_machine": "jsae/SlotMachine-v0", "recommender": "jsae/Recommender-v0"}
WORLDS = ("gridworld-continuous", "gridworld-discrete", "slot-machine", "half-cheetah", "recommender")
SEEDS = range(5)


class Comparison(NamedTuple):
    """An epoch of a cell.

    | field | what |
    |---|---|
    | steps | environment steps of a run |
    | seconds | of all runs, in batches as in the study, on one core |
    | reference_seconds | of as many seeds one after the other: one seed's, times their number |
    | peer_seconds | the same for Stable-Baselines3; None where it has no such agent, or is not installed |
    | plain_seconds | as `seconds`, by the path without compiled code |
    | share_of_peak | rate of our matrix products, all other work included in the time, over that of a large one |
    """

    cell: Cell
    runs: int
    steps: int
    seconds: float
    reference_seconds: float
    peer_seconds: float | None
    plain_seconds: float
    share_of_peak: float

    @property
    def ratio(self) -> float:
        """How many times as fast as the reference."""
        return self.reference_seconds / self.seconds


def all_cells() -> list[Cell]:
    """Every environment, agent and embedding."""
    everything = itertools.starmap(Cell, itertools.product(WORLDS, ["vpg", "ppo", "sac"], ["none", "ra", "jsae"]))
    return [cell for cell in everything if (cell.environment, cell.embedding) != ("half-cheetah", "ra")]


def comparisons(quick: bool) -> Iterator[Comparison]:
    """Every environment, agent and embedding; `quick`: those that differ in kind."""
    chosen = all_cells()
    if quick:
        chosen = [
            cell
            for cell in chosen
            if cell.embedding != "ra"
            and (
                cell.environment == "recommender"
                or (cell.agent == "vpg" and cell.environment != "gridworld-continuous")
            )
        ]
    for cell in chosen:
        yield compare(cell, rounds=1 if quick else 5)


def compare(cell: Cell, rounds: int) -> Comparison:
    """Measure an epoch of the cell by each contender, taking turns."""
    steps = cells.settings().environments[cell.environment].steps_per_epoch
    ours, runs = epoch(cell, SEEDS), len(SEEDS)

    def plain() -> None:
        with kernels.plain():
            ours()

    contenders: dict[str, Callable[[], object]] = {
        GEMM: gemm(),
        "ours": ours,
        "plain": plain,
        "reference": reference_epoch(cell),
    }
    peer = peer_epoch(cell)
    if peer:
        contenders["peer"] = peer
    seconds = interleaved(contenders, rounds)
    with FlopCounterMode(display=False) as counter:  # it does not see into compiled code
        plain()
    rate = counter.get_total_flops() / seconds["ours"]
    return Comparison(
        cell,
        runs,
        steps,
        seconds["ours"],
        runs * seconds["reference"],
        runs * seconds["peer"] if peer else None,
        seconds["plain"],
        rate / gemm_rate(seconds[GEMM]),
    )


def epoch(cell: Cell, seeds: Sequence[int], size: int | None = None) -> Callable[[], None]:
    """An epoch of all seeds, batch after batch."""
    size = size or cells.settings().training.runs_per_batch.paper
    trainers = [cells.trainer(cell, block) for block in batches(seeds, size)]

    def run() -> None:
        for trainer in trainers:
            trainer.run_epoch()

    return run


def reference_epoch(cell: Cell) -> Callable[[], None]:
    """An epoch of one seed by the plain trainer."""
    return plain_epochs(cell, cells.trainer(cell, [0]), 0, single(cell.environment), 1)


def plain_epochs(
    cell: Cell, trainer: Trainer, run: int, env: gymnasium.Env[Any, Any], epochs: int
) -> Callable[[], None]:
    """Epochs by the plain trainer, whose agent starts as a run of ours and acts in `env`."""
    agent, values, world = pairs.plain_agent(trainer, run), trainer.settings, reference.World(env)
    world.env.reset(seed=run)
    settings: dict[str, Any] = {"epochs": epochs, "reward_scale": values.reward_scale}
    settings["steps"] = cells.settings().environments[cell.environment].steps_per_epoch
    if values.continual and trainer.embedding.parameters:
        learner = reference.EmbeddingLearner(agent.embedding, **dataclasses.asdict(values.continual))
        settings["after_epoch"] = learner.after_epoch
    if cell.agent == "sac":
        settings |= {
            "updates": values.agent_parameters["update_steps"],
            "batch_size": values.agent_parameters["batch_size"],
        }
        settings["latent_size"] = trainer.embedding.latent_size or trainer.environment.action_size
        return lambda: reference.train_off_policy(agent, world, **settings)
    return lambda: reference.train_on_policy(agent, world, **settings)


def peer_epoch(cell: Cell) -> Callable[[], None] | None:
    """An epoch of one seed by Stable-Baselines3, which has no embeddings, no VPG and no discrete SAC."""
    discrete = cells.settings().environments[cell.environment].module in IDS
    known = cell.embedding == "none" and (cell.agent == "ppo" or (cell.agent == "sac" and not discrete))
    if not known or importlib.util.find_spec("stable_baselines3") is None:
        return None
    import stable_baselines3

    settings = cells.trainer(cell, [0]).settings
    values, steps = settings.agent_parameters, cells.settings().environments[cell.environment].steps_per_epoch
    kind, arguments = (
        (stable_baselines3.PPO, {"n_steps": steps, "batch_size": steps, "n_epochs": values["train_pi_iters"]})
        if cell.agent == "ppo"
        else (
            stable_baselines3.SAC,
            {
                "train_freq": steps,
                "gradient_steps": values["update_steps"],
                "batch_size": values["batch_size"],
                "learning_starts": 0,
                "ent_coef": values["entropy_weight"],
            },
        )
    )
    network = {"net_arch": list(settings.hidden_sizes)}
    agent = kind("MlpPolicy", single(cell.environment), policy_kwargs=network, device="cpu", **arguments)
    return lambda: agent.learn(steps, reset_num_timesteps=False)


def single(name: str) -> gymnasium.Env[Any, Any]:
    """Environment `name` as Gymnasium makes it: one episode, one step at a time."""
    return gymnasium.make(**gymnasium_arguments(name))


def gymnasium_arguments(name: str) -> dict[str, Any]:
    """Arguments of `gymnasium.make`."""
    arguments = cells.dynamics(name)
    length = arguments.pop("episode_length")
    identifier = IDS.get(cells.settings().environments[name].module)
    if identifier is None:
        return {"id": "HalfCheetah-v5", "max_episode_steps": length}
    return {"id": identifier, "max_episode_steps": length, **arguments}
