"""What can be read after a step of the real system and does not follow from q and v."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Sensor:
    """One of a task's sensors. A model has to learn its reading after each step.

    Attributes:
        name: what cards and messages call it.
        size: how many numbers a reading has.
        place: where its first number stands in the observation; None if it is not observed.
        array: the array of MuJoCo's data that it reads, such as "sensordata" or "cfrc_ext". Only
            a sensor that is not observed needs it; others are read from the observation.
        start: where its first number stands in that array, laid out flat.
    """

    name: str
    size: int = 1
    place: int | None = None
    array: str = ""
    start: int = 0

    @property
    def columns(self) -> list[int]:
        """Where its numbers stand in the observation; nowhere if it is not observed.

        Examples:
            >>> Sensor("touch", size=2, place=3).columns
            [3, 4]
        """
        return [] if self.place is None else list(range(self.place, self.place + self.size))

    @property
    def slice(self) -> slice:
        """Where its numbers stand in its array, laid out flat."""
        return slice(self.start, self.start + self.size)


def total_size(sensors: Sequence[Sensor]) -> int:
    """Return how many numbers all sensors read together."""
    return sum(sensor.size for sensor in sensors)
