"""Every error that learned_envs raises on purpose.

```
LearnedEnvsError
├── UnknownNameError     (KeyError)      a task, family or id that is not registered
├── ShapeError           (ValueError)    an array of the wrong shape
├── ActionError          (ValueError)    an action that is not numeric, or not finite
├── ParameterError       (ValueError)    a parameter that the learned environment cannot take
│   ├── ArgumentTypeError (TypeError)   an argument that is unknown, or of an impossible type
│   └── SystemSpecError                  a real system that is not what its spec says
│       └── LockstepError                one that steps otherwise than MuJoCo and its traced rules
├── ResetNeededError     (RuntimeError)  `step` before `reset`
├── RenderError          (RuntimeError)  no display, or no GL library
├── DeviceError          (RuntimeError)  a device that this machine does not have
├── CheckpointError      (OSError)       weights that are missing, broken, or of something else
│   └── WeightsNotShippedError           an id whose weights do not exist yet
├── UntraceableError     (NotImplementedError)  a step that cannot be written as numpy or C++ code
├── UntraceableRulesError (NotImplementedError)  an environment whose rules cannot be traced
├── RulesError           (ValueError)    rules of an environment that are no such graph
├── TrainingError        (RuntimeError)  a training whose numbers are no longer finite
├── NativeCodeError      (RuntimeError)  native code that cannot be compiled or loaded here
├── DatasetError         (OSError)       a dataset that is missing, broken, or of something else
├── LogError             (ValueError)    recordings of a robot, or their map, that cannot be read
├── OutputError          (OSError)       a place that cannot be written to
└── DependencyError      (ImportError)   an optional dependency that is not installed
```

Each message says what was got, what was expected and what to do.
"""

import difflib
from collections.abc import Iterable


class LearnedEnvsError(Exception):
    """The root of the tree: `except` it to catch all that this package raises on purpose."""


class UnknownNameError(LearnedEnvsError, KeyError):
    """A name that is not registered; the message names the nearest one."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        lower = {entry.lower(): entry for entry in known}
        close = difflib.get_close_matches(name.lower(), lower, n=1)
        hint = f" Did you mean {lower[close[0]]!r}?" if close else ""
        super().__init__(f"Unknown {kind} {name!r}.{hint} Known: {', '.join(known)}.")

    def __str__(self) -> str:
        return str(self.args[0])


class ShapeError(LearnedEnvsError, ValueError):
    """An array whose shape does not fit."""


class ActionError(LearnedEnvsError, ValueError):
    """An action that is not numeric or not finite."""


class ParameterError(LearnedEnvsError, ValueError):
    """A parameter that a learned environment or a fit cannot take."""


class ArgumentTypeError(ParameterError, TypeError):
    """An argument that is unknown, in Python's own words, or of a type that it cannot have."""


class SystemSpecError(ParameterError):
    """A real system is not what its spec says, or is none that a spec can describe."""


class LockstepError(SystemSpecError):
    """A real environment takes a step otherwise than MuJoCo and its traced rules do."""


class ResetNeededError(LearnedEnvsError, RuntimeError):
    """`step` was called before `reset`, or after an episode's end."""


class RenderError(LearnedEnvsError, RuntimeError):
    """A picture was asked for, and none can be drawn here."""


class DeviceError(LearnedEnvsError, RuntimeError):
    """A device was asked for that this machine does not have."""


class CheckpointError(LearnedEnvsError, OSError):
    """A checkpoint that is missing, broken, of another task or of a newer format."""


class WeightsNotShippedError(CheckpointError):
    """An id is known but no weights for it are in the package."""


class UntraceableError(LearnedEnvsError, NotImplementedError):
    """A function does something that code derived from it cannot do."""


class UntraceableRulesError(LearnedEnvsError, NotImplementedError):
    """A line of an environment does something that cannot be traced.

    Attributes:
        place: file:line; "" if it is no single line.
    """

    def __init__(self, message: str, place: str = "") -> None:
        super().__init__(message)
        self.place = place


class RulesError(LearnedEnvsError, ValueError):
    """Rules of an environment are not a graph of known operations on arrays that fit."""


class TrainingError(LearnedEnvsError, RuntimeError):
    """A training cannot go on, because a loss, a score or a weight is no longer finite."""


class NativeCodeError(LearnedEnvsError, RuntimeError):
    """Native code cannot be compiled or loaded on this machine."""


class DatasetError(LearnedEnvsError, OSError):
    """A dataset that is missing, broken, empty or of another environment."""


class LogError(LearnedEnvsError, ValueError):
    """Recordings of a robot, or their map, that cannot be read as they should be."""


class OutputError(LearnedEnvsError, OSError):
    """A file or folder that exists already or cannot be written."""


class DependencyError(LearnedEnvsError, ImportError):
    """An optional dependency is needed and not installed."""


class RebuiltDataWarning(UserWarning):
    """Part of a dataset is not as it was recorded, but was rebuilt or left out."""


class CachedModelWarning(UserWarning):
    """The hub cannot be reached, and a model that was downloaded before is used."""
