"""A small params.yaml for tests, which must not follow changes of the project's own."""

import copy
import json
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from jsae.config import schema

TEXT = """
scales:
  smoke: [{cells: main, seeds: ["0-1"]}]
  preview: [{cells: main, seeds: ["0-1", "2-2"]}]
  paper: [{cells: main, seeds: ["0-1"]}, {cells: others, seeds: ["0-1"]}]
cells:
  main:
    - {environments: [grid, slots], agents: [vpg], embeddings: [none, jsae]}
    - {environments: [shop], agents: [ppo], embeddings: [jsae]}
    - {environments: [old-grid], agents: [vpg], embeddings: [jsae]}
    - {environments: [wide-grid], agents: [vpg], embeddings: [jsae_transfer, jsae_transfer_all]}
  others:
    - {environments: [grid], agents: [vpg], embeddings: [jsae], readings: [four-steps]}
readings:
  four-steps: {meaning: four policy steps, agents: {vpg: {train_pi_iters: 4}}}
data:
  kechinov:
    raw: {months: [2019-Oct], mirrors: ["https://example.com"], local_path: ""}
    minimum_item_purchases: 100
    minimum_user_purchases: 3
    counting: all-purchases
    duplicates: drop
    bad_rows: error
  completejourney: {raw: {}, most_bought_items: 20, minimum_user_purchases: 3}
  synthetic:
    raw: {purchases: 2000, seed: 0}
    minimum_item_purchases: 1
    minimum_user_purchases: 3
    counting: all-purchases
    duplicates: drop
    bad_rows: error
  transitions: {order: 2, skip_window: 3, similarity: false, held_out_share: 0.1}
environments:
  grid: &grid
    module: gridworld
    label: Grid
    panel: "2b"
    purchases: null
    dynamics: &dynamics
      discrete: true
      bins: 10
      actuators: 4
      sub_steps: 4
      sub_step_length: 0.045
      step_reward: -0.01
      collision_reward: -0.05
      goal_reward: 1.0
      start: [0.3, 0.1]
      goal: [0.1, 0.6, 0.3, 0.8]
      walls: [[0.0, 0.4, 0.5, 0.5]]
      episode_length: 12
    steps_per_epoch: 24
    epochs: {smoke: 1, preview: 2, paper: 18}
    reward_scale: 1.0
    hidden_sizes: [4, 4]
    state_embedding_size: 8
    action_embedding_size: 2
    pretraining_samples: 60
    pretraining_epochs: {smoke: 1, preview: 1, paper: 2}
    continual: false
  slots:
    <<: *grid
    module: slot_machine
    label: Slots
    panel: "2c"
    dynamics: {reels: [[2, 3], [3, 2], [2, 3]], moves: 2, fraction: 0.5, minimum_count: 2, episode_length: 6}
  shop:
    <<: *grid
    module: recommender
    label: Shop
    panel: "2e"
    purchases: completejourney
    dynamics: {boost: 3.0, bonus: 0.05, start: uniform, episode_length: 12}
    continual: true
  old-grid: {<<: *grid, panel: "", dynamics: {<<: *dynamics, actuators: 3}}
  wide-grid: {<<: *grid, panel: "2f", dynamics: {<<: *dynamics, actuators: 5}}
embeddings:
  learning_rate: 0.01
  weight_decay: 0.0001
  batch_size: 16
  validation_share: 0.1
  window: 40
  minimum_improvement: 0.0
  continual_weight_decay: 0.0001
  continual_epochs: 1
  continual_batch_size: 8
agents:
  common: {discount: 0.99, initial_standard_deviation: 0.6, actor_learning_rate: 0.001, critic_learning_rate: 0.002}
  vpg: {gae_lambda: 0.97, train_pi_iters: 1, train_v_iters: 3, target_kl: 0.015}
  ppo: {clip: 0.2, gae_lambda: 0.97, train_pi_iters: 3, train_v_iters: 3, target_kl: 0.015}
training:
  device: cpu
  runs_per_batch: {smoke: 2, preview: 2, paper: 2}
transfer: {panel: "2f", environment: old-grid, embedding: jsae}
theory: {problems: 2, states: 4, actions: 2, cells_per_action: 2, tolerance: 1.0e-8, near: 1.0e-6, sampled_states: 8}
probes: {samples: 100, visits: 1000, draws: 10, pairs: 100}
value_maps: {episodes: 2}
search:
  seeds: "1000-1001"
  cells: [main]
  settings: 18
  seeds_per_setting: 2
  combined: [actor_learning_rate, critic_learning_rate, train_pi_iters]
  spread: [action_embedding_size]
  first_rung: {gridworld: 0.34, slot_machine: 1.0, recommender: 0.5}
  factor: 3
  runs_per_batch: 4
  same_as: {wide-grid: grid, old-grid: grid}
  grid:
    actor_learning_rate: [0.001, 0.0003, 0.0001]
    critic_learning_rate: [0.001, 0.0003, 0.0001]
    train_pi_iters: [1, 4]
  grids:
    slot_machine: {action_embedding_size: [2, 4]}
"""
DELETED = ...
"""In `written`: the key goes."""


def content(changes: dict[str, Any] | None = None) -> dict[str, Any]:
    """The content of the file with values changed by key, as in {"agents.vpg.train_pi_iters": 2, "search": DELETED}."""
    found: dict[str, Any] = json.loads(json.dumps(YAML(typ="safe").load(TEXT)))  # nothing is shared
    for key, value in copy.deepcopy(changes or {}).items():
        *path, last = key.split(".")
        place: Any = found
        for step in path:
            place = place[int(step)] if isinstance(place, list) else place[step]
        if value is DELETED:
            del place[last]
        elif isinstance(place, list):
            place[int(last)] = value
        else:
            place[last] = value
    return found


def written(folder: Path, changes: dict[str, Any] | None = None) -> Path:
    """The file in `folder`, with changes."""
    path = folder / "params.yaml"
    with path.open("w", encoding="utf-8") as stream:
        YAML(typ="safe").dump(content(changes), stream)
    return path


def loaded(changes: dict[str, Any] | None = None) -> schema.Parameters:
    """The parameters, with changes."""
    return schema.Parameters.model_validate(content(changes))
