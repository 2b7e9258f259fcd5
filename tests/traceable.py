"""Functions that can be traced, of inputs (1, 5), and that code is derived from in tests."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

WEIGHT = torch.linspace(-1, 1, 20).reshape(5, 4)
MEMBERS = torch.linspace(-1, 1, 60).reshape(3, 5, 4)
OFFSET = torch.linspace(1, 2, 5)


def _with_signs(x: Tensor) -> list[Tensor]:
    """Use constants that are alike before one of them is written in place, and after."""
    signs, ones = torch.ones(5), torch.ones(5)
    before = x * signs
    signs[2] = -1
    return [before, x * signs, x + ones]


FUNCTIONS: dict[str, Callable[[Tensor], Sequence[Tensor]]] = {
    "affine": lambda x: [2 * (x - OFFSET) / 3 + 1, 1 - x, x * 1.0, x * OFFSET[:, None]],
    "product": lambda x: [F.linear((x - OFFSET) / 2, WEIGHT.T, WEIGHT[0]), x @ WEIGHT],
    "members": lambda x: [torch.baddbmm(MEMBERS[:, :1], x.expand(3, -1, -1), MEMBERS)],
    "layer norm": lambda x: [F.layer_norm(x, (5,)), F.layer_norm(F.silu(x), (5,)) @ WEIGHT],
    "a computed matrix second": lambda x: [
        x @ (x[..., None] * OFFSET)[0],
        (OFFSET[None, :3] @ (x[..., None] * OFFSET)[0, :3]).squeeze(0),
    ],
    "small matrices": lambda x: [
        (x[..., None, None] * MEMBERS[0]) @ (x[..., None, None] * MEMBERS[0].T),
        MEMBERS[:, :4] @ (x[0, :3, None, None] * MEMBERS[:, 1:].mT),
        (x[0, :3, None, None] * MEMBERS[:, :4]) @ MEMBERS[:, 1:, :2],
    ],
    "rows of their own scale": lambda x: [(x * x.mT * OFFSET[:, None]) @ MEMBERS[0]],
    "crossed": lambda x: [
        torch.linalg.cross(x[:, :3], 2 * x[:, 2:]),
        torch.linalg.cross(x[:, :3], OFFSET[None, :3]),
        torch.linalg.cross(OFFSET[:3, None].expand(3, 5), x.expand(3, 5) * x[:, :3].T, dim=0),
    ],
    "members' layer norm": lambda x: [
        F.layer_norm(x.expand(3, -1, -1) * OFFSET[:3, None, None], (5,)) @ MEMBERS
    ],
    "shifted layer norm": lambda x: [(2 * F.layer_norm(x, (5,)) + OFFSET) @ WEIGHT],
    "layer norm that members share": lambda x: [
        torch.baddbmm(MEMBERS[:, :1], F.layer_norm(x, (5,)).expand(3, -1, -1), MEMBERS)
    ],
    "nothing": lambda x: [x.index_select(-1, torch.tensor([], dtype=torch.long)).sum(-1), x + 1],
    "a constant matrix first": lambda x: [WEIGHT.T @ x[..., None]],
    "two computed matrices": lambda x: [
        (x[..., None] * OFFSET[None, None]) @ (x[:, None] + OFFSET[:, None])
    ],
    "views": lambda x: [x[:, 1:3], x[..., 2], x.reshape(5, 1), x[0].unsqueeze(-1), x.unbind(-1)[3]],
    "split": lambda x: [*x.split(2, -1), *torch.split(x, [1, 3, 1], -1)],
    "strided": lambda x: [x[:, ::2], x[:, 1::3] + x[:, 0:1]],
    "turned": lambda x: [(x[..., None] * OFFSET).permute(2, 0, 1), x.T + OFFSET[:, None]],
    "spread out": lambda x: [
        x.expand(3, -1) @ WEIGHT,
        x.reshape(5, 1).expand(5, 3)[:, 1:] * OFFSET[:2],
        x.reshape(5, 1).expand(5, 3)[:, 2],
    ],
    "scaled parts": lambda x: [
        (3 * x + OFFSET)[:, 1:4],
        (x - OFFSET).index_select(-1, torch.tensor([0, 3])),
    ],
    "joined": lambda x: [
        torch.cat([x, x[:, :2].sin()], -1),
        torch.cat([2 * x + OFFSET]),
        torch.stack([x[:, 0], x[:, 4]], -1),
        torch.stack([x, x + 1]),
    ],
    "chosen": lambda x: [torch.where(x > 0, x, 0.0), torch.where((x > -9).all(-1, True), x, -x)],
    "flags": lambda x: [~((x < 0.5) & (x > -0.5)) | (x == x), x.isfinite(), (x > 0).logical_not()],
    "counts": lambda x: [(x > 0).sum(-1) * x[:, 0], (x > 0).any(-1), (x > 0).float()],
    "waves": lambda x: [x.sin(), x.cos(), x.tanh(), x.exp(), x.abs().sqrt()],
    "between zero and one": lambda x: [x.sigmoid(), (50 * x).sigmoid(), x.square().rsqrt()],
    "logarithm": lambda x: [x.abs().log(), (x * OFFSET).exp().log()],
    "angles": lambda x: [x.tan(), x.tanh().asin(), x.tanh().acos(), x.atan(), x.atan2(OFFSET)],
    "hyperbolic": lambda x: [x.sinh(), x.cosh()],
    "rounded": lambda x: [
        *((3 * x).floor(), (3 * x).ceil(), (3 * x).round(), x.sign(), (0 * x).sign()),
        *(torch.round(0 * x + 2.5), torch.round(0 * x - 1.5)),
    ],
    "remainders": lambda x: [x % 0.4, x.remainder(-0.4), torch.remainder(OFFSET, x), x % OFFSET],
    "numbers that are none": lambda x: [(x.abs() - 0.5).sqrt().isnan(), (1 / (0 * x)).isfinite()],
    "powers": lambda x: [x.abs() ** 1.5, 2.0**x, x.abs() ** x],
    "reduced": lambda x: [x.sum(-1), x.square().mean(-1), x.norm(dim=-1), (x > 0).all(-1)],
    "multiplied": lambda x: [x.prod(-1), (x[..., None] * OFFSET).prod(-2), x.prod(-1, True)],
    "largest": lambda x: [
        *(x.amax(-1), x.amin(-1, True), (x[..., None] * OFFSET).amax((-1, -2))),
        (x[..., None] * OFFSET).amin(-2),
    ],
    "between": lambda x: [
        torch.lerp(x, 2 * x, OFFSET / 2),
        torch.lerp(x, x[:, :1], x.tanh()),
        torch.addcmul(x, x, OFFSET),
        x.clamp_min(0.2),
        F.normalize(x, dim=-1),
    ],
    "bounded": lambda x: [x.clamp(-0.5, 0.5), x.clamp(max=OFFSET), torch.clamp(x, -OFFSET, OFFSET)],
    "constant": lambda x: [torch.zeros_like(x) + 1, OFFSET.square()],
    "written in place": _with_signs,
}
