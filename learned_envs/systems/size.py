"""How large a system may be that a model is made of."""

from __future__ import annotations

from learned_envs.errors import ParameterError
from learned_envs.systems.geom import MOST_VERTICES
from learned_envs.systems.spec import SystemSpec

MOST_COORDINATES = 150
"""Of q. With as many, the contact points of a model take some 10 s and 0.3 GB to lay out."""

MOST_BODIES = 2000

MOST_CONTACTS = 50_000
"""Of q's coordinates times the contact points; the time and the memory above grow with it."""

POINTS = {"box": 8, "mesh": MOST_VERTICES, "capsule": 2, "cylinder": 2}
"""Contact points of shapes that have several, for each plane."""


def check_size(spec: SystemSpec) -> None:
    """Check that a model of a system can be made in seconds and in a few hundred megabytes.

    Raises:
        ParameterError: if not.
    """
    planes = sum(geom.kind == "plane" and geom.touches for geom in spec.geoms)
    points = planes * sum(POINTS.get(geom.kind, 1) for geom in spec.geoms if geom.touches)
    for name, got, most in (
        ("bodies", len(spec.bodies), MOST_BODIES),
        ("coordinates in q", spec.nq, MOST_COORDINATES),
        ("coordinates in q times points that may touch", spec.nq * points, MOST_CONTACTS),
    ):
        if got > most:
            raise ParameterError(
                f"{spec.reference_id:.200} has {got:,} {name}, expected at most {most:,}. Leave "
                "out what does not matter for its motion."
            )
