"""What lies in a fit's folder, by name.

```
runs/hopper/
  fit.json                  the settings that a resumed fit goes on with
  model.safetensors         the checkpoint: the best weights so far, with their card
  training.safetensors      the state that a training continues from
  errors.png                held-out errors over the horizon
  report.html, report.json  what all of this says, as a page and as plain data
  data/                     what the fit recorded
  curves/                   TensorBoard's
  rounds.json, round-01/    figures and folders of the rounds, each with a model and an agent
  agent/                    the best round's agent
```
"""

from learned_envs.card import FILE_NAME as FILE_NAME

CONFIG_FILE = "fit.json"
PROGRESS_FILE = "training.safetensors"
PLOT_FILE = "errors.png"
REPORT_FILE = "report.html"
DATA_FOLDER = "data"
CURVES_FOLDER = "curves"
ROUNDS_FILE = "rounds.json"
AGENT_FOLDER = "agent"


def round_folder(number: int) -> str:
    """Return what the folder of a round is called; rounds are counted from 1."""
    return f"round-{number:02d}"


LOGS_FOLDER = "logs"
"""What a fit to a robot's recordings made of them, before it began."""
