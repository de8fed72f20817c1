"""Where tensors live: on the CPU, or on a GPU."""

import torch

from jsae.config.errors import JsaeError


def chosen(name: str) -> torch.device:
    """The device of `training.device`: cpu, cuda, or auto, which is cuda where torch can use a GPU and cpu elsewhere.

    Raises JsaeError if it is cuda and there is none.
    """
    if name != "cpu" and torch.cuda.is_available():
        return torch.device("cuda")
    if name == "cuda":
        raise JsaeError(
            "params.yaml: training.device is cuda, and torch finds no GPU here: set it to cpu or auto, "
            "or set up with make setup TORCH=cuda"
        )
    return torch.device("cpu")


def name(device: torch.device) -> str:
    """What a record of a run calls the device: a GPU by its model."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
