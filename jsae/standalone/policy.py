"""What a trained policy reaches: episodes with it, which are no part of its training."""

from dataclasses import dataclass

import torch
from torch import Tensor

from jsae.agents.returns import first_episode_returns
from jsae.config.errors import JsaeError
from jsae.experience.rollout import collect
from jsae.experience.trajectories import Trajectories
from jsae.library.threads import one_thread
from jsae.nn.randomness import Streams
from jsae.training.trainer import Trainer

__all__ = ["Outcome", "evaluate", "play"]


@dataclass(frozen=True)
class Outcome:
    """Of E episodes.

    | field | what |
    |---|---|
    | returns | [E], undiscounted |
    | terminated | [E], whether the environment ended the episode before the time limit |
    | can_terminate | whether it is known to end any |
    """

    returns: Tensor
    terminated: Tensor
    can_terminate: bool

    def text(self) -> str:
        """Mean, spread and success rate, a line each."""
        returns = self.returns.double()
        lines = [f"mean return       {float(returns.mean()):.4f}"]
        if len(returns) > 1:
            lines.append(f"standard deviation {float(returns.std()):.4f}, of a single episode")
        lines.append(f"lowest, highest   {float(returns.min()):.4f}, {float(returns.max()):.4f}")
        if self.can_terminate:
            count, share = int(self.terminated.sum()), float(self.terminated.double().mean())
            lines.append(
                f"terminated        {count} of {len(returns)} episodes ({share:.0%}), the rest hit the time limit"
            )
        return "\n".join(lines)


def evaluate(trainer: Trainer, episodes: int, seed: int = 0) -> Outcome:
    """Play so many episodes with a policy that draws its actions as in training.

    Args:
        trainer: of one run.
        episodes: at least 1.
        seed: of the episodes; those of training have other numbers, whatever the seed.

    Raises JsaeError as `play` does.
    """
    played = play(trainer, episodes, seed)
    terminated = played.terminated[0].any(0)
    history = trainer.history().get("episodes")
    seen = history is not None and bool((history > trainer.settings.num_envs).any())
    has_goal = hasattr(trainer.environment, "goal")
    returns = first_episode_returns(played.reward, played.terminated)[0]
    return Outcome(returns.cpu(), terminated.cpu(), bool(terminated.any()) or seen or has_goal)


@one_thread()
def play(trainer: Trainer, episodes: int, seed: int) -> Trajectories:
    """The trajectories of so many episodes side by side, each with its successors up to the time limit.

    Raises JsaeError if episodes is less than 1, or the seed less than 0.
    """
    for name, value, least in (("episodes", episodes, 1), ("seed", seed, 0)):
        if value < least:
            raise JsaeError(f"--{name} {value}: give {least} or more")
    environment, embedding, agent = trainer.environment, trainer.embedding, trainer.agent
    policy, world = (Streams([seed], f"evaluation, {part}", environment.device) for part in ("policy", "environment"))
    noise = agent.draw(policy, environment.episode_length, episodes)

    def act(state: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        latent = agent.sample(embedding.represent(environment.observe(state)), noise)
        return latent, embedding.to_action(latent)

    with torch.no_grad():
        return collect(environment, act, noise, world)
