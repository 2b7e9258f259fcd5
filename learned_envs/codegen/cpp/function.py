"""A traced function as C++ code.

Torch computes a step one operation at a time, each over the whole batch: activations go out to
memory and come back, and a compiler that keeps the order of operations does not change that much.
Here a tile of rows goes through all of the function before the next: what it computes stays in the
first two caches, and there is one call for all of it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from learned_envs.codegen.cpp.library import load
from learned_envs.codegen.cpp.operation import OPERATIONS
from learned_envs.codegen.cpp.writer import Form, Writer
from learned_envs.codegen.trace import traced
from learned_envs.defaults import usual_defaults
from learned_envs.errors import ShapeError, UntraceableError

Array = NDArray[Any]
Function = Callable[..., Sequence[Tensor]]

ALIGNMENT = 64
"""Bytes: a line of the cache, and a row of a tile register."""

WIDTHS = {"AVX512": 16, "AVX2": 8}
"""How many float32 numbers a register holds, by what torch says of the processor."""

WIDTH = WIDTHS.get(torch.backends.cpu.get_cpu_capability(), 4)


class CppBatch:
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
            ShapeError: where an example has more rows than one.
            UntraceableError: where a function asks for the value of a tensor, or needs an
                operation or a type that has no C++ code here.
            NativeCodeError: where the code cannot be compiled, for want of a compiler, say.
        """
        form = _form(alone=False)
        with usual_defaults():
            codes = [_Code(f, examples, form) for f in functions]
        if any(code.sources != codes[0].sources for code in codes):
            raise UntraceableError("The functions differ in more than their constants.")
        self._code = codes[0]
        self.source = "\n".join(self._code.sources)
        self._run = load(*self._code.sources).run
        # Kept for what is at the pointers.
        self._constants = [code.constants for code in codes]
        self._pointers = [_pointers(each) for each in zip(*self._constants, strict=True)]

    def run(self, inputs: Sequence[Tensor], which: Tensor | None = None) -> list[Tensor]:
        """Compute a batch; an output that is an input is that very tensor.

        Args:
            inputs: (batch, ...) each, of the types of the examples.
            which: (batch) int64, the function that computes each row; None where there is one.

        Raises:
            ShapeError: where an input has another shape than its example.
            IndexError: where `which` names no function.
        """
        batch = len(inputs[0])
        for place, (x, shape) in enumerate(zip(inputs, self._code.inputs, strict=True)):
            if x.shape != (batch, *shape):
                raise ShapeError(
                    f"Got input {place} of shape {tuple(x.shape)}, expected {(batch, *shape)}."
                )
        given = [x.to(k).contiguous() for x, k in zip(inputs, self._code.kinds, strict=True)]
        made = [
            torch.empty((batch, *shape), dtype=kind, device="cpu")
            for shape, kind in self._code.outputs
        ]
        own = None if which is None else which.to(torch.int64).contiguous()
        failed = self._run(
            ctypes.c_int64(batch),
            torch.get_num_threads(),
            _pointers(given),
            _pointers(made),
            _pointer(own),
            len(self._constants),
            *self._pointers,
        )
        if failed:
            raise IndexError(f"Got rows of other functions than 0 to {len(self._constants) - 1}.")
        return self._code.chosen([*inputs, *made])


class CppRow:
    """A function of one row, as numpy arrays: what `NumpyFunction` is, compiled.

    Attributes:
        source: the C++ code.
    """

    def __init__(self, function: Function, examples: Sequence[Tensor]) -> None:
        """Trace the function; see `CppBatch`."""
        with usual_defaults():
            code = self._code = _Code(function, examples, _form(alone=True))
        self.source = "\n".join(code.sources)
        self._run = load(*code.sources).run
        self._run.restype = None
        self._constants = [_pointer(each) for each in code.constants]

    def inputs(self) -> list[Array]:
        """Return arrays for the inputs: no dimension of a batch, but at least one."""
        shapes = zip(self._code.inputs, self._code.kinds, strict=True)
        return [torch.zeros(s or (1,), dtype=kind, device="cpu").numpy() for s, kind in shapes]

    def outputs(self) -> list[Array]:
        """Return arrays for the outputs; see `inputs`."""
        every = self._code.chosen(
            [*zip(self._code.inputs, self._code.kinds, strict=True), *self._code.outputs]
        )
        return [torch.zeros(s or (1,), dtype=kind, device="cpu").numpy() for s, kind in every]

    def call(
        self, inputs: Sequence[Array], outputs: Sequence[Array]
    ) -> tuple[Callable[[], None], list[tuple[Array, Array]]]:
        """Return what computes the row that is in some arrays.

        Args:
            inputs: like those from `inputs`.
            outputs: like those from `outputs`.

        Returns:
            What fills the outputs but for some, which are to be copied: (from, to) each.
        """
        computed, copies = self._code.split(inputs, outputs)
        # Addresses are found but once: that takes longer than a small function.
        tables = [
            (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))
            for arrays in (inputs, computed)
        ]
        return partial(self._run, *tables, *self._constants), copies

    def run(self, *inputs: Array) -> list[Array]:
        """Compute a row; see `inputs`."""
        given, made = self.inputs(), self.outputs()
        for place, array in zip(given, inputs, strict=True):
            place[:] = array
        call, copies = self.call(given, made)
        call()
        for source, target in copies:
            target[:] = source
        return made


