"""Our agents and code that we did not write: Stable-Baselines3's PPO and SAC (`make peers` installs them).

    python -m benchmarks.crosscheck [--seeds 3]

Three tables in one: our environments, registered with Gymnasium, taught to Stable-Baselines3's PPO; our agents on
standard tasks; and the peers there. Each line is the mean return of 20 episodes of the final stochastic policy, from
fresh starts, after the same number of environment steps (Stable-Baselines3 finishes its last rollout). Prints the table
and writes it to benchmarks/results/crosscheck.csv. A few minutes on one core.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.standard_tasks import CartPole, Pendulum
from jsae.agents.returns import first_episode_returns
from jsae.embeddings.base import embed
from jsae.environments.gridworld import Gridworld
from jsae.environments.gymnasium_api import GRIDWORLD, SLOT_MACHINE
from jsae.environments.slot_machine import SlotMachine
from jsae.experience.environment import Environment
from jsae.experience.rollout import collect
from jsae.experience.samples import random_trajectories
from jsae.nn.randomness import Streams
from jsae.training.trainer import Settings, Trainer

RESULTS = Path(__file__).parent / "results" / "crosscheck.csv"
EPISODES = 20

# Small enough for seconds: no walls, a large goal in the far corner; three reels of three values, 27 actions.
SMALL_GRIDWORLD: dict[str, Any] = {"actuators": 4, "walls": (), "goal": (0.6, 0.6, 1.0, 1.0)}
SMALL_SLOT_MACHINE: dict[str, Any] = {
    "reels": ((0, 1, 2), (2, 0, 1), (1, 2, 0)),
    "moves": 3,
    "fraction": 0.34,
    "minimum_count": 2,
}

ON_POLICY = {"discount": 0.99, "gae_lambda": 0.97, "train_pi_iters": 80, "train_v_iters": 80, "target_kl": 0.015}
PPO = {**ON_POLICY, "clip": 0.2}
SAC = {
    "discount": 0.99,
    "entropy_weight": 0.2,
    "polyak": 0.995,
    "replay_capacity": 100_000,
    "batch_size": 128,
    "start_steps": 1000,
    "update_after": 1000,
}


class Task(NamedTuple):
    """A task, how it is taught by us and by others, and for how long.

    | field | what |
    |---|---|
    | environment | ours, `[P, N]` |
    | peer | name and arguments of the same for Gymnasium |
    | steps | environment steps of each training |
    | agents | ours: num_envs, and the arguments of each |
    | other | Stable-Baselines3's: name, and the arguments that are not its defaults |
    """

    environment: Callable[[], Environment]
    peer: tuple[str, dict[str, Any]]
    steps: int
    agents: dict[str, tuple[int, dict[str, Any]]]
    other: tuple[str, dict[str, Any]]


def small_gridworld() -> Environment:
    return Gridworld(**(GRIDWORLD | SMALL_GRIDWORLD | {"episode_length": 30}))


def small_slot_machine() -> Environment:
    return SlotMachine(**(SLOT_MACHINE | SMALL_SLOT_MACHINE | {"episode_length": 10}))


TASKS = {
    "gridworld, small": Task(
        small_gridworld,
        ("jsae/Gridworld-v0", {**SMALL_GRIDWORLD, "max_episode_steps": 30}),
        12_000,
        {"ppo": (10, PPO)},
        ("PPO", {"n_steps": 256, "ent_coef": 0.01}),
    ),
    "slot machine, small": Task(
        small_slot_machine,
        ("jsae/SlotMachine-v0", {**SMALL_SLOT_MACHINE, "max_episode_steps": 10}),
        12_000,
        {"ppo": (20, PPO)},
        ("PPO", {"n_steps": 256, "ent_coef": 0.01}),
    ),
    "CartPole-v1": Task(
        CartPole,
        ("CartPole-v1", {}),
        30_000,
        {
            "vpg": (2, {**ON_POLICY, "train_pi_iters": 20}),
            "ppo": (2, PPO),
            "sac": (1, {**SAC, "update_steps": 500}),
        },
        ("PPO", {"n_steps": 256}),
    ),
    "Pendulum-v1": Task(
        Pendulum,
        ("Pendulum-v1", {}),
        8_000,
        {"sac": (1, {**SAC, "act_limit": 2.0, "update_steps": 200})},
        ("SAC", {"learning_rate": 1e-3, "learning_starts": 1000, "batch_size": 128, "ent_coef": 0.2}),
    ),
}


def ours(task: Task, agent: str, seeds: Sequence[int]) -> list[float]:
    """Mean returns of our agent after training, one a seed."""
    world, (num_envs, arguments) = task.environment(), task.agents[agent]
    settings = Settings(
        num_envs=num_envs,
        hidden_sizes=[64, 64],
        initial_standard_deviations=[0.6] * len(seeds),
        actor_learning_rates=[1e-3] * len(seeds),
        critic_learning_rates=[1e-3] * len(seeds),
        # The limit of a squashed Gaussian means nothing to a softmax, which is given it all the same.
        agent_parameters={"act_limit": 1.0, **arguments} if agent == "sac" else arguments,
        reward_scale=1.0,
        continual=None,
    )
    embedding = embed("none", world, seeds, 0, 0)
    trainer = Trainer(world, embedding, agent, seeds, settings)
    for _ in range(task.steps // (num_envs * world.episode_length)):
        trainer.run_epoch()

    def act(state: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        latent = trainer.agent.sample(embedding.represent(world.observe(state)), noise)
        return latent, embedding.to_action(latent)

    streams = Streams(seeds, "evaluation")
    final = collect(world, act, trainer.agent.draw(streams, world.episode_length, EPISODES), streams)
    return first_episode_returns(final.reward, final.terminated).mean(1).tolist()


def theirs(task: Task, seeds: Sequence[int]) -> list[float]:
    """Mean returns of Stable-Baselines3's agent after training, one a seed."""
    import stable_baselines3
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.evaluation import evaluate_policy

    name, arguments = task.other
    environment, values = task.peer
    returns = []
    for seed in seeds:
        num_envs = 4 if name == "PPO" else 1
        worlds = make_vec_env(environment, num_envs, seed=seed, env_kwargs=values)
        kind = getattr(stable_baselines3, name)
        network = {"policy_kwargs": {"net_arch": [64, 64]}}
        agent = kind("MlpPolicy", worlds, seed=seed, device="cpu", **network, **arguments)
        agent.learn(task.steps)
        mean, _ = evaluate_policy(agent, worlds, n_eval_episodes=EPISODES, deterministic=False)
        returns.append(float(mean))
    return returns


