"""Disk to value and back: networks, connectomes, results, checkpoints. Nothing is unpickled."""

from ._atomic import prepare_folder as prepare_folder
from ._atomic import write_atomically as write_atomically
from ._checkpoint import load_checkpoint as load_checkpoint
from ._checkpoint import save_checkpoint as save_checkpoint
from ._connectome import Connectome as Connectome
from ._connectome import EdgeList as EdgeList
from ._connectome import sign_by_transmitter as sign_by_transmitter
from ._connectome_files import load_connectome as load_connectome
from ._json import to_json as to_json
from ._network import StoredNetwork as StoredNetwork
from ._network import load_networks as load_networks
from ._network import save_networks as save_networks
from ._provenance import provenance as provenance
from ._vector import load_vector as load_vector

__all__ = [
    "Connectome",
    "EdgeList",
    "StoredNetwork",
    "load_checkpoint",
    "load_connectome",
    "load_networks",
    "load_vector",
    "prepare_folder",
    "provenance",
    "save_checkpoint",
    "save_networks",
    "sign_by_transmitter",
    "to_json",
    "write_atomically",
]