def written(function: Function, examples: Sequence[Tensor], *, alone: bool) -> str:
    """Return the C++ code of a function, which nothing compiles.

    Args:
        function: see `CppBatch`.
        examples: see `CppBatch`.
        alone: whether it is that of one row, and not of batches.

    Raises:
        UntraceableError: where something has no C++ code here.
    """
    with usual_defaults():
        return "\n".join(_Code(function, examples, _form(alone=alone)).sources)


def _form(*, alone: bool) -> Form:
    """Return how code computes rows on this processor."""
    columns = 12 if WIDTH == 16 else 6
    if alone:
        return Form(True, WIDTH, columns)
    # For the process, once, where the processor has tile registers.
    tiles = WIDTH == 16 and torch.cpu._is_amx_tile_supported() and torch.cpu._init_amx()
    return Form(False, columns, tiles=tiles)


class _Code:
    """The code of a function, and where its outputs are.

    Attributes:
        sources: the code, in texts that are compiled side by side.
        constants: float32 and bfloat16 ones.
        inputs: the shape, without the batch, of each input.
        kinds: the type of each input.
        outputs: the shape, without the batch, and type of each output that is computed.
    """

    def __init__(self, function: Function, examples: Sequence[Tensor], form: Form) -> None:
        for place, example in enumerate(examples):
            if len(example) != 1:
                raise ShapeError(f"Got {len(example)} rows of example {place}, expected one.")
        graph = traced(function, examples)
        self.inputs = [x.shape[1:] for x in examples]
        self.kinds = [x.dtype for x in examples]
        computed = list(dict.fromkeys(n for n in graph.outputs if n not in graph.inputs))
        every = [*graph.inputs, *computed]
        self._places = [every.index(node) for node in graph.outputs]
        self.outputs = [(node.shape[1:], node.dtype) for node in computed]
        writer = Writer(graph, OPERATIONS, form)
        code = writer.write(computed)
        self.constants = [_aligned(writer.constants(name)) for name in "ch"]
        rows = "one" if form.alone else "many"
        *heads, driver = (
            Path(__file__).with_name(name).read_text()
            for name in ("vector.h", f"{rows}.h", "kernel.h", f"{rows}_driver.h")
        )
        head = "\n".join((f"#define WIDTH {WIDTH}", *heads))
        *units, last = (f"{head}\n{unit}" for unit in code.units)
        self.sources = (*units, f"{last}\n{code.step}\n{driver}")

    def split(
        self, inputs: Sequence[Array], outputs: Sequence[Array]
    ) -> tuple[list[Array], list[tuple[Array, Array]]]:
        """Return which outputs are computed, and which are to be copied from what else."""
        computed: dict[int, Array] = {}
        copies = []
        for place, output in zip(self._places, outputs, strict=True):
            if place < len(inputs):
                copies.append((inputs[place], output))
            elif place in computed:
                copies.append((computed[place], output))
            else:
                computed[place] = output
        return [computed[place] for place in sorted(computed)], copies

    def chosen(self, every: Sequence[Any]) -> list[Any]:
        """List the outputs among the inputs and what was computed."""
        return [every[place] for place in self._places]


def _aligned(array: Array) -> Tensor:
    """Copy an array to memory that begins with a line of the cache, and has one more behind it."""
    kind, room = torch.from_numpy(array).dtype, ALIGNMENT // array.itemsize
    memory = torch.zeros(array.size + 2 * room, dtype=kind, device="cpu")
    start = -memory.data_ptr() % ALIGNMENT // array.itemsize
    own = memory[start : start + array.size]
    own.numpy()[:] = array
    return own


def _pointer(tensor: Tensor | None) -> ctypes.c_void_p | None:
    return None if tensor is None else ctypes.c_void_p(tensor.data_ptr())


def _pointers(tensors: Sequence[Tensor]) -> ctypes.Array[ctypes.c_void_p]:
    return (ctypes.c_void_p * len(tensors))(*(tensor.data_ptr() for tensor in tensors))
