"""A traced function as straight-line numpy code.

At a batch of one, a step in torch is all overhead: some two hundred small operations of 1 to 5 us
each. Traced once, without the views and with its constants computed beforehand, it is some eighty
numpy operations of about half a microsecond. The physics is written once, in torch; what numpy
runs is derived from it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from learned_envs.codegen.numpy_code import kernel
from learned_envs.codegen.numpy_code.kernel import Array
from learned_envs.codegen.numpy_code.operation import OPERATIONS
from learned_envs.codegen.numpy_code.writer import Writer
from learned_envs.codegen.trace import traced
from learned_envs.defaults import usual_defaults


class NumpyFunction:
    """A function of arrays, made from one of tensors whose course does not depend on their values.

    Arrays go in and come out without leading dimensions of size one, but with at least one
    dimension, so that a batch of one has none. Outputs may share memory with inputs and with one
    another.

    Attributes:
        source: the Python code.
        run: the code as a function of arrays.
    """

    def __init__(
        self, function: Callable[..., Sequence[Tensor]], examples: Sequence[Tensor]
    ) -> None:
        """Trace the function.

        Args:
            function: from tensors to tensors, all on the CPU.
            examples: inputs of the shapes and types that are to come.

        Raises:
            UntraceableError: where the function asks for the value of a tensor, or needs an
                operation that has no numpy code here.
        """
        with usual_defaults():
            writer = Writer(traced(function, examples), OPERATIONS)
            self.source = writer.write("program")
        namespace: dict[str, Any] = {**vars(kernel), **writer.constants}
        exec(compile(self.source, "<program>", "exec"), namespace)
        self.run: Callable[..., list[Array]] = namespace["program"]