def random_return(task: Task) -> float:
    """Mean return of the uniform random policy."""
    final = random_trajectories(task.environment(), Streams([0], "random policy"), EPISODES)
    return float(first_episode_returns(final.reward, final.terminated).mean())


def compared(name: str, seeds: Sequence[int]) -> Iterator[dict[str, Any]]:
    """A row for each agent on task `name`, as they finish: ours, then the peer."""
    task = TASKS[name]
    start = random_return(task)
    trainings = [("jsae", agent, partial(ours, task, agent)) for agent in task.agents]
    trainings.append(("stable-baselines3", task.other[0].lower(), partial(theirs, task)))
    for code, agent, train in trainings:
        returns = train(seeds)
        yield {
            "task": name,
            "steps": task.steps,
            "code": code,
            "agent": agent,
            "seeds": len(returns),
            "random_return": start,
            "mean_return": sum(returns) / len(returns),
            "lowest": min(returns),
            "highest": max(returns),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each agent")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name in TASKS:
        for row in compared(name, range(chosen.seeds)):
            rows.append(row)
            print(*row.values(), sep=", ", flush=True)
    table = pl.DataFrame(rows)
    RESULTS.parent.mkdir(exist_ok=True)
    table.write_csv(RESULTS, float_precision=2)
    shown = Table(*table.columns, title="Return after the same number of environment steps")
    for row in table.iter_rows():
        shown.add_row(*(f"{value:,.1f}" if isinstance(value, float) else str(value) for value in row))
    Console().print(shown)


if __name__ == "__main__":
    main()
