"""What is done to arrays, written down, gives what numpy gives: for other numbers too."""

import math

import numpy as np
import pytest
from writing import check, written_down

EACH = [
    *("sin", "cos", "tan", "arctan", "sinh", "cosh", "tanh", "exp", "exp2", "expm1", "abs"),
    *("sign", "floor", "ceil", "rint", "trunc", "fix", "square", "cbrt", "negative", "positive"),
    *("isfinite", "isnan", "isinf", "deg2rad", "rad2deg", "degrees", "radians", "fabs"),
    *("arcsinh", "signbit", "logical_not", "nan_to_num", "round", "copy", "ravel", "flip"),
    *("sum", "prod", "max", "min", "mean", "std", "var", "ptp", "all", "any", "argmax", "argmin"),
    *("cumsum", "cumprod", "diff", "count_nonzero", "transpose", "squeeze", "diag", "tril"),
    *("triu", "atleast_1d", "atleast_2d", "zeros_like", "ones_like", "nansum", "fliplr"),
    *("trace", "vstack", "hstack", "amax", "amin", "average", "reciprocal", "heaviside"),
]
POSITIVE = ["sqrt", "log", "log2", "log10", "log1p", "reciprocal"]
BELOW_ONE = ["arcsin", "arccos", "arctanh"]
TWO = [
    *("add", "subtract", "multiply", "divide", "power", "float_power", "maximum", "minimum"),
    *("fmax", "fmin", "arctan2", "hypot", "remainder", "mod", "fmod", "floor_divide"),
    *("copysign", "less", "less_equal", "greater", "greater_equal", "equal", "not_equal"),
    *("logical_and", "logical_or", "logical_xor", "logaddexp", "isclose", "allclose"),
    *("array_equal", "dot", "matmul", "inner", "outer", "vdot", "cross", "tensordot", "append"),
]

