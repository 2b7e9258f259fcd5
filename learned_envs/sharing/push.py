"""A fit, pushed to the Hugging Face Hub."""

from __future__ import annotations

import re
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from learned_envs import argument
from learned_envs.card import Card
from learned_envs.checkpoint import open_checkpoint
from learned_envs.errors import DependencyError, OutputError, ParameterError
from learned_envs.fit.folder import PLOT_FILE, REPORT_FILE
from learned_envs.hub import MAIN, NOT_INSTALLED, HubName, status_of
from learned_envs.location import FILE_NAME, find_checkpoint
from learned_envs.packed import PAGE
from learned_envs.sharing.page import page, reference_of, spaces_of, title_of

VIDEOS = (".mp4", ".webm", ".webp", ".gif")
"""What the names of videos end in."""

REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
LIBRARY = "learned-envs"
TAGS = (
    "reinforcement-learning",
    "gymnasium",
    "mujoco",
    "world-model",
    "simulation",
    "learned-envs",
)
ENV_FILE = "env.py"

ENV_CODE = '''\
"""What LeRobot's EnvHub loads: environments of the model in this repository.

Their code is learned_envs': pip install "learned-envs[hub]".
"""

from pathlib import Path

from learned_envs.envs.lerobot import envs_beside


def make_env(n_envs: int = 1, use_async_envs: bool = False, cfg=None):
    """Return a gymnasium.vector.VectorEnv of n_envs environments."""
    return envs_beside(Path(__file__), "{repository}", n_envs, use_async_envs)
'''
"""The `env.py` of a repository."""

EXTRA = """\
## LeRobot

```python
from lerobot.envs.factory import make_env

envs = make_env("{name}", n_envs=4, trust_remote_code=True)
```

That runs `env.py` of this repository, as LeRobot's EnvHub does. `checkpoint="hf://..."` runs no
code of it."""


class Pushed(NamedTuple):
    """What was pushed.

    Attributes:
        name: what `checkpoint=` takes, of the branch.
        pinned: the same of this commit.
        url: of the page.
        files: what is there.
    """

    name: str
    pinned: str
    url: str
    files: tuple[str, ...]


def push(
    checkpoint: str | Path,
    repository: str,
    *,
    private: bool = False,
    revision: str | None = None,
) -> Pushed:
    """Push a model to the hub: its weights, a page, an `env.py`, and the run's report and videos.

    Args:
        checkpoint: a fit's folder, a checkpoint, or the name or id of a task with shipped weights.
        repository: "user/name"; it is made if there is none.
        private: whether a new repository is for its owner alone.
        revision: the branch, which is made if there is none; None for the main one.

    Raises:
        CheckpointError: if the checkpoint cannot be read as a whole.
        ParameterError: if there can be no such repository or branch.
        OutputError: if the hub does not take it, or cannot be reached.
        DependencyError: if huggingface_hub is not installed.
    """
    argument.instance("repository", repository, str)
    if not REPOSITORY.fullmatch(repository):
        raise ParameterError(f"Got repository={repository!r:.200}, expected user/name.")
    try:
        import huggingface_hub as hub
    except ImportError as error:
        raise DependencyError(NOT_INSTALLED) from error
    path = find_checkpoint(checkpoint)
    # What cannot be used here is not handed on.
    card = open_checkpoint(path).card
    name = HubName(repository, revision or MAIN)
    files = _files(path, Path(checkpoint), card, name)
    api = hub.HfApi(library_name="learned_envs")
    try:
        # If nobody asks, an organisation's own default decides.
        api.create_repo(repository, private=private or None, exist_ok=True)
        if private and not api.model_info(repository).private:
            raise OutputError(
                f"Got private=True for {repository}, which is there and public. Make it private on "
                "its page, or push to another name. Nothing was pushed."
            )
        if revision is not None and revision != MAIN:
            api.create_branch(repository, branch=revision, exist_ok=True)
        commit = api.create_commit(
            repository,
            [hub.CommitOperationAdd(file, content) for file, content in files.items()],
            commit_message=f"{title_of(card)}, {card.sha256[:12]}",
            revision=revision,
        )
    except OutputError:
        raise
    # What the client raises of a connection depends on its version.
    except Exception as error:
        raise OutputError(_refusal(name, error)) from error
    return Pushed(
        str(name),
        str(HubName(repository, commit.oid)),
        f"{api.endpoint}/{repository}",
        tuple(files),
    )


def _files(path: Path, run: Path, card: Card, name: HubName) -> dict[str, bytes | str]:
    """Return what is pushed: contents, or the paths of files, by name."""
    beside = sorted(file for file in run.iterdir() if file.is_file()) if run.is_dir() else []
    pictures = [file for file in beside if file.suffix in VIDEOS or file.name == PLOT_FILE]
    reports = [file for file in beside if file.name == REPORT_FILE]
    checkpoint = str(name)
    text = page(
        card,
        checkpoint,
        spaces_of(str(path), card),
        [file.name for file in (*pictures, *reports)],
        f"{LIBRARY}[hub]",
        EXTRA.format(name=checkpoint.removeprefix("hf://")),
    )
    return {
        FILE_NAME: str(path),
        PAGE: f"---\n{header(card, name.repository).to_yaml()}\n---\n\n{text}".encode(),
        ENV_FILE: ENV_CODE.format(repository=name.repository).encode(),
        **{file.name: str(file) for file in (*pictures, *reports)},
    }


def header(card: Card, repository: str) -> Any:
    """Return what the hub itself reads of a page, as a `huggingface_hub.ModelCardData`.

    Its evaluation results are the median errors over the horizon, and the returns outside of agents
    that were trained inside.
    """
    from huggingface_hub import EvalResult, ModelCardData

    about: dict[str, Any] = {
        "task_type": "reinforcement-learning",
        "task_name": "reinforcement-learning",
        "dataset_type": reference_of(card),
        "dataset_name": reference_of(card),
    }
    results = []
    if (errors := card.held_out) is not None:
        results += [
            EvalResult(
                **about,
                metric_type="median_rollout_error",
                metric_name=f"median error after {steps} steps, of the data's variance",
                metric_value=value,
            )
            for steps, value in zip(errors.horizons, errors.curve("model").median, strict=True)
        ]
    if card.returns is not None:
        results.append(
            EvalResult(
                **about,
                metric_type="mean_reward",
                metric_name="mean return in the real environment, trained inside",
                metric_value=fmean(card.returns.outside),
            )
        )
    return ModelCardData(
        library_name=LIBRARY,
        tags=[*TAGS, reference_of(card)],
        pipeline_tag="reinforcement-learning",
        model_name=repository.partition("/")[2],
        eval_results=results or None,
    )


def _refusal(name: HubName, error: Exception) -> str:
    """Say why the hub did not take a model, and what to do."""
    status = status_of(error)
    words = " ".join(str(error).split())[:300]
    if status == 401:
        what = "Log in by `hf auth login`, or set HF_TOKEN to a token that may write."
    elif status == 403:
        what = f"The token may not write to {name.repository}. Use one that may, or another name."
    elif status is None or status >= 500:
        what = "Check the connection, and HF_ENDPOINT or HF_HUB_OFFLINE if they are set."
    else:
        what = "Check the name and the revision."
    return f"The hub did not take {name}: {words or type(error).__name__}. {what}"
