"""What writes down: every operation on traced arrays becomes nodes of a graph."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np

from learned_envs.rules.builder import GraphBuilder
from learned_envs.rules.tracing.oracle import Oracle
from learned_envs.rules.tracing.refusal import refusal
from learned_envs.rules.tracing.storage import Array, Storage
from learned_envs.rules.tracing.traced import Traced, traced

STRETCHES = 16
"""As many parts are taken each for itself and put together; more from all at once."""


class Tracer:
    """Writes one graph, over all the ways that the code can go.

    Attributes:
        builder: the graph so far.
        oracle: answers what a truth value is.
    """

    def __init__(self, builder: GraphBuilder) -> None:
        self.builder, self.oracle = builder, Oracle()

    # From numbers to traced arrays, and back.

    def input(self, name: str, example: Any, locked: str = "") -> Storage:
        """Return memory that an input of the graph fills."""
        example = np.array(example)
        node = self.builder.input(name, example.shape)
        if example.dtype == bool:
            node = self.builder.add("ne", node, self._constant(np.zeros(())))
        return Storage(self, node, example, locked)

    def stored(self, example: Any) -> Storage:
        """Return memory with constants in it."""
        example = np.array(example)
        if example.dtype.kind not in "bifu":
            raise refusal(
                f"an array of {example.dtype} beside values that depend on the state or the action",
                "use arrays of numbers",
            )
        return Storage(self, self._constant(example), example)

    def lift(self, value: Any) -> Any:
        """Return anything that numpy makes an array of as a `Traced`; numpy's types know none."""
        if isinstance(value, Traced):
            return value
        if isinstance(value, list | tuple | deque) and traced(value):
            return self.structural(np.stack, ([self.lift(part) for part in value],))
        return Traced(self.stored(value), scalar=np.isscalar(value))

    def constant(self, value: Traced) -> Any:
        """Return the numbers of a value that depends on nothing; None if it does."""
        known = self.builder.nodes[value.node].op == "constant"
        return value.example if known else None

    def made(self, node: int, example: Any) -> Traced:
        """Return a new array, or a number if the example is one."""
        example = np.asarray(example) if isinstance(example, np.ndarray) else example
        kind = self.builder.nodes[node].kind
        if np.asarray(example).dtype == bool and kind == "float":
            node = self.builder.add("ne", node, self._constant(np.zeros(())))
        elif np.asarray(example).dtype != bool and kind == "bool":
            node = self.builder.add("cast", node)
        storage = Storage(self, node, np.array(example))
        return Traced(storage, scalar=not isinstance(example, np.ndarray))

    def apply(self, op: str, *operands: Any, example: Any) -> Traced:
        """Apply an operation on each number by itself."""
        return self.made(self.builder.add(op, *(self.number(x) for x in operands)), example)

    def number(self, value: Any) -> int:
        """Return the node of a value as a float."""
        node: int = self.lift(value).node
        return self.builder.add("cast", node) if self._kind(node) == "bool" else node

    def logical(self, value: Any) -> int:
        """Return the node of a value as true or false."""
        node: int = self.lift(value).node
        if self._kind(node) == "bool":
            return node
        if self.builder[node].op == "cast":
            return self.builder[node].args[0]
        return self.builder.add("ne", node, self._constant(np.zeros(())))

    def cast(self, value: Traced, dtype: np.dtype[Any]) -> Traced:
        """Return a copy in another type; whole numbers are cut off towards zero."""
        example = value.example.astype(dtype)
        if dtype.kind == "f" or dtype == value.dtype:
            return self.made(value.node, example)
        if dtype.kind in "iu":
            whole = np.trunc(value) if value.dtype.kind == "f" else value
            made = self.made(self.number(whole), example)
            made.storage.largest = 1 if value.dtype == bool else value.storage.largest
            return made
        if dtype.kind == "b":
            return self.made(self.logical(value), example)
        raise refusal(f"a conversion to {dtype}", "use floats, integers or bools")

    # Memory.

    def gather(self, sources: Sequence[Storage], ids: Array) -> int:
        """Return the node of numbers at places in memories that lie one behind the other."""
        ends = np.cumsum([source.example.size for source in sources])
        flat = ids.reshape(-1)
        owner = np.searchsorted(ends, flat, side="right")
        for key in set(owner.tolist()):
            sources[key].read = True
        stretches = [(key, list(places)) for key, places in groupby(range(flat.size), owner.item)]
        mixed = len({self._kind(sources[key].node) for key, _ in stretches}) > 1
        if len(stretches) > STRETCHES:
            nodes = [self._flat(source, mixed) for source in sources]
            return self._taken(self.builder.add("cat", *nodes, data=-1), flat, ids.shape)
        parts = []
        for key, places in stretches:
            inside = flat[places] - (ends[key] - sources[key].example.size)
            if len(stretches) == 1 and np.array_equal(inside.reshape(ids.shape), sources[key].ids):
                return int(sources[key].node)
            parts.append(self._taken(self._flat(sources[key], mixed), inside, (inside.size,)))
        if not parts:
            return self._constant(np.zeros(ids.shape, sources[0].example.dtype))
        node = parts[0] if len(parts) == 1 else self.builder.add("cat", *parts, data=-1)
        return self._viewed(node, ids.shape)

    def structural(self, function: Any, arrays: Any, *plain: Any, **options: Any) -> Any:
        """Do to traced arrays what numpy does to their numbers' places; 0 stands for zeros.

        Args:
            function: one of numpy's that moves numbers.
            arrays: its first arguments: arrays, or lists of them.
            plain: its other arguments.
            options: by name.
        """
        sources = [self.stored(np.zeros(1))]
        start = 1

        def placed(array: Any) -> Any:
            nonlocal start
            if isinstance(array, list | tuple | deque):
                return [placed(part) for part in array]
            array = self.lift(array)
            sources.append(array.storage)
            first, start = start, start + array.storage.example.size
            return array.ids + first

        found = function(*map(placed, arrays), *plain, **options)

        def made(ids: Any) -> Any:
            if isinstance(ids, list | tuple):
                return [made(part) for part in ids]
            ids = np.asarray(ids)
            examples = np.concatenate([source.example.reshape(-1) for source in sources[1:]])
            zeros = np.zeros(1, examples.dtype)
            return self.made(self.gather(sources, ids), np.concatenate([zeros, examples])[ids])

        return made(found)

    def copied(self, view: Traced, scalar: bool = False) -> Traced:
        """Return new memory with the numbers of a view."""
        storage = Storage(self, view.node, np.array(view.example))
        storage.largest = view.storage.largest
        return Traced(storage, scalar=scalar)

    def write(self, storage: Storage, ids: Array, value: Any) -> None:
        """Write a value into memory, at places, broadcast as numpy does."""
        if not ids.size:
            return
        if storage.locked or (storage.settled and storage.read):
            over = f"a value written into {storage.settled} after it was read|write before you read"
            raise refusal(*(storage.locked or over).split("|"))
        value = self.lift(value)
        if storage.example.dtype != value.dtype:
            value = self.cast(value, storage.example.dtype)
        new = np.broadcast_to(value.ids, ids.shape) if value.size != ids.size else value.ids
        size = storage.example.size
        places = np.arange(size)
        places[ids.reshape(-1)] = size + new.reshape(-1)
        example = storage.example.copy()
        example.reshape(-1)[ids] = value.example if value.shape else value.example[()]
        if not storage.settled:
            places = places.reshape(storage.example.shape)
            storage.node = self.gather([storage, value.storage], places)
        storage.example, storage.written = example, True

    # Questions.

    def truth(self, value: Traced) -> bool:
        """Return whether a value is true, on the way that is being traced."""
        if value.size != 1:
            raise ValueError("The truth value of an array with more than one element is ambiguous.")
        if (known := self.constant(value)) is not None:
            return bool(known)
        node = self._viewed(self.logical(value), ())
        return self.oracle.ask(self.builder, node)

    # What numpy hands over.

    def ufunc(self, ufunc: np.ufunc, method: str, inputs: Any, options: dict[str, Any]) -> Any:
        """Apply a function of numpy's that works on each number."""
        from learned_envs.rules.tracing.ufuncs import applied

        (out,) = options.pop("out", (None,))
        result = applied(self, ufunc, method, inputs, options)
        if out is None:
            return result
        if not isinstance(out, Traced):
            raise refusal(
                "a value that depends on the state or the action written into an array of numpy",
                "make the array in step() with np.zeros, np.array or np.copy",
            )
        out[...] = result
        return out

    def call(self, function: Any, *args: Any, **options: Any) -> Any:
        """Apply any function of numpy's."""
        from learned_envs.rules.tracing.functions import called

        return called(self, function, args, options)

    def checked(self, result: Traced, example: Any, what: str) -> Traced:
        """Return a result with numpy's own example, if it is what numpy made of the examples."""
        numbers = np.asarray(example)
        same = result.shape == numbers.shape and np.allclose(
            result.example, numbers, rtol=1e-4, atol=1e-6, equal_nan=True
        )
        if not same:
            raise refusal(
                f"{what} in a form that is not known here",
                "write it with additions, products, np.where and np.sum",
            )
        return self.made(result.node, example)

    def _constant(self, example: Array) -> int:
        return self.builder.constant(example)

    def _kind(self, node: int) -> str:
        return self.builder.nodes[node].kind

    def _flat(self, source: Storage, as_number: bool) -> int:
        node = self._viewed(source.node, (source.example.size,))
        cast = as_number and self._kind(node) == "bool"
        return self.builder.add("cast", node) if cast else node

    def _taken(self, node: int, places: Array, shape: tuple[int, ...]) -> int:
        size = self.builder.nodes[node].shape[0]
        if not np.array_equal(places, np.arange(size)):
            node = self.builder.add("take", node, data=(-1, tuple(map(int, places))))
        return self._viewed(node, shape)

    def _viewed(self, node: int, shape: tuple[int, ...]) -> int:
        if self.builder.nodes[node].shape == shape:
            return node
        return self.builder.add("view", node, shape=shape)
