"""Disk to value and back: networks, labelled results, checkpoints. Nothing is ever unpickled."""

from ._atomic import prepare_folder as prepare_folder
from ._atomic import write_atomically as write_atomically
from ._checkpoint import load_checkpoint as load_checkpoint
from ._checkpoint import save_checkpoint as save_checkpoint
from ._json import to_json as to_json
from ._network import StoredNetwork as StoredNetwork
from ._network import load_networks as load_networks
from ._network import save_networks as save_networks
from ._provenance import provenance as provenance

__all__ = [
    "StoredNetwork",
    "load_checkpoint",
    "load_networks",
    "prepare_folder",
    "provenance",
    "save_checkpoint",
    "save_networks",
    "to_json",
    "write_atomically",
]
