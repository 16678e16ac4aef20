"""From the settings' kind to an algorithm."""

from workers.algorithms import anil, boil, joint, maml, meta_sgd, reptile
from workers.algorithms.algorithm import Algorithm, learn_all

ALGORITHMS: dict[str, Algorithm] = {
    "maml": Algorithm(maml.outer_gradient, learn_all, maml.outer_loss),
    "anil": Algorithm(anil.outer_gradient, anil.learn, anil.outer_loss),
    "boil": Algorithm(boil.outer_gradient, boil.learn, boil.outer_loss),
    "meta_sgd": Algorithm(meta_sgd.outer_gradient, meta_sgd.learn, meta_sgd.outer_loss),
    "reptile": Algorithm(reptile.outer_gradient, learn_all),
    "joint": Algorithm(joint.outer_gradient, joint.learn, joint.outer_loss),
}
