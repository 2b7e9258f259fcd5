"""Models on the Hugging Face Hub, by names such as `hf://user/name` and `hf://user/name@revision`.

Nothing but these names downloads anything, and of a repository only the file of weights is taken:
none of its code is downloaded or run. `huggingface_hub` keeps what was downloaded in its cache.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any, NamedTuple

from learned_envs.errors import CachedModelWarning, CheckpointError, DependencyError
from learned_envs.files import LONGEST_WEIGHTS

SCHEME = "hf:/"
"""What the name of a model on the hub begins with."""

MAIN = "main"
"""The revision that is meant if none is named."""

FORM = re.compile(r"hf:/{1,2}(?P<repository>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")
"""A name on the hub. What became a path on its way has one slash only."""

COMMIT = re.compile("[0-9a-f]{40}")

NOT_INSTALLED = (
    "Models on the hub need huggingface_hub, which is not installed: "
    'pip install "learned-envs[hub]".'
)


class HubName(NamedTuple):
    """A repository of the hub at a revision: a branch, a tag or a commit."""

    repository: str
    revision: str = MAIN

    @classmethod
    def read(cls, name: str | Path) -> HubName:
        """Read a name that begins with `SCHEME`.

        Raises:
            CheckpointError: if it is not of the form that names have.
        """
        found = FORM.fullmatch(_slashes(name))
        if found is None:
            raise CheckpointError(
                f"Got checkpoint={str(name)!r:.200}, expected hf://user/name or "
                "hf://user/name@revision, where a revision is a branch, a tag or a commit."
            )
        return cls(found["repository"], found["revision"] or MAIN)

    def __str__(self) -> str:
        return f"hf://{self.repository}" + f"@{self.revision}" * (self.revision != MAIN)


def is_on_hub(checkpoint: object) -> bool:
    """Return whether a checkpoint is named as one on the hub."""
    return isinstance(checkpoint, str | Path) and _slashes(checkpoint).startswith(SCHEME)


def fetch(name: HubName, file: str) -> tuple[Path, HubName]:
    """Download a file of a repository, unless it is there.

    A commit that is there is never asked for again. If the hub cannot be reached, what was
    downloaded before is used, with a `CachedModelWarning`.

    Args:
        name: of the repository.
        file: its name there.

    Returns:
        Where the file is, and the commit that it is of.

    Raises:
        CheckpointError: if there is no such repository, revision or file, if it may not be read,
            or if the hub cannot be reached and the file is not there.
        DependencyError: if huggingface_hub is not installed.
    """
    try:
        import huggingface_hub as hub
    except ImportError as error:
        raise DependencyError(NOT_INSTALLED) from error
    if COMMIT.fullmatch(name.revision) and (there := _kept(name, file)) is not None:
        return there, name
    try:
        url = hub.hf_hub_url(name.repository, file, revision=name.revision)
        about = hub.get_hf_file_metadata(url)
    # What the client raises of a connection depends on its version.
    except Exception as error:
        if (refused := _refusal(name, file, error)) is not None:
            raise CheckpointError(refused) from error
        return _without_hub(name, file, error)
    if about.commit_hash is None or (about.size or 0) > LONGEST_WEIGHTS:
        size = f"has {about.size or 0:,} bytes"
        told = "does not say its commit" if about.commit_hash is None else size
        raise CheckpointError(
            f"The {file} of {name} {told}, expected one of a commit and of at most "
            f"{LONGEST_WEIGHTS:,} bytes. Check the name, and HF_ENDPOINT if it is set."
        )
    try:
        # By the name that was given, so that the cache knows what it meant if the hub is away.
        path = Path(hub.hf_hub_download(name.repository, file, revision=name.revision))
    except Exception as error:
        raise CheckpointError(
            f"The {file} of {name} could not be downloaded whole ({_line(error)}). Try again, "
            "and look whether there is room on the disk."
        ) from error
    return path, HubName(name.repository, path.parent.name)


def _kept(name: HubName, file: str) -> Path | None:
    """Return where a file lies in the cache of the client; None if it does not."""
    import huggingface_hub as hub

    found = hub.try_to_load_from_cache(name.repository, file, revision=name.revision)
    return Path(found) if isinstance(found, str) else None


def _without_hub(name: HubName, file: str, error: Exception) -> tuple[Path, HubName]:
    """Take what was downloaded before.

    Raises:
        CheckpointError: if nothing was.
    """
    if (path := _kept(name, file)) is None:
        raise CheckpointError(
            f"The hub could not be asked for {name} ({_line(error)}), and it was not downloaded "
            "here before. Check the connection, and HF_ENDPOINT or HF_HUB_OFFLINE if they are set; "
            "or give a file that `learned-envs pack` wrote."
        ) from error
    pinned = HubName(name.repository, path.parent.name)
    warnings.warn(
        f"The hub could not be asked for {name} ({_line(error)}). What was downloaded before is "
        f"used: {pinned}.",
        CachedModelWarning,
        stacklevel=2,
    )
    return path, pinned


def _refusal(name: HubName, file: str, error: Exception) -> str | None:
    """Say what the hub refused, and what to do; None if it did not answer as a hub does."""
    from huggingface_hub import errors

    status = status_of(error)
    if isinstance(error, errors.GatedRepoError):
        return (
            f"{name.repository} is gated. Ask for access on its page, and log in by `hf auth "
            "login` or set HF_TOKEN."
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return (
            f"{name.repository} has no revision {name.revision!r}. Expected one of its branches, "
            "tags or commits; leave out the @ and what follows for the newest."
        )
    if isinstance(error, errors.EntryNotFoundError):
        return (
            f"{name} holds no {file}, so it is no model of this package. Expected a repository "
            "that `learned-envs push` wrote."
        )
    if isinstance(error, errors.RepositoryNotFoundError) or status in (401, 404):
        return (
            f"There is no {name.repository} on the hub, or it is private and this is not somebody "
            "who may read it. Check the name; if it is private, log in by `hf auth login` or set "
            "HF_TOKEN."
        )
    if status == 403:
        return (
            f"The token may not read {name.repository}. Give HF_TOKEN one that may, or ask its "
            "owner for access."
        )
    if isinstance(error, errors.HFValidationError):
        return f"{name} is no name that the hub can have ({_line(error)}). Check it."
    return None


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status that a client's error tells of; None if it tells of none."""
    response: Any = getattr(error, "response", None)
    return getattr(response, "status_code", None)


def _slashes(name: str | Path) -> str:
    """Return a name that may have become a path of Windows on its way."""
    return str(name).replace("\\", "/")


def _line(error: BaseException) -> str:
    """Return an error's own words in a line that is not too long."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= 200 else f"{words[:200]}..."
