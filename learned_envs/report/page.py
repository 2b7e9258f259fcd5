"""The page of a report: one file that loads nothing."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Any

from learned_envs.errors import DependencyError
from learned_envs.report.content import Content
from learned_envs.report.verdicts import steps

ANSWERS = {"yes": "✓", "partly": "~", "no": "✗", "not known": "?"}
"""Marks beside the words of answers."""


def expect_libraries() -> None:
    """Check that what lays out a page is installed.

    Raises:
        DependencyError: if not.
    """
    try:
        import jinja2  # noqa: F401
        import plotly  # noqa: F401
    except ImportError as error:
        raise DependencyError(
            'A report needs jinja2 and plotly: pip install "learned-envs[report]".'
        ) from error


def page(content: Content) -> str:
    """Lay a report out as HTML.

    Raises:
        DependencyError: if what lays it out is not installed.
    """
    expect_libraries()
    import jinja2
    from plotly.offline import get_plotlyjs

    from learned_envs.report.charts import charts

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("learned_envs.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        figure=figure, duration=duration, steps=steps, data_url=_data_url, marked=_marked
    )
    drawn = charts(content)
    return environment.get_template("page.html").render(
        content=content,
        charts=drawn,
        answers=ANSWERS,
        plotly=get_plotlyjs().replace("</script", "<\\/script") if drawn else "",
    )


def figure(value: float | None) -> str:
    """Write a number in few digits.

    >>> figure(0.00012345), figure(1234567.0), figure(None)
    ('0.00012', '1,234,567', '')
    """
    if value is None:
        return ""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e12 else f"{value:.2g}"


def duration(seconds: float) -> str:
    """Say how long something takes.

    >>> duration(45), duration(5400), duration(200000)
    ('45 seconds', '1.5 hours', '2.3 days')
    """
    for unit, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= unit:
            return f"{seconds / unit:.2g} {name}"
    return f"{seconds:.2g} seconds"


def _data_url(picture: bytes) -> str:
    return "data:image/webp;base64," + b64encode(picture).decode()


def _marked(text: str) -> Any:
    """Return text as HTML, with what stands between backticks as code."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))
