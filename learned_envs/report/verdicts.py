"""What a model is good enough for, in words, with the figures that say so."""

from __future__ import annotations

from statistics import fmean

from learned_envs.card import Card
from learned_envs.evaluation.report import WORTHLESS, Report
from learned_envs.figures import Returns, RolloutErrors, gap_of
from learned_envs.report.content import Answer, RoundFigures, Verdict

CLOSE = 0.1
"""A prediction is close if its median error is at most this share of holding's: a third of its
distance. A model that is off by more says little that is of use."""

PLANNED = 30
"""Steps that the package's planner looks ahead."""

GOOD, SOME = 0.9, 0.5
"""From which share on of what training outside gains, agents trained inside are good, or some."""

AGREE = 0.1
"""Returns inside and outside agree within this share of the larger."""


def verdicts(card: Card, rounds: tuple[RoundFigures, ...] = ()) -> tuple[Verdict, ...]:
    """Judge a model by what its card and its fit's rounds say."""
    if card.held_out is None:
        return ()
    ahead = steps_ahead(card.held_out)
    return (
        _look_ahead(card, card.held_out, ahead),
        _plan(card, card.held_out, ahead),
        _train(card, card.held_out, rounds),
    )


def steps_ahead(errors: RolloutErrors) -> int:
    """Return the longest horizon up to which predictions are close; 0 if none is."""
    ahead = 0
    for horizon, share in zip(errors.horizons, errors.times_hold(), strict=True):
        # Written so that NaN is not close.
        if not share <= CLOSE:
            break
        ahead = horizon
    return ahead


def _look_ahead(card: Card, errors: RolloutErrors, ahead: int) -> Verdict:
    shares = dict(zip(errors.horizons, errors.times_hold(), strict=True))
    dt, last = card.spec.dt, errors.horizons[-1]
    if not ahead:
        first = errors.horizons[0]
        return Verdict(
            "Look ahead",
            "no",
            f"After {steps(first)} its median error is {shares[first]:.2g} of what holding the "
            f"first state gives; predictions count as close up to {CLOSE:g}.",
        )
    text = (
        f"{steps(ahead).capitalize()} ahead ({ahead * dt:.2g} s): until then its median error is "
        f"at most a tenth of what holding the first state gives ({shares[ahead]:.2g} there)."
    )
    beyond = next((h for h in errors.horizons if h > ahead), None)
    if beyond is not None:
        text += f" After {steps(beyond)} it is {shares[beyond]:.2g} of that."
    twins = Report.of(card.fidelity.report).verdicts() if card.fidelity else {}
    if close := [h for h, each in twins.items() if each]:
        text += (
            f" On paths of agents that are in no data it stays close to a twin in MuJoCo for "
            f"{steps(max(close))}."
        )
    return Verdict("Look ahead", "yes" if ahead >= min(PLANNED, last) else "partly", text)


def _plan(card: Card, errors: RolloutErrors, ahead: int) -> Verdict:
    if not errors.beats_hold:
        return Verdict("Plan", "no", WORTHLESS)
    told = f"The planner looks {steps(PLANNED)} ahead, and predictions are close for {ahead}."
    if ahead >= PLANNED:
        return Verdict("Plan", "yes", told)
    beyond = next((h for h in errors.horizons if h >= PLANNED), None)
    if beyond is None:
        return Verdict(
            "Plan", "not known", f"Errors were measured for {steps(errors.horizons[-1])} only."
        )
    answer: Answer = "partly" if 2 * ahead >= PLANNED else "no"
    return Verdict("Plan", answer, f"{told} Plan over at most {max(ahead, 1)}.")


def _train(card: Card, errors: RolloutErrors, rounds: tuple[RoundFigures, ...]) -> Verdict:
    if not errors.beats_hold:
        return Verdict("Train agents inside", "no", WORTHLESS)
    if card.returns is not None:
        return _returned(card.returns)
    if rounds:
        best = max(rounds, key=lambda each: each.outside)
        told = (
            f"The best round's agent ({best.number} of {len(rounds)}) returned {best.inside:,.5g} "
            f"inside and {best.outside:,.5g} outside, a gap of {best.gap:.0%}."
        )
        answer: Answer = "yes" if best.gap <= AGREE else "partly"
        return Verdict("Train agents inside", answer, told)
    return Verdict(
        "Train agents inside",
        "not known",
        "No agent was trained inside yet. `learned-envs fit --rounds 3` trains agents inside and "
        "tries them outside; held-out errors alone do not say what an agent will exploit.",
    )


def _returned(returns: Returns) -> Verdict:
    inside, outside = fmean(returns.inside), fmean(returns.outside)
    told = (
        f"{len(returns.inside)} agents trained inside returned {inside:,.5g} inside and "
        f"{outside:,.5g} outside."
    )
    if returns.score is None:
        gap = gap_of(inside, outside)
        answer: Answer = "yes" if gap <= AGREE else "partly"
        return Verdict("Train agents inside", answer, told)
    told += f" That is {returns.score:.0%} of what the same training outside gains"
    told += f" ({fmean(returns.trained_outside):,.5g})." if returns.trained_outside else "."
    answer = "yes" if returns.score >= GOOD else "partly" if returns.score >= SOME else "no"
    return Verdict("Train agents inside", answer, told)


def steps(count: int) -> str:
    """Say how many steps."""
    return f"{count} step" + "s" * (count != 1)
