"""The pages of the API: every public name, with what mkdocstrings reads of its docstring."""

from __future__ import annotations

import importlib
import inspect

PUBLIC = {
    "learned_envs": "The package",
    "learned_envs.envs": "Environments",
    "learned_envs.fit": "Fits",
    "learned_envs.sb3": "Stable-Baselines3",
    "learned_envs.transfer": "Transfer",
    "learned_envs.planning": "Planning",
    "learned_envs.sharing": "Handing models on",
    "learned_envs.card": "Cards",
    "learned_envs.tasks": "Tasks",
    "learned_envs.dynamics": "Dynamics",
    "learned_envs.errors": "Errors",
}
"""The modules whose names are for users and for those who extend the package."""

ALSO = (
    "learned_envs.fit.config.RoundsConfig",
    "learned_envs.fit.round.Round",
    "learned_envs.fit.rounds.Improve",
    "learned_envs.systems.spec.SystemSpec",
    "learned_envs.registry.TaskEntry",
    "learned_envs.checkpoint.open_checkpoint",
    "learned_envs.location.locate",
    "learned_envs.evaluation.evaluation.Yardstick",
    "learned_envs.logs.estimator.StateEstimator",
    "learned_envs.logs.smoothing.CausalFilter",
    "learned_envs.collect.planner.real_returns",
)
"""What other pages name, and what docstrings lead to; the build fails if one is missing."""

NOT_SHOWN = {"__version__"}
"""What has no docstring to show."""


def names_of(module: str) -> list[str]:
    """Return the public names of a module: those that it lists, or all that it defines."""
    loaded = importlib.import_module(module)
    listed = getattr(loaded, "__all__", None)
    if listed is None:
        listed = [
            name
            for name, value in vars(loaded).items()
            if inspect.isclass(value) or inspect.isfunction(value)
            if value.__module__ == module and not name.startswith("_")
        ]
    return [name for name in listed if name not in NOT_SHOWN]


def page_name(module: str) -> str:
    """Return the path of a module's page on the site."""
    return f"api/{module.partition('.')[2] or 'index'}.md"


def api_page(module: str) -> str:
    """Return the page of a module, whose docstrings are read when the site is built."""
    told = inspect.getdoc(importlib.import_module(module)) or ""
    names = "\n\n".join(f"::: {module}.{name}" for name in names_of(module))
    listed = ""
    if module == "learned_envs":
        others = [other for other in PUBLIC if other != module]
        listed = "\n\n## Modules\n\n| module | |\n|---|---|\n" + "\n".join(
            f"| [`{other}`]({other.partition('.')[2]}.md) | {PUBLIC[other]} |" for other in others
        )
    return f"# {PUBLIC[module]}: `{module}`\n\n{told}{listed}\n\n## Names\n\n{names}\n"


def others_page() -> str:
    """Return the page of the names that others lead to."""
    names = "\n\n".join(f"::: {name}" for name in ALSO)
    return f"# Other names\n\nWhat other pages of the site name.\n\n## Names\n\n{names}\n"
