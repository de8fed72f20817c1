"""A thousand people to route a ticket to: with and without an embedding, and with Stable-Baselines3.

    python examples/ticket_routing.py [--epochs 40] [--seeds 5] [--peer-steps 200000]

The environment is that of docs/your-own-environment.md. Prints the return of the random policy and of a rule that knows
everybody's skills; what VPG of `jsae.train` reaches, without embedding and with one learnt for each seed; and how many
steps PPO of Stable-Baselines3 takes to reach what VPG with embedding reached, as it is and in `jsae.EmbeddedEnv`.

The last part needs Stable-Baselines3 (`make peers`, or pip install 'jsae[peers]'); --peer-steps 0 leaves it out.
"""

import argparse
import time
import warnings
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces

import jsae

SHIFT = 50
"""Steps of an episode."""


class TicketDesk(gymnasium.Env):
    """Tickets of three kinds of work (diagnosis, repair, reply), and 1,000 people.

    Each person lowers some kinds of work and raises others. A ticket without work is solved and pays 1; the next
    one comes.
    """

    def __init__(self, people=1000):
        directions = np.random.default_rng(2020).normal(size=(people, 3))
        self.skills = 2.5 * directions / np.linalg.norm(directions, axis=1, keepdims=True)
        self.observation_space = spaces.MultiDiscrete([10, 10, 10])  # work left of each kind
        self.action_space = spaces.Discrete(people)  # who gets the ticket

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.work = self.np_random.integers(3, 10, 3)
        return self.work, {}

    def step(self, person):
        left = self.work - self.skills[person] + self.np_random.random(3)
        self.work = np.floor(left).clip(0, 9).astype(np.int64)
        solved = not self.work.any()
        if solved:
            self.work = self.np_random.integers(3, 10, 3)
        return self.work, float(solved), False, False, {}


gymnasium.register("TicketDesk-v0", TicketDesk, max_episode_steps=SHIFT)


def returns(env: gymnasium.Env[Any, Any], choose: Any, episodes: int = 200) -> float:
    """Mean return of what `choose` does with observations."""
    total = 0.0
    for episode in range(episodes):
        observation, _ = env.reset(seed=episode)
        for _ in range(SHIFT):
            observation, reward, *_ = env.step(choose(observation))
            total += float(reward)
    return total / episodes


def references() -> None:
    """Print what the random policy gets, and the rule that gives a ticket to whom is likely to leave the least work."""
    env, generator = gymnasium.make("TicketDesk-v0"), np.random.default_rng(0)
    people = env.unwrapped.skills
    print(f"random policy: {returns(env, lambda work: int(generator.integers(len(people)))):.2f} tickets a shift")
    rule = returns(env, lambda work: int((work - people).clip(0).sum(1).argmin()))
    print(f"rule that knows all skills: {rule:.2f}", flush=True)


def peers(goal: float, most: int, seed: int) -> None:
    """Print when Stable-Baselines3's PPO, with its own settings, reaches `goal`: mean of its last 100 episodes."""
    from stable_baselines3 import PPO
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.monitor import Monitor

    class Until(BaseCallback):
        reached = 0.0

        def _on_step(self) -> bool:
            return self.reached < goal

        def _on_rollout_end(self) -> None:
            self.reached = float(np.mean([episode["r"] for episode in self.model.ep_info_buffer or []]))

    embedding = jsae.fit("TicketDesk-v0", state_size=8, action_size=3, seed=seed)
    for name, env in (
        ("as it is", gymnasium.make("TicketDesk-v0")),
        ("in EmbeddedEnv", jsae.EmbeddedEnv(gymnasium.make("TicketDesk-v0"), embedding)),
    ):
        start, until = time.perf_counter(), Until()
        model = PPO("MlpPolicy", Monitor(env), seed=seed, device="cpu")
        model.learn(most, callback=until)
        stopped = "reaches" if until.reached >= goal else "does not reach"
        print(
            f"Stable-Baselines3, PPO {name}: {stopped} {goal:.2f}; {until.reached:.2f} after {model.num_timesteps:,} "
            f"steps ({time.perf_counter() - start:.0f} s)",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=40, help="of 1,500 environment steps each")
    parser.add_argument("--seeds", type=int, default=5, help="runs of VPG, each with its own embedding")
    parser.add_argument("--peer-steps", type=int, default=200_000, help="of PPO at most; 0: leave it out")
    parser.add_argument("--figure", help="where to draw the curves, as x.svg")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    references()
    curves = []
    for embedding in (None, "jsae"):
        start = time.perf_counter()
        table = jsae.train(
            "TicketDesk-v0",
            embedding=embedding,
            seeds=range(chosen.seeds),
            epochs=chosen.epochs,
            state_size=8,
            action_size=3,
        )
        last = table.filter(table["epoch"] == chosen.epochs)
        each = ", ".join(f"{value:.2f}" for value in last["mean_return"])
        print(
            f"jsae.train, VPG, embedding {embedding}: {last['mean_return'].mean():.2f} (each seed: {each}) after "
            f"{last['env_steps'][0]:,} steps ({time.perf_counter() - start:.0f} s)",
            flush=True,
        )
        curves.append(table)
    if chosen.figure:
        jsae.plot_curves(curves[0].vstack(curves[1])).figure.savefig(chosen.figure, metadata={"Date": None})
    if chosen.peer_steps:
        warnings.filterwarnings("ignore", category=UserWarning, module="stable_baselines3")
        peers(float(last["mean_return"].mean()), chosen.peer_steps, seed=0)


if __name__ == "__main__":
    main()
