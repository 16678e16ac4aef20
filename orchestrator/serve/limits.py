"""The limits of a service: sizes, numbers and times."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What a service accepts and keeps.

    body_bytes: of a request's body.
    examples: in a support set, and in a query set.
    waiting: requests of a replica that wait to be computed.
    waiting_bytes: of the examples and weights of these requests.
    held_bytes: of the bodies of requests that a replica has not answered yet.
    conversions: requests of a replica whose bodies are read and converted at once. One may take
      1 GB for an image.
    kept: support sets that are kept under an id.
    kept_bytes: of all kept support sets together.
    expiry_s: seconds after which a support set that nobody asks is dropped.
    adapted_bytes: of adapted weights that a replica keeps; others are computed again.
    graphs: graphs that a learner has, one for each combination of sizes, before it is built anew.
      TensorFlow does not give back what XLA compiled: the memory still grows with new sizes.
    growth_bytes: that a replica's process may hold beyond what it began with. Another takes its
      place then, on Ray Serve.
    """

    body_bytes: int = 16 * 1024 * 1024
    examples: int = 1000
    waiting: int = 512
    waiting_bytes: int = 256 * 1024 * 1024
    held_bytes: int = 256 * 1024 * 1024
    conversions: int = 2
    kept: int = 1000
    kept_bytes: int = 256 * 1024 * 1024
    expiry_s: float = 3600.0
    adapted_bytes: int = 256 * 1024 * 1024
    graphs: int = 64
    growth_bytes: int = 2 * 1024 * 1024 * 1024
