"""Finite decision processes with embeddings, in which everything is exact up to rounding.

Values are linear solves, and E is the real line, cut into intervals of which each action owns several: f⁻¹ is
one-to-many.

| symbol | shape | what |
|---|---|---|
| P, r | [S, A, S], [S, A] | transition probabilities and rewards |
| d0 | [S] | start-state distribution |
| x = φ(s) | [S, m] | embeddings; X is the set of the K distinct ones |
| f | [cells] | the action that owns each interval of E |
| πi(e given x) | | a Gaussian whose mean and log standard deviation are linear in x, with weights θ [m + 1, 2] |
| πo(a given s) | [S, A] | the overall policy, Eq. (1) |
| Q | [S, A], [K, A] | values of actions in a state, in an embedded state |
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

STATE_EMBEDDING_SIZE = 3
"""m of the random problems."""
NODES = 64
"""Gauss-Legendre nodes for each interval of E: quadrature to rounding."""
REACH = 9.0
"""Standard deviations within which a Gaussian is integrated: 2e-19 of its mass lies beyond."""


class Problem(NamedTuple):
    """A decision process with embeddings; float64. `edges` [cells + 1] bound the intervals of E, −∞ and ∞ included."""

    P: Tensor
    r: Tensor
    d0: Tensor
    discount: float
    x: Tensor
    edges: Tensor
    f: Tensor

    @property
    def x_of(self) -> Tensor:
        """The number of each state's embedding among the distinct ones, [S]: equal where φ collides."""
        return torch.unique(self.x, dim=0, return_inverse=True)[1]


def random_problem(seed: int, *, states: int, actions: int, cells: int, discount: float) -> Problem:
    """A problem with injective φ, and `cells` intervals of E for each action."""
    draw = np.random.default_rng(seed)
    edges = np.sort(draw.uniform(-2, 2, actions * cells - 1))
    return Problem(
        P=torch.from_numpy(draw.dirichlet(np.full(states, 0.3), (states, actions))),
        r=torch.from_numpy(draw.uniform(0, 1, (states, actions))),
        d0=torch.from_numpy(draw.dirichlet(np.ones(states))),
        discount=discount,
        x=torch.from_numpy(np.tanh(draw.normal(size=(states, STATE_EMBEDDING_SIZE)))),
        edges=torch.from_numpy(np.concatenate([[-np.inf], edges, [np.inf]])),
        f=torch.from_numpy(draw.permutation(np.repeat(np.arange(actions), cells))),
    )


def collided(problem: Problem, pairs: int) -> Problem:
    """The same problem where states 0 and 1, 2 and 3, ... share an embedding, `pairs` of them."""
    x = problem.x.clone()
    x[1 : 2 * pairs : 2] = x[0 : 2 * pairs : 2]
    return problem._replace(x=x)


# ---- values ----------------------------------------------------------------------------------------------------------


def action_values(problem: Problem, policy: Tensor) -> Tensor:
    """Q^π(s, a) [S, A] of a policy [S, A], by policy evaluation."""
    chain = torch.einsum("sa,sat->st", policy, problem.P)
    identity = torch.eye(len(chain), dtype=torch.float64)
    v = torch.linalg.solve(identity - problem.discount * chain, (policy * problem.r).sum(1))
    return problem.r + problem.discount * problem.P @ v


def visits(problem: Problem, policy: Tensor) -> Tensor:
    """η(s) = Σ_t γᵗ P(S_t = s) [S]."""
    chain = torch.einsum("sa,sat->st", policy, problem.P)
    identity = torch.eye(len(chain), dtype=torch.float64)
    return torch.linalg.solve((identity - problem.discount * chain).T, problem.d0)


def optimal_policy(problem: Problem) -> Tensor:
    """A deterministic π* [S, A], by policy iteration."""
    states, actions = problem.r.shape
    best = torch.zeros(states, dtype=torch.int64)
    while True:
        policy = torch.nn.functional.one_hot(best, actions).double()
        q = action_values(problem, policy)
        better = q.max(1).values > q.gather(1, best[:, None])[:, 0] + 1e-10
        if not better.any():
            return policy
        best = torch.where(better, q.argmax(1), best)


# ---- policies --------------------------------------------------------------------------------------------------------


def gaussian(problem: Problem, theta: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation [S] of πi(· given φ(s))."""
    mean, log_deviation = (problem.x @ theta[:-1] + theta[-1]).unbind(1)
    return mean, log_deviation.exp()


def overall_policy(problem: Problem, theta: Tensor) -> Tensor:
    """Eq. (1) [S, A]: the integral of πi over f⁻¹(a), as differences of normal distribution functions."""
    mean, deviation = gaussian(problem, theta)
    below = torch.special.ndtr((problem.edges[1:-1] - mean[:, None]) / deviation[:, None])
    mass = torch.nn.functional.pad(torch.nn.functional.pad(below, (1, 0)), (0, 1), value=1.0).diff(dim=1)
    return torch.zeros_like(problem.r).index_add(1, problem.f, mass)


def nodes(problem: Problem, mean: Tensor, deviation: Tensor) -> tuple[Tensor, Tensor]:
    """Points of E and their quadrature weights, [S, cells, NODES]: each interval, as far as a Gaussian reaches."""
    points, weights = (torch.from_numpy(values) for values in np.polynomial.legendre.leggauss(NODES))
    low, high = mean - REACH * deviation, mean + REACH * deviation
    ends = torch.minimum(torch.maximum(problem.edges, low[:, None]), high[:, None])  # [S, cells + 1]
    half, middle = ends.diff(dim=1)[..., None] / 2, (ends[:, 1:] + ends[:, :-1])[..., None] / 2
    return middle + half * points, half * weights


def log_density(e: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """ln N(e; mean, deviation²) of points [S, ...] for means and deviations [S]."""
    shape = (-1, *(1,) * (e.dim() - 1))
    mean, deviation = mean.view(shape), deviation.view(shape)
    return -((e - mean) / deviation).square() / 2 - deviation.log() - math.log(2 * math.pi) / 2


def integral(weights: Tensor, density: Tensor, q: Tensor, problem: Problem) -> Tensor:
    """Σ_a ∫_{f⁻¹(a)} πi(e given x) Q(·, a) de [S]: `weights` and `density` at the nodes [S, cells, NODES], q [S, A]."""
    return ((weights * density).sum(2) * q[:, problem.f]).sum(1)


def restricted_density(problem: Problem, policy: Tensor, e: Tensor) -> Tensor:
    """A πi(e given φ(s)) with the overall policy `policy`: the standard normal density, restricted to each f⁻¹(a).

    πi(e given x) = π(f(e) given s) h(e) / H(f(e)), with H(a) the integral of h over f⁻¹(a). It is a function of x
    alone: of states that share an embedding, the last one's π is taken for all. e [S, cells, NODES], of that shape.
    """
    of_x = torch.zeros_like(policy)
    of_x[problem.x_of] = policy
    mass = torch.zeros(policy.shape[1], dtype=torch.float64)
    mass.index_add_(0, problem.f, torch.special.ndtr(problem.edges).diff())
    zero, one = torch.zeros(len(e), dtype=torch.float64), torch.ones(len(e), dtype=torch.float64)
    return log_density(e, zero, one).exp() * (of_x[problem.x_of] / mass)[:, problem.f, None]
