"""The episodes that a fit learned from, and those that it held out, found again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from learned_envs import argument
from learned_envs.card import Card
from learned_envs.collect.agreement import check_source
from learned_envs.data.recording import Recording
from learned_envs.data.source import ImportedDataset, MakeSpec, Source, open_dataset
from learned_envs.fit.config import FitConfig
from learned_envs.fit.folder import CONFIG_FILE, DATA_FOLDER
from learned_envs.fit.settings import stored_settings


@dataclass(frozen=True)
class Episodes:
    """Episodes to measure a model on.

    Attributes:
        unseen: those that the model was not fitted to.
        learned: those that it was fitted to; None if `unseen` are of other data.
        where: a sentence that says which they are.
    """

    unseen: Recording
    learned: Recording | None
    where: str


def own_data(checkpoint: str | Path, card: Card) -> str | Path | None:
    """Return the dataset of a fit's folder; None for a checkpoint without such a folder.

    Raises:
        CheckpointError: if the fit's settings are broken.
    """
    folder = argument.path("checkpoint", checkpoint)
    if not (folder / CONFIG_FILE).is_file():
        return None
    settings = stored_settings(card.task, folder)
    own = settings.data is None or settings.rounds.count
    return folder / DATA_FOLDER if own else settings.data


def episodes_of(card: Card, data: str | Path, spec: MakeSpec) -> Episodes:
    """Open a dataset, and leave out what a model was fitted to.

    Args:
        card: of the model.
        data: the dataset.
        spec: makes the system that the data is expected to be of.

    Raises:
        DatasetError: if the data is broken, or of another environment.
    """
    dataset = opened(data, card.task, spec)
    recording = dataset.load()
    if card.data is not None and card.fit is not None and dataset.digest == card.data.sha256:
        training = FitConfig.from_dict(card.fit).training
        learned, unseen = recording.split(training.held_out, training.seed)
        where = f"Measured on the episodes of {data} that the fit held out."
        return Episodes(unseen, learned, where)
    return Episodes(recording, None, f"Measured on all episodes of {data}.")


def opened(data: str | Path, task: str, spec: MakeSpec) -> Source:
    """Open a dataset whose steps the real environment confirms; see `open_dataset`."""
    dataset = open_dataset(data, task, spec)
    # What is imported was taken again when it was opened.
    if not isinstance(dataset, ImportedDataset):
        check_source(dataset, task)
    return dataset
