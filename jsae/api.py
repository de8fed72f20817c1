"""What the library offers: `import jsae` has these names too.

| name | what |
|---|---|
| fit | learn an embedding of an environment, or from a log |
| load | read an embedding that was saved |
| StateActionEmbedding | what `fit` and `load` give |
| EmbeddedEnv, EmbeddedVectorEnv | environments whose observations and actions are points |
| ContinualLearning | a callback of Stable-Baselines3 that goes on learning an embedding |
| train | train an agent on your own Gymnasium environment |
| plot_embedding, plot_curves | plots |
| JsaeError | every error that a user can fix |
"""

from jsae.config.errors import JsaeError
from jsae.library.continual import ContinualLearning
from jsae.library.embedding import StateActionEmbedding, load
from jsae.library.fitting import fit
from jsae.library.plots import plot_curves, plot_embedding
from jsae.library.wrappers import EmbeddedEnv, EmbeddedVectorEnv
from jsae.standalone.own import train

__all__ = [
    "ContinualLearning",
    "EmbeddedEnv",
    "EmbeddedVectorEnv",
    "JsaeError",
    "StateActionEmbedding",
    "fit",
    "load",
    "plot_curves",
    "plot_embedding",
    "train",
]
