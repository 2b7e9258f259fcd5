"""A traced function as C++ code, for batches.

Torch computes a step one operation at a time, each over the whole batch: activations go out to
memory and come back, and a compiler that keeps the order of operations does not change that much.
Here a tile of rows goes through all of the function before the next: what it computes stays in the
first two caches, and there is one call for all of it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx
from torch._inductor.codecache import CppCodeCache
from torch.fx.experimental.proxy_tensor import make_fx

from learned_envs.errors import UntraceableError
from learned_envs.native.operation import OPERATIONS
from learned_envs.native.writer import Writer

Function = Callable[..., Sequence[Tensor]]

ALIGNMENT = 64
"""Bytes: a line of the cache, and a row of a tile register."""


class NativeProgram:
    """A function of batches, made from one whose course does not depend on values.

    Of several functions that differ in their constants alone, each row is computed by its own.

    Attributes:
        source: the C++ code.
    """

    def __init__(self, functions: Sequence[Function], examples: Sequence[Tensor]) -> None:
        """Trace the functions, and compile their code or find it compiled before.

        Args:
            functions: from tensors to tensors, all on the CPU with the batch first.
            examples: inputs as they are to come, float32, int64 or bool, in a batch of one.

        Raises:
            UntraceableError: where a function asks for the value of a tensor, or needs an
                operation or a type that has no native code here.
            RuntimeError: where the code cannot be compiled, for want of a compiler, say.
        """
        # For the process, once, where the processor has tile registers.
        tiles = torch.cpu._is_amx_tile_supported() and torch.cpu._init_amx()
        block = 12 if torch.backends.cpu.get_cpu_capability() == "AVX512" else 6
        sources, self._constants = [], []
        for function in functions:
            graph = _traced(function, examples)
            inputs = [node for node in graph.graph.nodes if node.op == "placeholder"]
            results = list(next(iter(reversed(graph.graph.nodes))).args[0])
            computed = list(dict.fromkeys(node for node in results if node not in inputs))
            writer = Writer(graph, OPERATIONS, block, tiles)
            sources.append(writer.write(computed))
            self._constants.append([_aligned(writer.constants(name)) for name in "ch"])
        if len(set(sources)) != 1:
            raise UntraceableError("The functions differ in more than their constants.")
        self.source = "\n".join((_part("kernel.h"), sources[0], _part("driver.h")))
        self._run = CppCodeCache.load(self.source).run
        self._kinds = [example.dtype for example in examples]
        kept = [(node.meta["val"].shape[1:], node.meta["val"].dtype) for node in computed]
        self._outputs = kept
        self._places = [
            inputs.index(node) if node in inputs else len(inputs) + computed.index(node)
            for node in results
        ]

    def run(self, inputs: Sequence[Tensor], which: Tensor | None = None) -> list[Tensor]:
        """Compute a batch; an output that is an input is that very tensor.

        Args:
            inputs: (batch, ...) each, of the types of the examples.
            which: (batch) int64, the function that computes each row; None where there is one.
        """
        batch = len(inputs[0])
        given = [x.contiguous() for x in inputs]
        made = [torch.empty((batch, *shape), dtype=kind) for shape, kind in self._outputs]
        self._run(
            ctypes.c_int64(batch),
            torch.get_num_threads(),
            _pointers(given),
            _pointers(made),
            None if which is None else ctypes.c_void_p(which.contiguous().data_ptr()),
            len(self._constants),
            *(_pointers(each) for each in zip(*self._constants, strict=True)),
        )
        every = [*inputs, *made]
        return [every[place] for place in self._places]


def _traced(function: Function, examples: Sequence[Tensor]) -> fx.GraphModule:
    try:
        # Where gradients are possible, nothing is computed in place.
        with torch.enable_grad():
            return make_fx(function)(*examples)
    except RuntimeError as error:
        raise UntraceableError(f"The function cannot be traced: {error}") from error


def _part(name: str) -> str:
    return Path(__file__).with_name(name).read_text()


def _aligned(array: NDArray[np.generic]) -> Tensor:
    """Copy an array to memory that begins with a line of the cache."""
    kind = torch.from_numpy(array).dtype
    room = torch.empty(array.size + ALIGNMENT // array.itemsize, dtype=kind)
    start = -room.data_ptr() % ALIGNMENT // array.itemsize
    own = room[start : start + array.size]
    own.numpy()[:] = array
    return own


def _pointers(tensors: Sequence[Tensor]) -> ctypes.Array[ctypes.c_void_p]:
    return (ctypes.c_void_p * len(tensors))(*(tensor.data_ptr() for tensor in tensors))
