"""A numpy array that stands for a value of every step: what is done to it is written down.

A `Traced` looks into a `Storage`, as an array of numpy looks into memory: through the indices of
the numbers that it shows. numpy itself computes these, on arrays of integers, so that views, and
what is written into them, are numpy's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from learned_envs.rules.tracing.refusal import refusal
from learned_envs.rules.tracing.storage import Array, Storage

if TYPE_CHECKING:
    from learned_envs.rules.tracing.tracer import Tracer


class Traced(np.lib.mixins.NDArrayOperatorsMixin):
    """An array, or a number, of a step that is being traced.

    Args:
        storage: the memory.
        ids: the places in memory of the numbers; all of them if None.
        scalar: whether this is a number and no array, so that nothing can be written into it.
    """

    __array_priority__ = 1000.0
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, storage: Storage, ids: Array | None = None, scalar: bool = False) -> None:
        self.storage, self.scalar = storage, scalar
        self.ids = storage.ids if ids is None else ids

    @property
    def tracer(self) -> Tracer:
        return self.storage.tracer

    @property
    def example(self) -> Any:
        """The numbers of one real step."""
        found = self.storage.example.reshape(-1)[self.ids]
        return found[()] if self.scalar else np.asarray(found)

    @property
    def node(self) -> int:
        """The node of the graph that holds these numbers, in this shape."""
        return self.tracer.gather([self.storage], self.ids)

    # What numpy's arrays tell of themselves.

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.ids.shape)

    @property
    def ndim(self) -> int:
        return self.ids.ndim

    @property
    def size(self) -> int:
        return self.ids.size

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.storage.example.dtype)

    @property
    def T(self) -> Traced:  # noqa: N802
        return Traced(self.storage, self.ids.T)

    @property
    def real(self) -> Traced:
        return self

    @property
    def flat(self) -> Traced:
        return self.reshape(-1)

    @flat.setter
    def flat(self, value: Any) -> None:
        self.tracer.write(self.storage, self.ids.reshape(-1), value)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __iter__(self) -> Iterator[Traced]:
        if not self.shape:
            raise TypeError("iteration over a 0-d array")
        return (self[index] for index in range(self.shape[0]))

    # Parts.

    def __getitem__(self, key: Any) -> Traced:
        if self._depends(key) and key.dtype.kind in "iu" and not key.shape:
            return self.tracer.call(np.choose, key, self)  # type: ignore[no-any-return]
        found = self.ids[self._concrete(key)]
        if not isinstance(found, np.ndarray):
            return self.tracer.copied(Traced(self.storage, np.asarray(found)), scalar=True)
        return self.seen(found)

    def __setitem__(self, key: Any, value: Any) -> None:
        if self.scalar:
            raise TypeError("'numpy.float64' object does not support item assignment")
        parts = key if isinstance(key, tuple) else (key,)
        masks = [part for part in parts if self._depends(part) and part.dtype == bool]
        if not masks:
            ids = self.ids[self._concrete(key)]
            return self.tracer.write(self.storage, np.asarray(ids), value)
        (mask,), last = masks, parts[-1]
        if last is not mask or np.size(value) != 1:
            raise refusal("a mask in this form", "give np.where the values for both cases")
        plain = self._concrete(parts[:-1]) + (slice(None),) * mask.ndim
        old = Traced(self.storage, self.ids[plain])
        new = self.tracer.call(np.where, mask, value, old)
        return self.tracer.write(self.storage, old.ids, new)

    def seen(self, ids: Array) -> Traced:
        """Return a view where numpy gave one, else a copy."""
        view = Traced(self.storage, ids)
        return view if np.may_share_memory(ids, self.ids) else self.tracer.copied(view)

    def _depends(self, key: Any) -> bool:
        return isinstance(key, Traced) and self.tracer.constant(key) is None

    def _concrete(self, key: Any) -> Any:
        if isinstance(key, tuple):
            return tuple(self._concrete(part) for part in key)
        if isinstance(key, list):
            return [self._concrete(part) for part in key]
        if isinstance(key, slice):
            return slice(*map(self._concrete, (key.start, key.stop, key.step)))
        if not isinstance(key, Traced):
            return key
        if (known := self.tracer.constant(key)) is not None:
            return known
        raise refusal(
            "an index that depends on the state or the action",
            "pick with np.where, a mask that is multiplied, or a comparison for each index",
        )

    # Methods of arrays: where they show the same memory, and where they compute.

    def reshape(self, *shape: Any, order: Any = "C") -> Traced:
        return self.seen(self.ids.reshape(*shape, order=order))

    def ravel(self, order: Any = "C") -> Traced:
        return self.seen(self.ids.ravel(order))

    def transpose(self, *axes: Any) -> Traced:
        return self.seen(self.ids.transpose(*axes))

    def swapaxes(self, first: int, second: int) -> Traced:
        return self.seen(self.ids.swapaxes(first, second))

    def squeeze(self, axis: Any = None) -> Traced:
        return self.seen(self.ids.squeeze(axis))

    def view(self, *_: Any) -> Traced:
        return Traced(self.storage, self.ids)

    def copy(self, order: Any = "C") -> Traced:
        return self.tracer.copied(self, scalar=self.scalar)

    __copy__ = copy

    def __deepcopy__(self, memo: Any) -> Traced:
        return self.copy()

    def flatten(self, order: Any = "C") -> Traced:
        return self.ravel(order).copy()

    def astype(self, dtype: Any, *_: Any, **__: Any) -> Traced:
        return self.tracer.cast(self, np.dtype(dtype))

    def item(self, *index: Any) -> Traced:
        ids = self.ids.item(*index)
        return self.tracer.copied(Traced(self.storage, np.asarray(ids)), scalar=True)

    def tolist(self) -> Any:
        return self.item() if not self.shape else [part.tolist() for part in self]

    def fill(self, value: Any) -> None:
        self[...] = value

    def dot(self, other: Any) -> Any:
        return self.tracer.call(np.dot, self, other)

    def __getattr__(self, name: str) -> Any:
        """Give the methods of arrays that numpy has as functions too: sum, mean, clip, ..."""
        function = getattr(np, name, None)
        if name.startswith("_") or not hasattr(np.ndarray, name) or not callable(function):
            raise AttributeError(f"'numpy.ndarray' object has no attribute {name!r}")
        tracer = self.tracer
        return lambda *args, **options: tracer.call(function, self, *args, **options)

    # Python's own operations.

    def __bool__(self) -> bool:
        return self.tracer.truth(self)

    def __float__(self) -> float:
        return float(self._number("a plain number"))

    def __int__(self) -> int:
        return int(self._number("a plain number"))

    def __index__(self) -> int:
        if (largest := self.storage.largest) is None:
            return int(self._number("an index, a range or a size"))
        return next((k for k in range(largest) if self == k), largest)

    def __round__(self, digits: int | None = None) -> Any:
        return self.tracer.call(np.round, self, digits or 0)

    def __floor__(self) -> Any:
        return self.tracer.call(np.floor, self)

    def __ceil__(self) -> Any:
        return self.tracer.call(np.ceil, self)

    def __trunc__(self) -> Any:
        return self.tracer.call(np.trunc, self)

    def __repr__(self) -> str:
        return f"traced({self.example!r})"

    def __format__(self, spec: str) -> str:
        return format(self.example, spec)

    def __array__(self, *_: Any, **__: Any) -> Array:
        if (known := self.tracer.constant(self)) is not None:
            return np.asarray(known)
        raise refusal(
            "a value that depends on the state or the action put into an array of numpy, or handed "
            "to code that is no Python",
            "make the array in step() with np.zeros, np.array or np.copy, or use numpy's functions",
        )

    def _number(self, use: str) -> Any:
        if (known := self.tracer.constant(self)) is not None:
            return known
        raise refusal(
            f"{use} made of a value that depends on the state or the action",
            "compute with numpy's functions, write into arrays that the step makes by np.zeros, "
            "np.array or np.copy, or ask a condition for each outcome",
        )

    # What numpy hands over.

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        return self.tracer.ufunc(ufunc, method, inputs, options)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        return self.tracer.call(function, *args, **options)


def _in_place(name: str) -> Any:
    """Make an operator such as += : numbers are made anew, arrays are written into."""
    written = getattr(np.lib.mixins.NDArrayOperatorsMixin, f"__i{name}__")

    def operator(self: Traced, other: Any) -> Any:
        if self.scalar:
            return getattr(self, f"__{name}__")(other)
        return written(self, other)

    return operator


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor"):
    setattr(Traced, f"__i{_name}__", _in_place(_name))


def traced(value: Any) -> bool:
    """Whether a value is traced, or holds one that is."""
    if isinstance(value, list | tuple | deque):
        return any(map(traced, value))
    if isinstance(value, dict):
        return any(map(traced, value.values()))
    if isinstance(value, np.ndarray) and value.dtype == object:
        return any(map(traced, value.flat))
    return isinstance(value, Traced)
