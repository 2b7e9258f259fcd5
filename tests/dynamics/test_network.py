import torch
from marks import needs_compiler

from learned_envs.dynamics.network import MLP


@needs_compiler
def test_compiled_layers_keep_their_precision():
    torch.manual_seed(0)
    network = MLP(5, 2, (16, 16), members=3).double()
    x = torch.randn(3, 40, 5, dtype=torch.float64)
    with torch.no_grad():
        ours, theirs = torch.compile(network, fullgraph=True)(x), network(x)
    # float64 rounding; in float32 it would be 1e-7
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
