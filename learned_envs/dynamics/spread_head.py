"""A head of sensors that says how wrong it is, also of readings that rest most of the time.

The force of a contact is zero until something touches, and then it may be anything. One network
that is fitted to both shows a little force everywhere. So this one predicts three things of each
number: whether it is off the value where it rests, what it is then, and the scale of the error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from learned_envs.dynamics.network import MLP
from learned_envs.dynamics.sensor import LEAST_SPREAD, SensorHead, mean_norm
from learned_envs.dynamics.world_vectors import WorldVectors
from learned_envs.kinematics import Kinematics
from learned_envs.state import State
from learned_envs.systems.sensor import Sensor
from learned_envs.systems.spec import SystemSpec

RESTS = 0.05
"""A number rests if at least this share of the data has one and the same value there."""

SCALES = (-7.0, 7.0)
"""The least and the largest logarithm of an error's scale, in units of `_unit`."""

FARTHEST = 20.0
"""The largest squashed number: no float32 is too large for its hyperbolic sine."""


class SpreadHead(SensorHead):
    """Predicts what sensors read, and the root mean squared error that is expected of it.

    A number is read as its resting value where that is the likelier, and as its mean elsewhere.
    What it is off rest is predicted as an inverse hyperbolic sine, which is linear in small numbers
    and logarithmic in large ones: the forces of a touch and of a fall are both learned. Errors are
    taken to be of Laplace's distribution, whose tails are heavier than the normal one's.

    Attributes:
        mean, spread: of the squashed readings that are off their resting values.
        low, high: the range of the readings.
        rest: (n) the value that each number has most often.
        size: (n) how far from it a number off rest is in the median.
        variation: (n) the spread of the readings as they are.
        sometimes: (n) 1 for numbers that rest at times, 0 for others.
        always: (n) 1 for numbers that never rest.
    """

    hidden = (128, 128)
    numbers = 2
    rest: Tensor
    size: Tensor
    variation: Tensor
    sometimes: Tensor
    always: Tensor

    def __init__(
        self,
        spec: SystemSpec,
        kinematics: Kinematics,
        sensors: Sequence[Sensor],
        members: int | None = None,
    ) -> None:
        super().__init__(spec, kinematics, sensors, members)
        count = len(self.mean)
        # Apart, so that it costs nothing where nobody asks how wrong readings are.
        self.doubt = MLP(self.features.size, count, self.hidden, members)
        self.vectors = WorldVectors(spec, sensors)
        for name in ("rest", "sometimes"):
            self.register_buffer(name, torch.zeros(count))
        for name in ("size", "variation", "always"):
            self.register_buffer(name, torch.ones(count))

    @staticmethod
    def headings(spec: SystemSpec, sensors: Sequence[Sensor]) -> bool:
        """Return whether some reading may depend on where free bodies head; vectors do not."""
        return not WorldVectors(spec, sensors).all

    def predict(
        self, reached: State, action: Tensor, spreads: bool = False
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return the readings, and how wrong they may be; see `SensorHead.predict`."""
        seen = self.seen(reached, action)
        output, logit = self._outputs(seen)
        value = self._value(output)
        # A logistic function, of an operation that native code has.
        likely = self.always + self.sometimes * (1 + torch.tanh(logit / 2)) / 2
        mean = self.clamp(self.rest + likely * (value - self.rest))
        read = torch.where(likely > 0.5, mean, self.rest)
        readings = self.named(self.vectors.leave(reached.q, read))
        if not spreads:
            return readings, {}
        scale = self._unit(value) * self.doubt(seen).clamp(*SCALES).exp()
        # The variance of Laplace's distribution is twice its squared scale.
        off = 2 * scale.square() + (value - read).square()
        squared = likely * off + (1 - likely) * (self.rest - read).square()
        return readings, self.named(self.vectors.leave_spread(reached.q, squared.sqrt()))

    def error(self, reached: State, action: Tensor, readings: Mapping[str, Tensor]) -> Tensor:
        """Return how far squashed values are from readings, in units of their spread.

        Those of numbers at rest say nothing.
        """
        output = self._outputs(self.seen(reached, action))[0]
        values = self._values(reached, readings)
        error: Tensor = output - self._squashed(values)
        return error

    def loss(self, reached: State, action: Tensor, readings: Mapping[str, Tensor]) -> Tensor:
        """Return what a training makes small, a scalar.

        The cross-entropy of resting or not; off rest, the error of the squashed value and of the
        value as it is, and the negative logarithm of the likelihood of that error. This changes
        nothing of what is read.
        """
        seen = self.seen(reached, action)
        output, logit = self._outputs(seen)
        values = self._values(reached, readings)
        off = self.always + self.sometimes * (values != self.rest)
        missed = functional.softplus(logit) - off * logit
        error = (output - self._squashed(values)).abs()
        value, scale = self._value(output), self.doubt(seen).clamp(*SCALES)
        told = value.detach()
        unlikely = (values - told).abs() / self._unit(told) * torch.exp(-scale) + scale
        loss: Tensor = (self.sometimes * missed + off * (error + unlikely)).mean()
        return loss + mean_norm(off * (values - value) / self.variation)

    @torch.no_grad()
    def normalise(self, reached: State, action: Tensor, readings: Mapping[str, Tensor]) -> None:
        """Set the constants from steps of the data, (n, .) each."""
        super().normalise(reached, action, readings)
        values = self._values(reached, readings)
        self.variation.copy_(self.spread)
        for column, value in enumerate(values.unbind(-1)):
            known, counts = torch.unique(value, return_counts=True)
            share = float(counts.max()) / len(value)
            rests = share >= RESTS
            self.rest[column] = known[counts.argmax()] if rests else value.median()
            self.sometimes[column] = float(rests and share < 1)
            self.always[column] = float(not rests)
            off = value[value != self.rest[column]] if rests else value
            distance = (off - self.rest[column]).abs()
            typical = distance.median() if len(off) else value.new_zeros(())
            self.size[column] = torch.where(typical > LEAST_SPREAD, typical, 1.0)
            self.mean[column], self.spread[column] = 0.0, 1.0
            squashed = torch.asinh((off - self.rest[column]) / self.size[column])
            if len(off):
                spread = squashed.std(correction=0)
                self.mean[column] = squashed.mean()
                self.spread[column] = torch.where(spread > LEAST_SPREAD, spread, 1.0)

    def _outputs(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Return squashed, standardised values, and logits of being off rest, (*batch, n) each."""
        outputs: Tensor = self.network(seen)
        count = outputs.shape[-1] // 2
        return outputs[..., :count], outputs[..., count:]

    def _values(self, reached: State, readings: Mapping[str, Tensor]) -> Tensor:
        """Return the numbers along own axes; see `SensorHead._values`."""
        return self.vectors.enter(reached.q, super()._values(reached, readings))

    def _squashed(self, values: Tensor) -> Tensor:
        """Return readings along own axes as the network predicts them, standardised."""
        squashed: Tensor = torch.asinh((values - self.rest) / self.size)
        return (squashed - self.mean) / self.spread

    def _value(self, output: Tensor) -> Tensor:
        """Return what the network says, in the units of the readings and within their range."""
        squashed = (self.mean + self.spread * output).clamp(-FARTHEST, FARTHEST)
        return self.clamp(self.rest + self.size * torch.sinh(squashed))

    def _unit(self, value: Tensor) -> Tensor:
        """Return by how much a reading changes at a value where the network says one more."""
        return self.spread * (self.size.square() + (value - self.rest).square()).sqrt()
