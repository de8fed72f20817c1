"""Stable-Baselines3's PPO and SAC on 4,096 discrete actions, with and without an embedding.

    python examples/many_actions.py [--steps 20000] [--seeds 3]

The environment is the slot machine of the paper, `jsae/SlotMachine-v0`: 1,296 states, 4,096 actions, the random policy
gets 13.3 in an episode and the best one 480. PPO learns in it as it is, by a softmax over 4,096 actions, and in
EmbeddedEnv, by a Gaussian over the 4 dimensions of E. SAC cannot learn in it as it is: Stable-Baselines3's SAC takes
continuous actions only. In EmbeddedEnv it can.

Prints the mean return of 100 episodes of each trained stochastic policy, and the time that training took. Needs
Stable-Baselines3: `make peers`, or pip install 'jsae[peers]'.
"""

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any

import gymnasium
import torch
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor

import jsae

ENVIRONMENT = "jsae/SlotMachine-v0"
# The settings of both are Stable-Baselines3's defaults, except for the rate of SAC's updates: one in 8 steps, for time.
PPO_SETTINGS: dict[str, Any] = {"n_steps": 512, "ent_coef": 0.0}
SAC_SETTINGS: dict[str, Any] = {"train_freq": 8, "gradient_steps": 1, "learning_starts": 1000}


def raw() -> gymnasium.Env[Any, Any]:
    """The environment as it is: Discrete(1296) observations, Discrete(4096) actions."""
    return Monitor(gymnasium.make(ENVIRONMENT))


def embedded(embedding: jsae.StateActionEmbedding) -> Callable[[], gymnasium.Env[Any, Any]]:
    """Makes the same environment with points of X and E as observations and actions."""
    return lambda: Monitor(jsae.EmbeddedEnv(gymnasium.make(ENVIRONMENT), embedding))


def trained(agent: Any, env: gymnasium.Env[Any, Any], steps: int, seed: int, settings: dict[str, Any]) -> float:
    """Train an agent, and return the mean return of 100 episodes of its stochastic policy."""
    model = agent("MlpPolicy", env, seed=seed, device="cpu", policy_kwargs={"net_arch": [64, 64]}, **settings)
    model.learn(steps)
    mean, _ = evaluate_policy(model, env, n_eval_episodes=100, deterministic=False)
    return float(mean)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20_000, help="environment steps of each training")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each agent, each with its own embedding")
    parser.add_argument("--samples", type=int, default=30_000, help="transitions that an embedding is learnt from")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message=".*actions never occur")  # three or so of 4,096, which does no harm here
    for seed in range(chosen.seeds):
        start = time.perf_counter()
        embedding = jsae.fit(ENVIRONMENT, samples=chosen.samples, state_size=16, action_size=4, seed=seed)
        print(f"seed {seed}: {embedding} ({time.perf_counter() - start:.0f} s)", flush=True)
        for name, agent, settings in (("PPO", PPO, PPO_SETTINGS), ("SAC", SAC, SAC_SETTINGS)):
            for where, make in (("without embedding", raw), ("with embedding", embedded(embedding))):
                start = time.perf_counter()
                try:
                    mean = f"mean return {trained(agent, make(), chosen.steps, seed, settings):6.1f}"
                except AssertionError as error:  # SAC on discrete actions
                    mean = f"cannot run: {' '.join(str(error).split())}"
                print(f"seed {seed}: {name} {where}: {mean} ({time.perf_counter() - start:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
