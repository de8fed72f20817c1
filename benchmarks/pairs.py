"""A run of a training of the library and of the plain reference, with the same parameters."""

from typing import Any

import torch
from torch import Tensor, nn

from benchmarks import reference
from jsae.agents.sac import SAC
from jsae.nn.mlp import MLP
from jsae.training.trainer import Trainer


def plain_embedding(trainer: Trainer, run: int) -> nn.Module:
    """The reference's embedding with the parameters of a run's."""
    ours, world = trainer.embedding, trainer.environment
    weights = {name: parameter.detach()[run] for name, parameter in ours.parameters.items()}
    if not weights:
        return reference.Raw()
    made: nn.Module
    with torch.no_grad():
        if "phi" in weights:
            m, d = weights["phi"].shape[1], weights["g"].shape[1]
            made = reference.Jsae(
                world.observation_size, world.n_actions or 0, world.action_size, world.n_targets, m, d
            )
            made.phi.weight.copy_(weights["phi"].T)
            made.T.weight.copy_(weights["transition"][:-1].T)
            made.T.bias.copy_(weights["transition"][-1])
            if made.f is not None:
                fill(made.f, ours.f.network, weights["f"])
        else:
            made = reference.Ra(world.observation_size, world.n_actions or 0, weights["g"].shape[1])
            made.actions.copy_(weights["actions"])
        made.g.weight.copy_(weights["g"].T)
    return made


def plain_agent(trainer: Trainer, run: int) -> Any:
    """The reference's agent with the parameters, the embedding and the hyper-parameters of a run's."""
    ours, settings = trainer.agent, trainer.settings
    off_policy = isinstance(ours, SAC)
    policy = ours.models.policy if off_policy else ours.policy
    sizes = layers(policy.network)
    in_space = bool(trainer.embedding.latent_size or trainer.environment.action_size)
    actor: Any = reference.GaussianActor(sizes, 1.0) if in_space else reference.CategoricalActor(sizes)
    own = policy.network.flat.detach()[run]
    fill(actor.net, policy.network, own)
    if in_space:
        actor.log_std.data.copy_(policy.network.free.detach()[run])
    rates = {
        "actor_learning_rate": float(settings.actor_learning_rates[run]),
        "critic_learning_rate": float(settings.critic_learning_rates[run]),
    }
    embedding = plain_embedding(trainer, run)
    if off_policy:
        critics = []
        for number in (2 * run, 2 * run + 1):
            critics.append(reference.network(layers(ours.models.critics), nn.ReLU))
            fill(critics[-1], ours.models.critics, ours.models.critics.flat.detach()[number])
        names = ("discount", "entropy_weight", "polyak", "act_limit")
        kind = reference.Sac if in_space else reference.DiscreteSac
        return kind(embedding, actor, critics, **rates, **{name: settings.agent_parameters[name] for name in names})
    critic = reference.network(layers(ours.critic), nn.Tanh)
    fill(critic, ours.critic, ours.critic.flat.detach()[run])
    kinds: dict[str, Any] = {"VPG": reference.Vpg, "PPO": reference.Ppo}
    return kinds[type(ours).__name__](embedding, actor, critic, **rates, **settings.agent_parameters)


def layers(mlp: MLP) -> list[int]:
    """Inputs, hidden units of each layer, outputs."""
    weights = mlp.blocks(mlp.flat)[::2]
    return [weights[0].shape[1], *(weight.shape[2] for weight in weights)]


@torch.no_grad()
def fill(net: nn.Sequential, mlp: MLP, flat: Tensor) -> None:
    """Give a plain network one run's parameters `[n]`."""
    blocks = mlp.blocks(flat[None])
    linear = [layer for layer in net if isinstance(layer, nn.Linear)]
    for layer, weight, bias in zip(linear, blocks[::2], blocks[1::2], strict=True):
        layer.weight.copy_(weight[0].T)
        layer.bias.copy_(bias[0, 0])


def flattened(net: nn.Sequential, *further: Tensor) -> Tensor:
    """Parameters of a plain network in the library's order `[n]`, then `further` ones."""
    linear = [layer for layer in net if isinstance(layer, nn.Linear)]
    parts = [part.detach().flatten() for layer in linear for part in (layer.weight.T, layer.bias)]
    return torch.cat([*parts, *(part.detach() for part in further)])
