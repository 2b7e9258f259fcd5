"""How a step is taken: the one place that decides.

A step is written once, in torch, and there are faster ways to take it. `WAYS` lists them for each
case, the best first; the first that can take a step takes it. Code cannot be derived from every
step, and it takes batches of (batch, n) in float32 alone.
"""

from learned_envs.stepping.batch import BatchStep
from learned_envs.stepping.obstacle import CODES, obstacles
from learned_envs.stepping.row import NativeRow, NumpyRow, RowCode, row_code
from learned_envs.stepping.sharing import Share
from learned_envs.stepping.torch_compile import compiled
from learned_envs.stepping.way import CACHED_ROWS, WAYS, Compile, Step, Way, ways

__all__ = [
    "CACHED_ROWS",
    "CODES",
    "WAYS",
    "BatchStep",
    "Compile",
    "NativeRow",
    "NumpyRow",
    "RowCode",
    "Share",
    "Step",
    "Way",
    "compiled",
    "obstacles",
    "row_code",
    "ways",
]
