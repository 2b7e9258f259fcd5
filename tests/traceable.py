"""Functions that can be traced, of inputs (1, 5), and that code is derived from in tests."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

WEIGHT = torch.linspace(-1, 1, 20).reshape(5, 4)
MEMBERS = torch.linspace(-1, 1, 60).reshape(3, 5, 4)
OFFSET = torch.linspace(1, 2, 5)

FUNCTIONS: dict[str, Callable[[Tensor], Sequence[Tensor]]] = {
    "affine": lambda x: [2 * (x - OFFSET) / 3 + 1, 1 - x, x * 1.0, x * OFFSET[:, None]],
    "product": lambda x: [F.linear((x - OFFSET) / 2, WEIGHT.T, WEIGHT[0]), x @ WEIGHT],
    "members": lambda x: [torch.baddbmm(MEMBERS[:, :1], x.expand(3, -1, -1), MEMBERS)],
    "layer norm": lambda x: [F.layer_norm(x, (5,)), F.layer_norm(F.silu(x), (5,)) @ WEIGHT],
    "members' layer norm": lambda x: [
        F.layer_norm(x.expand(3, -1, -1) * OFFSET[:3, None, None], (5,)) @ MEMBERS
    ],
    "shifted layer norm": lambda x: [(2 * F.layer_norm(x, (5,)) + OFFSET) @ WEIGHT],
    "layer norm that members share": lambda x: [
        torch.baddbmm(MEMBERS[:, :1], F.layer_norm(x, (5,)).expand(3, -1, -1), MEMBERS)
    ],
    "nothing": lambda x: [x.index_select(-1, torch.tensor([], dtype=torch.long)).sum(-1), x + 1],
    "views": lambda x: [x[:, 1:3], x[..., 2], x.reshape(5, 1), x[0].unsqueeze(-1), x.unbind(-1)[3]],
    "scaled parts": lambda x: [
        (3 * x + OFFSET)[:, 1:4],
        (x - OFFSET).index_select(-1, torch.tensor([0, 3])),
    ],
    "joined": lambda x: [torch.cat([x, x[:, :2].sin()], -1), torch.stack([x[:, 0], x[:, 4]], -1)],
    "chosen": lambda x: [torch.where(x > 0, x, 0.0), torch.where((x > -9).all(-1, True), x, -x)],
    "reduced": lambda x: [x.sum(-1), x.square().mean(-1), x.norm(dim=-1), (x > 0).all(-1)],
    "bounded": lambda x: [x.clamp(-0.5, 0.5), x.clamp(max=OFFSET), torch.clamp(x, -OFFSET, OFFSET)],
    "constant": lambda x: [torch.zeros_like(x) + 1, OFFSET.square()],
}
