"""The paper's lemmas with numbers: Lemma 1 and Theorem 1 (4.2, A.2), Lemma 2 (4.3.2, A.3).

They are checked on random finite decision processes (jsae.theory.mdp, which explains the symbols).

What the numbers show beyond the lemmas:

- **Lemma 1 needs more than Assumptions 1 and 2.** Its proof uses Claim 1, that A is independent of S given X. That is a
  property of policies that act through φ, not of every π. If two states share an embedding and their best actions
  differ, no πi at all satisfies the lemma for π*, and an overall policy with that φ is not optimal. The lemma holds
  where φ is injective (Assumption 3, which the paper only introduces for Lemma 2). Theorem 1 holds as it is written,
  because it may choose φ.
- It also needs f⁻¹(a) to have positive measure for every action that π takes: a density cannot put mass on a point.
  The πi that attains π* is no Gaussian; Gaussians only come close as their deviation shrinks.
- **Lemma 2 depends on how Q(x, e) averages over φ⁻¹(x)** where Assumption 3 fails, which the proof leaves open. With
  the weights of d0, which is what the definition of Q(x, e) as a conditional expectation gives at the first step,
  Ji = Jo for every φ, and Assumption 3 is not needed. So it is with the values of the process on X itself, whose
  transitions are averages over the visits. With other weights Ji is another function with another gradient.
- What an agent follows is not ∂Ji/∂θ but the policy gradient in E, Σ η(x) ∫ ∂πi/∂θ Q(x, e) de, with the visits η of all
  steps. With Q averaged over those visits (which returns of whole episodes estimate) it is ∂Jo/∂θ for every φ. With a Q
  that bootstraps as if x were a Markov state it is not: there, Assumption 3 does its work.
- In Eq. (8) the integral over X is to be read as an expectation: the embeddings of a finite S have measure zero in Rᵐ.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy.optimize import linprog
from torch import Tensor

from jsae.theory.mdp import (
    Problem,
    action_values,
    gaussian,
    integral,
    log_density,
    nodes,
    optimal_policy,
    overall_policy,
    restricted_density,
    visits,
)

AVERAGES = ("start", "uniform", "visits", "markov")
"""Readings of Q(x, e) where states share an embedding; see `embedded_values`."""


# ---- Lemma 1 and Theorem 1 -------------------------------------------------------------------------------------------


def lemma_1(problem: Problem, policy: Tensor) -> float:
    """Largest difference of v^π(s) and Σ_a ∫_{f⁻¹(a)} πi(e given φ(s)) Q^π(s, a) de, over the largest |v^π|.

    For any π [S, A], with the πi of `restricted_density` and the integral by quadrature.
    """
    q = action_values(problem, policy)
    v = (policy * q).sum(1)
    e, weights = _standard_nodes(problem)
    return relative(integral(weights, restricted_density(problem, policy, e), q, problem), v)


def lemma_1_gaussian(problem: Problem, theta: Tensor) -> float:
    """The same for a given Gaussian πi: π is then Eq. (1) by distribution functions, the integral by quadrature."""
    policy = overall_policy(problem, theta)
    q = action_values(problem, policy)
    mean, deviation = gaussian(problem, theta)
    e, weights = nodes(problem, mean, deviation)
    return relative(integral(weights, log_density(e, mean, deviation).exp(), q, problem), (policy * q).sum(1))


def theorem_1(problem: Problem) -> float:
    """Largest difference of v* and v^πo, over the largest |v*|, for the πi that is restricted to f⁻¹ of π*(s)."""
    best = optimal_policy(problem)
    e, weights = _standard_nodes(problem)
    mass = (weights * restricted_density(problem, best, e)).sum(2)
    overall = torch.zeros_like(best).index_add(1, problem.f, mass)
    return relative((overall * action_values(problem, overall)).sum(1), (best * action_values(problem, best)).sum(1))


def smallest_error_of_eq_2(problem: Problem) -> float:
    """The error of Eq. (2) that every πi has: min over πi of max_s v*(s) − Σ_a ∫_{f⁻¹(a)} πi Q*(s, a) de.

    In units of the range of v*. Only the mass w(a) that πi(· given x) puts on f⁻¹(a) counts: a linear programme
    for each x.
    """
    best = optimal_policy(problem)
    q = action_values(problem, best).numpy()
    v = (best.numpy() * q).sum(1)
    actions, worst = q.shape[1], 0.0
    for x in range(int(problem.x_of.max()) + 1):
        here = np.flatnonzero(problem.x_of.numpy() == x)
        if len(here) > 1:
            regret = v[here, None] - q[here]
            found = linprog(
                np.eye(actions + 1)[-1],
                A_ub=np.column_stack([regret, -np.ones(len(here))]),
                b_ub=np.zeros(len(here)),
                A_eq=np.append(np.ones(actions), 0)[None],
                b_eq=[1],
            )
            worst = max(worst, float(np.asarray(found.x)[-1]))
    return worst / float(np.ptp(v))


def _standard_nodes(problem: Problem) -> tuple[Tensor, Tensor]:
    zero = torch.zeros(len(problem.x), dtype=torch.float64)
    return nodes(problem, zero, torch.ones_like(zero))


# ---- Lemma 2 ---------------------------------------------------------------------------------------------------------


def overall_performance(problem: Problem, theta: Tensor) -> Tensor:
    """Jo, Eq. (7)."""
    policy = overall_policy(problem, theta)
    return problem.d0 @ (policy * action_values(problem, policy)).sum(1)


def internal_performance(problem: Problem, theta: Tensor, average: str) -> Tensor:
    """Ji, Eq. (8): Σ_x d0(x) ∫ πi(e given x) Q(x, e) de, with Q as `embedded_values` says."""
    policy = overall_policy(problem, theta)
    q = embedded_values(problem, policy, average)[problem.x_of]
    return problem.d0 @ (policy * q).sum(1)


def embedded_values(problem: Problem, policy: Tensor, average: str) -> Tensor:
    """Q(x, e) = Q(x, f(e)) [K, A] for the embedded states x.

    | average | Q(x, e) |
    |---|---|
    | start | mean of Q(s, f(e)) over φ⁻¹(x) with the weights of d0: the conditional expectation at the first step |
    | uniform | mean with equal weights |
    | visits | mean with the weights of the visits η: what returns of whole episodes estimate |
    | markov | the fixed point of Bellman's equation on X, with those weights: what a bootstrapping critic tends to |

    All four are the same where φ is injective.
    """
    match average:
        case "start":
            weights = problem.d0
        case "uniform":
            weights = torch.ones_like(problem.d0)
        case _:
            weights = visits(problem, policy)
    member = torch.nn.functional.one_hot(problem.x_of).double()  # [S, K]
    share = (weights[:, None] * member / (weights @ member)).T  # [K, S]
    if average == "markov":
        P, r = (torch.einsum("ks,sa...->ka...", share, values) for values in (problem.P @ member, problem.r))
        return action_values(problem._replace(P=P, r=r), share @ policy)
    return share @ action_values(problem, policy)


def policy_gradient(problem: Problem, theta: Tensor, average: str) -> Tensor:
    """Σ_s η(s) ∫ πi(e given φ(s)) ∂ln πi/∂θ Q(φ(s), e) de [m + 1, 2]: an agent's update, which never sees πo.

    The score is that of the density in E, the integral is by quadrature.
    """
    with torch.no_grad():
        policy = overall_policy(problem, theta)
        q = embedded_values(problem, policy, average)[problem.x_of]
        eta = visits(problem, policy)
        e, weights = nodes(problem, *gaussian(problem, theta))
    theta = theta.clone().requires_grad_()
    score = log_density(e, *gaussian(problem, theta))
    return gradient_of(eta @ integral(weights, score.detach().exp() * score, q, problem), theta)


def lemma_2(problem: Problem, theta: Tensor, averages: Sequence[str]) -> dict[str, float]:
    """‖∂Ji/∂θ − ∂Jo/∂θ‖ / ‖∂Jo/∂θ‖ for some `averages` of `embedded_values`, by automatic differentiation.

    With it the same for the update that an agent makes, the policy gradient in E.
    """
    true = automatic(lambda t: overall_performance(problem, t), theta)
    errors = {}
    for average in averages:

        def inner(t: Tensor, average: str = average) -> Tensor:
            return internal_performance(problem, t, average)

        errors[f"∂Ji, Q: {average}"] = gradient_error(automatic(inner, theta), true)
    for average in ("visits", "markov"):
        errors[f"policy gradient in E, Q: {average}"] = gradient_error(policy_gradient(problem, theta, average), true)
    return errors


def lemma_2_again(problem: Problem, theta: Tensor) -> dict[str, float]:
    """The same errors by finite differences, of Ji with the values of the process on X."""
    true = automatic(lambda t: overall_performance(problem, t), theta)
    outer = finite_differences(lambda t: overall_performance(problem, t), theta)
    inner = finite_differences(lambda t: internal_performance(problem, t, "markov"), theta)
    return {
        "∂Jo, finite differences": gradient_error(outer, true),
        "∂Ji, finite differences": gradient_error(inner, true),
    }


def automatic(function: Callable[[Tensor], Tensor], theta: Tensor) -> Tensor:
    """∂function/∂θ by automatic differentiation, in the shape of θ."""
    theta = theta.clone().requires_grad_()
    return gradient_of(function(theta), theta)


def gradient_of(value: Tensor, theta: Tensor) -> Tensor:
    return torch.autograd.grad(value, theta)[0]


def finite_differences(function: Callable[[Tensor], Tensor], theta: Tensor, step: float = 1e-3) -> Tensor:
    """∂function/∂θ by central differences of fourth order, in the shape of θ."""
    gradient = torch.empty_like(theta)
    for i in range(theta.numel()):
        direction = torch.zeros_like(theta)
        direction.view(-1)[i] = step
        near = function(theta + direction) - function(theta - direction)
        far = function(theta + 2 * direction) - function(theta - 2 * direction)
        gradient.view(-1)[i] = (8 * near - far) / (12 * step)
    return gradient


def relative(found: Tensor, true: Tensor) -> float:
    """The largest abs. difference, over the largest abs. true value."""
    return float((found - true).abs().max() / true.abs().max())


def gradient_error(found: Tensor, true: Tensor) -> float:
    """‖found − true‖ / ‖true‖."""
    return float((found - true).norm() / true.norm())