FORMS = {
    "norm": lambda x, y: np.linalg.norm(x),
    "norm axis": lambda x, y: np.linalg.norm(x, axis=-1, keepdims=True),
    "norm 1": lambda x, y: np.linalg.norm(x[0], ord=1),
    "norm inf": lambda x, y: np.linalg.norm(x[0], np.inf),
    "norm 3": lambda x, y: np.linalg.norm(x, 3, axis=0),
    "sum axis": lambda x, y: np.sum(x, axis=0, keepdims=True) + x.sum(-1, keepdims=True),
    "mean axes": lambda x, y: x.mean(axis=(0, 1)) + np.mean([x[0, 0], y[0, 1], 3]),
    "max initial": lambda x, y: np.max(x, initial=0.2),
    "sum where": lambda x, y: np.sum(x, where=np.array([True, False, True])),
    "weights": lambda x, y: np.average(x, axis=1, weights=[1, 2, 3]),
    "cross": lambda x, y: np.cross(x[0], [0, 0, 1.0]) @ y[1],
    "einsum": lambda x, y: np.einsum("ij,kj->ik", x, y) + np.einsum("ij,ij", x, y),
    "einsum trace": lambda x, y: np.einsum("ij->j", x),
    "outer of ufunc": lambda x, y: np.subtract.outer(x[0], y[1]),
    "concatenate": lambda x, y: np.concatenate([x[0], [1.0, 2], y.ravel(), x[:1, 1]]),
    "concatenate axis": lambda x, y: np.concatenate((x, y), axis=1),
    "stack": lambda x, y: np.stack([x, y, np.zeros((3, 3))], axis=-1),
    "array of lists": lambda x, y: np.array([[x[0, 0], 1.0], [y[0, 0] * 2, float(y[1, 1])]]),
    "array of rows": lambda x, y: np.array([x[0], y[1]], dtype=np.float64),
    "hstack": lambda x, y: np.hstack((x[0], y[0], 3.0)),
    "roll": lambda x, y: np.roll(x, 1, axis=0),
    "tile": lambda x, y: np.tile(x[0], 2),
    "repeat": lambda x, y: np.repeat(x, [1, 0, 2], axis=0),
    "take": lambda x, y: np.take(x, [2, 0], axis=1),
    "split": lambda x, y: np.split(x, [1])[1] + np.split(y, 3)[0],
    "delete": lambda x, y: np.delete(x, 1, axis=0),
    "pad": lambda x, y: np.pad(x, 1),
    "broadcast": lambda x, y: np.broadcast_to(x[0], (3, 3)) * y,
    "diff ends": lambda x, y: np.diff(x[0], prepend=0.0, append=y[0, :1]),
    "clip": lambda x, y: np.clip(x, -0.5, y),
    "clip ends": lambda x, y: x.clip(min=-0.1) + np.clip(y, None, 0.3),
    "round": lambda x, y: np.round(x, 1) + round(y[0, 0], 2),
    "where": lambda x, y: np.where(x > y, x, 0),
    "select": lambda x, y: np.select([x > 1, x > 0], [x, y], 5.0),
    "mask": lambda x, y: x * (y > 0) + (x > y).astype(float),
    "count": lambda x, y: (x > 0).sum() + np.sum(y > 1),
    "any of mask": lambda x, y: np.any(x > 1.5) | np.all(y < 0),
    "interp": lambda x, y: np.interp(x, [-1, 0, 0.5], [3, 4, 0]),
    "interp ends": lambda x, y: np.interp(x[0], [-1, 0.5], [3, 4], left=9.0, right=8.0),
    "int": lambda x, y: int(x[0, 0] * 5) + (y * 3).astype(int),
    "int division": lambda x, y: x * 10 // 3 + (x * 10).astype(int) % 3,
    "divmod": lambda x, y: np.stack(divmod(x, 0.7)),
    "float32": lambda x, y: np.asarray(x, dtype=float).astype(float) + np.float64(y[0, 0]),
    "indices": lambda x, y: x[[0, 2], 1] + y[1, ::2] + x[-1, [True, False, True]],
    "ellipsis": lambda x, y: x[..., None, 1] + y[None, 0],
    "ix": lambda x, y: x[np.ix_([0, 1], [0, 2])],
    "bool constant": lambda x, y: x[np.array([True, False, True])],
    "flat": lambda x, y: x.flat[1:5] + y.flatten()[4:8],
    "T": lambda x, y: x.T @ y + y.dot(x),
    "reshape": lambda x, y: x.reshape(-1)[:6].reshape(2, 3) @ y,
    "batched": lambda x, y: np.stack([x, y]) @ np.stack([y, x]),
    "vectors": lambda x, y: x @ y[0] + y[0] @ x,
    "item": lambda x, y: x.item(0, 1) + y[0].tolist()[2],
    "sqrt of sum": lambda x, y: math.sqrt(np.sum(x**2)) + math.hypot(x[0, 0], y[0, 0]),
    "math": lambda x, y: math.atan2(x[0, 0], y[0, 0]) + math.exp(-abs(x[1, 1])) + math.pi,
    "max of many": lambda x, y: max(x[0, 0], y[0, 0], 0.1) + min([x[1, 1], 0.0]) + max(0, x[2, 2]),
    "sum of many": lambda x, y: sum(x[0]) + sum(v * v for v in y[0]),
    "all of many": lambda x, y: all(v > -1 for v in x[0]) + any(v > 1 for v in y[0]),
    "bool": lambda x, y: bool(x[0, 0] > 0) + float(bool(y[0, 0] > 0)),
    "isinstance": lambda x, y: x * isinstance(x, np.ndarray) * isinstance(y[0, 0], float),
    "linspace": lambda x, y: x * np.linspace(0, 1, 3) + np.arange(3),
    "power": lambda x, y: x**2 + 2.0**y + np.abs(x) ** 0.5 + pow(y, 3),
    "in place": lambda x, y: _in_place(x, y),
    "views": lambda x, y: _views(x, y),
    "assigned": lambda x, y: _assigned(x, y),
    "out": lambda x, y: _out(x, y),
    "numbers do not change": lambda x, y: _numbers(x),
    "quaternion": lambda x, y: _quaternion(x.ravel()[:4]),
    "answer": lambda x, y: _answers(x, y),
    "accumulate": lambda x, y: np.maximum.accumulate(x, axis=1) + np.add.accumulate(y),
    "reduce": lambda x, y: np.add.reduce(x) + np.logical_or.reduce(y > 0, axis=1),
    "apart": lambda x, y: np.sum((x[:, None] - y[None]) ** 2, axis=-1).min(axis=1),
    "swap": lambda x, y: np.swapaxes(x, 0, 1) + np.moveaxis(y, 0, 1) + x.transpose(1, 0),
    "expand": lambda x, y: np.expand_dims(x, 1) * y[np.newaxis],
    "mean of list": lambda x, y: np.mean([x, y], axis=0) + np.sum((x[0, 0], y[0, 0])),
    "r_": lambda x, y: np.r_[x[0], 1.0, y[1, 2], 0:2] + np.r_[x.ravel()[:7]],
    "c_": lambda x, y: np.c_[x[0], y[0]],
    "sorted": lambda x, y: sorted(x[0])[1] + sorted([y[0, 0], 0.0, y[1, 1]], reverse=True)[0],
    "counted": lambda x, y: [1, 2, 5][int(x[0, 0] > 0) + int(y[0, 0] > 0)],
    "turns": lambda x, y: [4.0, 5.0, 6.0][int(x[0, 0] * 10) % 3],
    "sort": lambda x, y: np.sort(x, axis=0) + np.sort(y) + np.sort(x, axis=None)[:3],
    "median": lambda x, y: np.median(x) + np.median(y[:2], axis=0),
    "first of all": lambda x, y: [1.0, 2.0, 7.0][np.argmax(x[0])] + x[int(np.argmin(y[:, 0]))],
    "table": lambda x, y: np.arange(12.0).reshape(6, 2)[int(np.abs(x[0, 0])) % 6],
    "table of all": lambda x, y: (
        np.array([x[0], y[0]])[int(y[0, 0] > 0)] + [4, 5][int(y[1, 1] > 0)]
    ),
    "array equal": lambda x, y: np.array_equal(x, y) + np.array_equal(x, x[:2]),
    "full": lambda x, y: np.full(3, x[0, 0]) + np.full_like(y[0], y[0, 1]),
}


