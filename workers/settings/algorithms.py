"""The registry of algorithms.

A new algorithm is a file in `workers/algorithms/` with a record (see `Algorithm`), and a row here.
"""

from typing import TYPE_CHECKING

from workers.settings.registry import records, union

if TYPE_CHECKING:
    from workers.algorithms.algorithm import Algorithm

_PLACES = {
    "maml": "workers.algorithms.maml:MamlAlgorithm",
    "anil": "workers.algorithms.anil:AnilAlgorithm",
    "boil": "workers.algorithms.boil:BoilAlgorithm",
    "meta_sgd": "workers.algorithms.meta_sgd:MetaSgdAlgorithm",
    "cavia": "workers.algorithms.cavia:CaviaAlgorithm",
    "imaml": "workers.algorithms.imaml:ImamlAlgorithm",
    "reptile": "workers.algorithms.reptile:ReptileAlgorithm",
    "protonet": "workers.algorithms.protonet:ProtoNetAlgorithm",
    "proto_maml": "workers.algorithms.proto_maml:ProtoMamlAlgorithm",
    "ridge": "workers.algorithms.ridge:RidgeAlgorithm",
    "joint": "workers.algorithms.joint:JointAlgorithm",
    "rl2": "workers.algorithms.rl2:Rl2Algorithm",
}

#: kind -> record.
ALGORITHMS: dict[str, type["Algorithm"]] = records(_PLACES)

if TYPE_CHECKING:
    AlgorithmSettings = Algorithm
else:
    AlgorithmSettings = union(ALGORITHMS)
