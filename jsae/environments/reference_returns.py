"""How good a policy can be: returns of the uniformly random and of the best policy, undiscounted, an episode long.

Every panel draws these two as lines, and every run reports its return as a fraction of the way between them.

==================  ==============================================  =================================================
environment         random                                          optimal
==================  ==============================================  =================================================
slot machine        closed form                                     backward induction over all states
gridworld           Monte Carlo, 95 % interval                      search over positions, and a bound from geometry
recommender         backward induction over all states              backward induction over all states
half-cheetah        Monte Carlo, 95 % interval                      not known
==================  ==============================================  =================================================
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from jsae.config.errors import JsaeError
from jsae.experience.environment import Environment, ReferenceReturns

if TYPE_CHECKING:  # these import this file: each is asked for its own reference returns
    from jsae.environments.gridworld import Gridworld
    from jsae.environments.half_cheetah import HalfCheetah
    from jsae.environments.recommender import Recommender
    from jsae.environments.slot_machine import SlotMachine

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def random_return(environment: Environment, episodes: int) -> tuple[float, float]:
    """Mean return of the uniformly random policy by Monte Carlo, and the half-width of its 95 % interval."""
    generator = torch.Generator().manual_seed(0)

    def uniforms(count: int) -> Tensor:
        return torch.rand(1, episodes, count, dtype=torch.float64, generator=generator)

    state = environment.reset(uniforms(environment.reset_noise))
    returns = torch.zeros(1, episodes, dtype=torch.float64)
    running = torch.ones(1, episodes, dtype=torch.bool)
    for _ in range(environment.episode_length):
        if environment.n_actions is not None:
            action = torch.randint(environment.n_actions, (1, episodes), generator=generator)
        else:
            action = 2 * torch.rand(1, episodes, environment.action_size, generator=generator) - 1
        state, reward, terminated = environment.step(state, action, uniforms(environment.step_noise))
        returns += reward * running
        running &= ~terminated
    return float(returns.mean()), float(1.96 * returns.std() / episodes**0.5)


def half_cheetah(environment: "HalfCheetah", episodes: int = 1_000) -> ReferenceReturns:
    """The random return and the half-width of its 95 % interval; nobody knows the best one."""
    random, half_width = random_return(environment, episodes)
    return ReferenceReturns(random, None, half_width)


def slot_machine(environment: "SlotMachine") -> ReferenceReturns:
    """Both returns without error."""
    return ReferenceReturns(slot_machine_random(environment), slot_machine_optimal(environment), 0.0)


def slot_machine_random(environment: "SlotMachine") -> float:
    """Mean return of the uniformly random policy: the sum over steps and states of probability x reward.

    A uniformly random action spins each reel by an independent uniformly random move, so that the probability of a
    combination is the product of the reels' own, each a random walk on its ring of places.
    """
    reels, values = len(environment.reels), environment.values
    move = np.bincount(environment.places % values, minlength=values) / environment.moves
    walk = np.stack([np.roll(move, place) for place in range(values)])  # walk[i, j]: from place i to place j
    reward = environment.rewards.numpy().astype(np.float64).reshape([values] * reels)
    place, total = np.eye(values)[0], 0.0
    for _ in range(environment.episode_length):
        place = place @ walk
        expected = reward
        for _ in range(reels):
            expected = expected @ place  # sums over the last reel that is left
        total += float(expected)
    return total


def slot_machine_optimal(environment: "SlotMachine") -> float:
    """Return of the best policy from the start, by backward induction: V_t(s) = max_a r(s') + V_{t+1}(s')."""
    next_state = environment.transitions.numpy()  # [S, distinct actions]
    reward = environment.rewards.numpy().astype(np.float64)
    value = np.zeros(len(reward))
    for _ in range(environment.episode_length):
        value = (reward + value)[next_state].max(axis=1)
    return float(value[0])


def gridworld(environment: "Gridworld", episodes: int = 50_000, resolution: int = 100) -> ReferenceReturns:
    """Both returns; the error is the larger of the random return's 95 % half-width and the gap of the optimum's bounds.

    The optimum is that of a player who knows the true position. In the discrete version a policy sees only the bin; the
    best plan is a fixed sequence of actions from a fixed start, so it can play that plan too as long as the plan visits
    no bin twice.
    """
    random, half_width = random_return(environment, episodes)
    low, high = gridworld_optimal(environment, resolution)
    return ReferenceReturns(random, low, max(half_width, high - low))


def gridworld_optimal(environment: "Gridworld", resolution: int = 100) -> tuple[float, float]:
    """Bounds (low, high) of the best return from the start.

    Low is the return of a plan that `gridworld_plan` found. High is that of the fewest steps that could reach the goal
    if there were no walls. Standing still for a whole episode is the alternative to both.
    """
    idle = environment.episode_length * environment.step_reward
    plan = gridworld_plan(environment, resolution)
    steps = fewest_steps(environment)
    high = max(idle, environment.goal_reward + steps * environment.step_reward)
    return (idle if plan is None else max(idle, plan_return(environment, plan))), high


def fewest_steps(environment: "Gridworld") -> int:
    """A lower bound on the steps to the goal, walls or not.

    In a direction u no step gets further than sub_steps x sub_step_length x max_a u.motion(a). As long as that is short
    of the nearest goal point in some direction, the goal is out of reach.
    """
    angles = np.linspace(0, 2 * np.pi, 3600, endpoint=False)
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    reach = environment.sub_steps * environment.sub_step_length * (directions @ environment.action_effects().T).max(1)
    x_low, y_low, x_high, y_high = environment.goal
    corners = np.array([[x_low, y_low], [x_low, y_high], [x_high, y_low], [x_high, y_high]])
    distance = (directions @ (corners - np.array(environment.start)).T).min(axis=1)
    return max(1, int(np.ceil((distance / reach).max() - 1e-6)))


def gridworld_plan(environment: "Gridworld", resolution: int = 100) -> list[int] | None:
    """The cheapest plan to the goal that a search finds: action ids from the start, or None where it finds none.

    Uniform-cost search by the environment's own step over its continuous positions, with every distinct motion, and
    with the cost of collisions. Positions that share a cell of a `resolution` x `resolution` grid are merged: the first
    and cheapest stands for all. So a plan is real, but a cheaper one may exist.
    """
    if environment.step_reward >= 0:
        raise JsaeError(f"gridworld: step_reward is {environment.step_reward}; the search for a plan needs less than 0")
    distinct = np.sort(np.unique(environment.action_effects().round(9), axis=0, return_index=True)[1])
    seen = np.zeros((resolution + 1) ** 2, dtype=bool)
    waiting = {0.0: [_Nodes(environment.reset(torch.empty(1, 1, 0))[0], None, np.array([-1]), np.array([-1]))]}
    while waiting and (cost := min(waiting)) < -environment.episode_length * environment.step_reward:
        for nodes in waiting.pop(cost):
            nodes = nodes.select(_unseen(nodes.position, resolution, seen))
            seen[_cells(nodes.position, resolution)] = True
            for chunk in np.array_split(np.arange(len(nodes.action)), len(nodes.action) // 256 + 1):
                state = nodes.position[chunk, None].expand(-1, len(distinct), -1)
                action = torch.from_numpy(distinct).expand(len(chunk), -1)
                next_state, reward, terminated = environment.step(state, action)
                if terminated.any():
                    row, column = np.argwhere(terminated.numpy())[0]
                    return [*nodes.plan(chunk[row]), int(distinct[column])]
                parent, column = np.indices(reward.shape).reshape(2, -1)
                children = _Nodes(next_state.flatten(0, 1), nodes, chunk[parent], distinct[column])
                for value in reward.unique():
                    same = children.select((reward == value).flatten().numpy().nonzero()[0])
                    same = same.select(_unseen(same.position, resolution, seen))
                    waiting.setdefault(round(cost - value.item(), 6), []).append(same)
    return None


class _Nodes(NamedTuple):
    """Positions [M, 2] that a search has reached, each with its node among the parents and the action that led here."""

    position: Tensor
    parents: "_Nodes | None"
    parent: np.ndarray
    action: np.ndarray

    def select(self, index: np.ndarray) -> "_Nodes":
        return _Nodes(self.position[index], self.parents, self.parent[index], self.action[index])

    def plan(self, index: int) -> list[int]:
        """Actions from the start to a node."""
        if self.parents is None:
            return []
        return [*self.parents.plan(self.parent[index]), int(self.action[index])]


def _cells(position: Tensor, resolution: int) -> np.ndarray:
    x, y = (position * resolution).long().unbind(-1)
    return (x * (resolution + 1) + y).numpy()


def _unseen(position: Tensor, resolution: int, seen: np.ndarray) -> np.ndarray:
    """Indices of the first position in each cell that the search has not seen."""
    cells = _cells(position, resolution)
    first = np.unique(cells, return_index=True)[1]
    return np.sort(first[~seen[cells[first]]])


def plan_return(environment: "Gridworld", plan: list[int]) -> float:
    """Return of a plan from the start, up to its end or the goal."""
    state, total = environment.reset(torch.empty(1, 1, 0)), 0.0
    for action in plan:
        state, reward, terminated = environment.step(state, torch.tensor([[action]]))
        total += float(reward)
        if terminated:
            break
    return total


def recommender(environment: "Recommender") -> ReferenceReturns:
    """Both returns without error, averaged over the start of an episode.

    Backward induction over all N^n histories and N actions. With w(x) = price of x + value of the history after buying
    x, and D = sum_x p(x) w(x), recommending a is worth D + g_a (w(a) - D), where g_a = extra_a / (1 + extra_a) and
    extra_a = (boost - 1) p(a) + bonus is the mass that the recommendation adds to item a. Histories with the same
    n-gram rows and the same newest n - 1 items have one value.
    """
    n, items = environment.n, environment.n_items
    states = torch.cartesian_prod(*[torch.arange(items)] * n).view(-1, n)  # [N^n, n], in the order of their numbers
    suffix = torch.arange(len(states)) % items ** (n - 1)  # the newest n - 1 items as one number
    class_of = suffix
    for rows in environment.mixture(states)[0].unbind(-1):
        class_of = torch.unique(class_of * (rows.max() + 1) + rows, return_inverse=True)[1]
    example = torch.empty(int(class_of.max()) + 1, dtype=torch.int64)
    example[class_of] = torch.arange(len(states))  # any history of each class; classes ascend with the suffix
    members = states[example].split(suffix[example].bincount().tolist())
    groups = [_Histories.of(environment, histories) for histories in members]
    price = environment.prices.double().numpy()
    random = optimal = np.zeros((items ** (n - 1), items))  # of the history that item x (column) ends, its others (row)
    for _ in range(environment.episode_length):
        of_classes = [
            (group.random_value(price + random[last]), group.optimal_value(price + optimal[last]))
            for last, group in enumerate(groups)
        ]
        random, optimal = (
            np.concatenate(values)[class_of].reshape(-1, items) for values in zip(*of_classes, strict=True)
        )
    start = environment.start_probabilities()[states].prod(-1).numpy()
    return ReferenceReturns(float(start @ random.ravel()), float(start @ optimal.ravel()), 0.0)


@dataclass(frozen=True)
class _Histories:
    """Classes of histories that end in the same n - 1 items: after each, item a is worth the same w(a).

    Their p differ in few items from the smallest, `base`, because they share the n-grams of lower order. K classes.

    | field | shape | meaning |
    |---|---|---|
    | base | [N] | least p of each item |
    | base_gain | [N] | g of it |
    | owner, item, more | [E] | p(item) of class `owner`, where it exceeds base, by how much; in the order of classes |
    | gain | [E] | g of these p |
    | classes | | K |
    """

    base: Floats
    base_gain: Floats
    owner: Ints
    item: Ints
    more: Floats
    gain: Floats
    classes: int

    @classmethod
    def of(cls, environment: "Recommender", histories: Tensor) -> Self:
        """histories: one of each class, [K, n]."""
        p = environment.probabilities(histories[None])[0].numpy()
        extra = (environment.boost - 1) * p + environment.bonus
        g = extra / (1 + extra)
        base = p.min(axis=0)
        owner, item = (p > base).nonzero()
        return cls(base, g.min(axis=0), owner, item, (p - base)[owner, item], g[owner, item], len(p))

    def without(self, worth: Floats) -> Floats:
        """D [K]: what a history is worth without a recommendation; worth is w [N]."""
        return self.base @ worth + np.bincount(self.owner, self.more * worth[self.item], self.classes)

    def random_value(self, worth: Floats) -> Floats:
        """Mean of D + g_a (w(a) - D) over all items a, [K]."""
        without = self.without(worth)
        gained = self.base_gain @ worth - self.base_gain.sum() * without
        more = (self.gain - self.base_gain[self.item]) * (worth[self.item] - without[self.owner])
        return without + (gained + np.bincount(self.owner, more, self.classes)) / len(worth)

    def optimal_value(self, worth: Floats) -> Floats:
        """Maximum of D + g_a (w(a) - D) over all items a, [K].

        Some item is worth D or more, so only such items matter; for them a larger g is better, so that every class may
        also try each item with base_gain: a line in D for each item. Lines fall with D, and one that is lower at the
        least D than the highest at the largest D is never the highest.
        """
        without = self.without(worth)
        low, high = without.min(), without.max()
        level = self.base_gain * worth
        lines = level - self.base_gain * low >= (level - self.base_gain * high).max()
        gained = (level[lines] - self.base_gain[lines] * without[:, None]).max(axis=1)
        np.maximum.at(gained, self.owner, self.gain * (worth[self.item] - without[self.owner]))
        return without + gained
