"""``run --dry-run``: what would run, in words or JSON, without running it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hybrid_parsl.engine.sites import Site
    from hybrid_parsl.experiment import Experiment

_FOLDER = Path("RUN")


def describe(experiment: Experiment, site: Site, *, as_json: bool) -> str:
    """Return the resolved experiment, the dataflow, and how each stage would be started.

    Raises
    ------
    ConfigurationError
        The site's configuration cannot be made, or lacks an executor.
    """
    from hybrid_parsl.engine.session import check_config
    from hybrid_parsl.engine.sites import SiteRun

    config = site.config(SiteRun(_FOLDER.absolute()))
    check_config(config, site.source)
    asked = experiment.model_dump(mode="json", exclude_none=True)
    executors = {executor.label: executor for executor in config.executors}
    stages = [
        _stage("search", executors["mpi"], experiment.resources.model_dump(), []),
        _stage("quantum", executors["quantum"], {}, ["search"]),
        _stage("analysis", executors["analysis"], {}, ["search", "quantum"]),
    ]
    if as_json:
        document = {"site": site.name, "file": site.source, "experiment": asked, "stages": stages}
        return json.dumps(document)
    return _in_words(asked, site, stages)


def _stage(name: str, executor: Any, resources: dict[str, Any], after: list[str]) -> dict[str, Any]:
    """Return what is known of a stage before it runs."""
    launch = executor.preview(name, resources) if hasattr(executor, "preview") else None
    return {
        "stage": name,
        "executor": type(executor).__name__,
        "after": after,
        "resources": resources,
        "launch": launch,
    }


def _in_words(asked: dict[str, Any], site: Site, stages: list[dict[str, Any]]) -> str:
    """Return the same for people."""
    import tomli_w

    lines = [f"site {site.name} ({site.source})", "", "dataflow: search -> quantum -> analysis"]
    for stage in stages:
        lines.append(f"\n{stage['stage']}: {stage['executor']}")
        words = ", ".join(f"{key} = {value}" for key, value in stage["resources"].items())
        lines += [f"  {words}"] if words else []
        lines += [f"  {line}" for line in (stage["launch"] or "").splitlines()]
    return "\n".join([*lines, "", "experiment:", *_indented(tomli_w.dumps(asked))])


def _indented(text: str) -> list[str]:
    """Return the lines of `text`, moved to the right."""
    return [f"  {line}" if line else "" for line in text.rstrip().splitlines()]