def _in_place(x, y):
    x = x.copy()
    x += 1
    x[0] *= y[0]
    x[1, 1:] -= 2.0
    return x


def _views(x, y):
    x = x.copy()
    row, flat, turned = x[0], x.reshape(-1), x.T
    row[1] = 7.0
    flat[8] = y[0, 0]
    turned[2] = y[1]
    kept = x[[1]]
    kept[:] = 100.0
    return np.concatenate([x.ravel(), row, flat, kept.ravel()])


def _assigned(x, y):
    result = np.empty((4, 3))
    result[:3] = x
    result[3, :] = 1
    result[1, 2] = y[0, 0]
    result[result > 1] = 0.0
    result[2, x[2] > 0] = -1.0
    result[np.array([True, False, False, False])] += y[0]
    whole = np.zeros(2, dtype=int)
    whole[0] = 3
    result[3, 0] = whole[0]
    return result


def _out(x, y):
    result = np.zeros((3, 3))
    np.add(x, y, out=result)
    np.clip(result, -1, 1, out=result)
    return result


def _numbers(x):
    total = x[0, 0]
    first = total
    total += 5
    total *= 2
    return first + total + x[0, 0]


def _quaternion(q):
    w, x, y, z = q / np.linalg.norm(q)
    return np.array([[1 - 2 * (y * y + z * z), 2 * (x * y - w * z)], [2 * (x * z), np.dot(q, q)]])


def _answers(x, y):
    if not np.isfinite(x).all():
        return np.zeros(2)
    if x[0, 0] > 0 and y[0, 0] > 0:
        return x[0, :2]
    return y[0, :2] if x[0, 0] > 0 or x[1, 1] < 0.5 else x[1, :2]


def square(rng):
    return [rng.normal(size=(3, 3))]


def two(rng):
    return [rng.normal(size=(3, 3)), rng.normal(size=(3, 3))]


@pytest.mark.parametrize("name", EACH)
def test_functions_of_an_array(name):
    if name == "heaviside":
        return check(lambda x: np.heaviside(x, 0.5), square)
    return check(lambda x: getattr(np, name)(x), square)


@pytest.mark.parametrize("name", POSITIVE)
def test_functions_of_positive_numbers(name):
    check(lambda x: getattr(np, name)(x), lambda rng: [rng.exponential(size=(3, 3))])


@pytest.mark.parametrize("name", BELOW_ONE)
def test_functions_of_numbers_below_one(name):
    check(lambda x: getattr(np, name)(x), lambda rng: [rng.uniform(-1, 1, size=(3, 3))])


@pytest.mark.parametrize("name", TWO)
def test_functions_of_two_arrays(name):
    check(lambda x, y: getattr(np, name)(x, y), two)


@pytest.mark.parametrize("name", FORMS)
def test_forms(name):
    check(FORMS[name], two)


@pytest.mark.parametrize("name", ["nan_to_num", "isfinite", "isnan", "isinf", "sign", "max"])
def test_what_is_not_finite(name):
    def draw(rng):
        return [np.array([1.0, np.nan, np.inf, -np.inf])]

    check(lambda x: getattr(np, name)(x), draw)


def test_a_condition_is_asked_once():
    def function(x):
        total = 0.0
        for _ in range(5):
            if x[0] > 0:
                total += x[1]
            if not x[0] > 0:
                total -= x[1]
        return total

    assert written_down(function, np.array([1.0, 2.0]))[1] == 2
