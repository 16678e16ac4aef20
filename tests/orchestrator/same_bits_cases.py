"""The combinations of algorithms, normalizations and policies of test_same_bits.py."""

import itertools

ALGORITHMS = {
    "maml": ["algorithm.kind=maml"],
    "maml, momentum": ["algorithm.kind=maml", "algorithm.inner_optimizer=momentum"],
    "maml, multi-step": ["algorithm.kind=maml", "algorithm.multi_step=true"],
    "fomaml": ["algorithm.kind=maml", "algorithm.first_order=true"],
    "fomaml, adam, persistent": [
        "algorithm.kind=maml",
        "algorithm.first_order=true",
        "algorithm.inner_optimizer=adam",
        "algorithm.inner_moments=persistent",
    ],
    "anil": ["algorithm.kind=anil"],
    "anil, momentum, persistent": [
        "algorithm.kind=anil",
        "algorithm.inner_optimizer=momentum",
        "algorithm.inner_moments=persistent",
    ],
    "boil": ["algorithm.kind=boil"],
    "meta-sgd": ["algorithm.kind=meta_sgd"],
    "reptile": ["algorithm.kind=reptile", "algorithm.inner_steps=2"],
    "reptile, momentum": [
        "algorithm.kind=reptile",
        "algorithm.inner_steps=2",
        "algorithm.inner_optimizer=momentum",
    ],
    "reptile, adam, persistent": [
        "algorithm.kind=reptile",
        "algorithm.inner_steps=2",
        "algorithm.inner_optimizer=adam",
        "algorithm.inner_moments=persistent",
    ],
    "joint": ["algorithm.kind=joint"],
    "maml, recomputed": [
        "algorithm.kind=maml",
        "algorithm.inner_optimizer=momentum",
        "algorithm.inner_steps=3",
        "algorithm.inner_clip=0.5",
        "runtime.inner_memory=recompute",
    ],
    # Of two outer steps the first is of the first order, and their losses have other weights.
    "maml++": [
        "algorithm.kind=maml",
        "algorithm.inner_steps=2",
        "algorithm.multi_step=true",
        "algorithm.multi_step_until=3",
        "algorithm.second_order_after=1",
        "algorithm.layer_rates=true",
    ],
    "imaml": ["algorithm.kind=imaml", "algorithm.inner_steps=3", "algorithm.cg_steps=2"],
    "cavia": ["algorithm.kind=cavia", "algorithm.inner_steps=2", "algorithm.context_size=3"],
    "anil, layer rates, recomputed": [
        "algorithm.kind=anil",
        "algorithm.inner_steps=2",
        "algorithm.inner_optimizer=momentum",
        "algorithm.layer_rates=true",
        "runtime.inner_memory=recompute",
    ],
}

NORMALIZATIONS = {
    "none": ["model.normalization=none"],
    "batch": ["model.normalization=batch"],
    "support statistics": ["model.normalization=batch", "model.statistics=support"],
    "running statistics": ["model.normalization=batch", "model.statistics=running"],
    "layer": ["model.normalization=layer"],
    "group": ["model.normalization=group", "model.groups=2"],
}

POLICIES = {
    "maml": [],
    "maml, per step": ["task.curvature=per_step", "algorithm.inner_steps=2"],
    "fomaml": ["algorithm.first_order=true"],
    "reptile": ["algorithm.kind=reptile", "algorithm.inner_steps=2"],
    "joint": ["algorithm.kind=joint"],
    "multi-step": [
        "algorithm.inner_steps=2",
        "algorithm.multi_step=true",
        "algorithm.later_lr=0.5",
        "outer.epochs=2",
        "task.curvature=per_step",
    ],
    "trpo": [
        "outer.optimizer=trpo",
        "outer.conjugate_steps=2",
        "outer.line_search=3",
        "runtime.execution=map",  # in two thirds of the time
    ],
    "cavia": ["algorithm.kind=cavia", "algorithm.inner_steps=2", "outer.epochs=2"],
    "promp": ["outer.epochs=2", "outer.divergence_penalty=0.5", "task.curvature=per_step"],
}

# Heads that are computed, of small images; "ridge, numbers" of sinusoids.
_ONCE = "evaluation.inner_steps=[1]"
_BATCH = "model.normalization=batch"
HEADS = {
    "protonet": ["algorithm.kind=protonet", _ONCE, _BATCH],
    "protonet, support": ["algorithm.kind=protonet", _ONCE, _BATCH, "model.statistics=support"],
    "protonet, vectorized": ["algorithm.kind=protonet", _ONCE, "runtime.execution=vectorized"],
    "proto-maml": ["algorithm.kind=proto_maml", "model.normalization=layer"],
    "ridge": ["algorithm.kind=ridge", _ONCE, _BATCH],
    "protonet, ways": [
        *["algorithm.kind=protonet", _ONCE, _BATCH],
        *["task.ways=[2,4]", "task.shots=[1,2]"],
    ],
    "proto-maml, ways": ["algorithm.kind=proto_maml", _BATCH, "task.ways=[2,4]"],
    "ridge, numbers": ["algorithm.kind=ridge", _ONCE, "runtime.execution=vectorized"],
}

CARRYING = ("running statistics", "persistent")

# One query at a time takes long, except where it is short.
_INSTEAD = {"imaml": "layer", "cavia": "group", "anil, layer rates, recomputed": "none"}
# Each algorithm, and each normalization.
EVERY_DAY = [
    (algorithm, _INSTEAD.get(algorithm, normalization))
    for algorithm, normalization in zip(
        ALGORITHMS, itertools.chain(["group"], itertools.cycle(NORMALIZATIONS)), strict=False
    )
]

ELSEWHERE = [
    ("fomaml, adam, persistent", "running statistics"),
    ("reptile, momentum", "running statistics"),
]

# Each kind of algorithm, and each normalization; inner optimizers are those of ELSEWHERE.
OTHERS_ELSEWHERE = [
    ("maml, multi-step", "batch"),
    ("anil, momentum, persistent", "group"),
    ("boil", "none"),
    ("meta-sgd", "layer"),
    ("reptile", "support statistics"),
    ("joint", "running statistics"),
    ("maml, recomputed", "running statistics"),
    ("maml++", "batch"),
    ("imaml", "group"),
    ("cavia", "none"),
]

_SEEN = [*EVERY_DAY, *ELSEWHERE, *OTHERS_ELSEWHERE]
#: Refused: a batch's statistics take away context parameters.
REFUSED = [
    ("cavia", name) for name, values in NORMALIZATIONS.items() if values[0].endswith("batch")
]
OTHERS = [
    both for both in itertools.product(ALGORITHMS, NORMALIZATIONS) if both not in [*_SEEN, *REFUSED]
]
POLICY_ELSEWHERE = "promp"
OTHER_POLICIES_ELSEWHERE = ["trpo", "reptile"]
OTHER_POLICIES = [
    name for name in POLICIES if name not in [POLICY_ELSEWHERE, *OTHER_POLICIES_ELSEWHERE]
]
