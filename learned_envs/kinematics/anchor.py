"""Where joints are in the world: MuJoCo's xanchor and xaxis."""

from __future__ import annotations

import torch
from torch import Tensor

from learned_envs.kinematics.instant import Instant, Part, quantity
from learned_envs.kinematics.links import double, register_constants
from learned_envs.kinematics.mount import WORLD
from learned_envs.kinematics.tree import Tree
from learned_envs.systems.spec import SystemSpec


class Anchors(Part):
    """Anchors and axes of all joints, each before the joint itself moves them."""

    link: Tensor
    axis_link: Tensor
    axis: Tensor
    anchor: Tensor
    slides: Tensor
    coordinate: Tensor
    rest: Tensor

    def __init__(self, spec: SystemSpec, tree: Tree) -> None:
        super().__init__()
        for joint in spec.joints:
            tree.mount(joint.body)
        free = [joint.kind == "free" for joint in spec.joints]
        links = [tree.link_of[joint.v] for joint in spec.joints]
        register_constants(
            self,
            link=torch.tensor(links).long(),
            # MuJoCo leaves a free joint's axis as it is.
            axis_link=torch.tensor(
                [WORLD if f else i for f, i in zip(free, links, strict=True)]
            ).long(),
            axis=double([joint.axis for joint in spec.joints]).reshape(-1, 3, 1),
            anchor=double(
                [
                    (0.0, 0.0, 0.0, 1.0) if f else (*joint.pos, 1.0)
                    for f, joint in zip(free, spec.joints, strict=True)
                ]
            ).reshape(-1, 4, 1),
            slides=double([[float(joint.kind == "slide")] for joint in spec.joints]).reshape(-1, 1),
            coordinate=torch.tensor([joint.q for joint in spec.joints]).long(),
            rest=double([spec.q0[joint.q] for joint in spec.joints]),
        )

    @quantity
    def axes(self, at: Instant) -> Tensor:
        """Return the axes, (*batch, njnt, 3)."""
        rotation = at.frames.index_select(-3, self.axis_link)[..., :3, :3]
        return (rotation @ self.axis).squeeze(-1)

    @quantity
    def anchors(self, at: Instant) -> Tensor:
        """Return the anchors, (*batch, njnt, 3) metres."""
        frames = at.frames.index_select(-3, self.link)
        anchor = (frames[..., :3, :] @ self.anchor).squeeze(-1)
        travel = (at.q.index_select(-1, self.coordinate) - self.rest).unsqueeze(-1) * self.slides
        return anchor - travel * self.axes(at)
