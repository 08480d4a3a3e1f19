"""``run --dry-run``: what would run, in words or JSON, without running it.

With ``--check``, each scheduler validates what it would get, and its verdict is printed.
"""

from __future__ import annotations

import itertools
import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hybrid_parsl.engine.site_executor import SiteExecutor
    from hybrid_parsl.engine.trace import Trace
    from hybrid_parsl.engine.workflow_calls import Call
    from hybrid_parsl.errors import SubmissionError
    from hybrid_parsl.experiment import Experiment
    from hybrid_parsl.quantum.qpu_time import QpuEstimate
    from hybrid_parsl.run_plan import RunPlan

_MOST_POINTS = 12
_IDENTIFIER = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}|[0-9a-f]{64}|\\x1E\w{8}"
    r"|(?<=-)[0-9a-f]{8}(?:[0-9a-f]{2})?\b|(?<=-inputs-)[0-9a-f]{6}"
)
"""What differs between two jobs that are otherwise equal."""


def describe(
    plan: RunPlan,
    *,
    as_json: bool,
    whole: bool = True,
    check: bool = False,
    scripts: Path | None = None,
) -> tuple[str, SubmissionError | None]:
    """Return the resolved experiment, the dataflow, and how each stage would be started.

    Parameters
    ----------
    plan
        What would run, and where.
    as_json
        Whether to print JSON, always in full.
    whole
        Whether to print more than the verdicts as text.
    check
        Whether to ask the schedulers for their verdicts.
    scripts
        A folder in which to write the documents of each stage, for ``sbatch`` or ``kubectl``.

    Returns
    -------
    text
        The description.
    refusal
        Why a scheduler would not take a job, or does not answer; None if all is well.

    Raises
    ------
    ConfigurationError
        If an executor refuses the resources.
    StorageError
        If the documents cannot be written.
    """
    from hybrid_parsl.engine.plain_executor import as_site_executor
    from hybrid_parsl.engine.site_check import settled_resources

    experiment, site, trace = plan.experiment, plan.site, plan.trace
    asked = experiment.model_dump(mode="json", exclude_none=True)
    executors = {each.label: as_site_executor(each) for each in plan.config.executors}
    stages = [
        _stage(
            call,
            executors[call.label],
            settled_resources(executors[call.label], call.resources) if call.resources else {},
        )
        for call in trace.calls
        if call.label is not None
    ]
    refusals: list[SubmissionError] = []
    for stage in stages if check else []:
        stage["verdict"], refusal = _verdict(executors[stage["label"]], stage, refusals)
        refusals += [refusal] if refusal else []
    document = {
        "site": site.name,
        "file": site.source,
        "workflow": experiment.workflow.name,
        "complete": trace.is_complete,
        "experiment": asked,
        "stages": stages,
    }
    if plan.points:
        points = [{"name": each.name, "values": each.values} for each in plan.points]
        document |= {"points": points, "tasks": plan.n_tasks}
        document |= {"pack": _pack_size(plan)} if as_json else {}
    estimates = _qpu_estimates(experiment, trace) if whole or as_json else {}
    if estimates:
        document["qpu"] = {name: each.to_json() for name, each in estimates.items()}
    if scripts is not None:
        _write(scripts, stages)
    if as_json:
        text = json.dumps(document)
    else:
        parts = (
            [_in_words(plan, stages, estimates)] if whole else [f"site {site.name} ({site.source})"]
        )
        text = "\n\n".join([*parts, *([_verdicts(stages)] if check else [])])
    return text, refusals[0] if refusals else None


def _qpu_estimates(experiment: Experiment, trace: Trace) -> dict[str, QpuEstimate]:
    """Return the QPU time of each job of one quantum task."""
    from hybrid_parsl.stages.qpu_estimate import estimate_qpu

    return estimate_qpu(experiment, trace.functions)


def _qpu_seconds(plan: RunPlan) -> float:
    """Return the QPU time of the quantum tasks of all points, in seconds."""
    estimates = [_qpu_estimates(each.experiment, plan.trace) for each in plan.points]
    return sum(job.seconds for point in estimates for job in point.values())


def _stage(call: Call, executor: SiteExecutor, resources: dict[str, Any]) -> dict[str, Any]:
    """Return what is known of a task before it runs."""
    preview = executor.preview(call.name, resources)
    return {
        "stage": call.name,
        "label": call.label,
        "function": call.function,
        "executor": executor.kind,
        "after": [each.name for each in call.after],
        "resources": resources,
        "launch": preview.headline or None,
        "documents": dict(preview.documents),
    }


def _write(folder: Path, stages: list[dict[str, Any]]) -> None:
    """Write the documents of all stages into `folder`.

    Raises
    ------
    StorageError
        If it is not possible.
    """
    from hybrid_parsl.errors import StorageError

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for stage in stages:
            for file, text in stage["documents"].items():
                (folder / file).write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise StorageError(str(folder), error.strerror or str(error)) from error


def _verdict(
    executor: SiteExecutor, stage: dict[str, Any], refusals: Sequence[SubmissionError]
) -> tuple[str, SubmissionError | None]:
    """Return what the scheduler of a stage says of its script, and the error if it is a no.

    A scheduler that did not answer for an earlier stage, as one of the `refusals` says, is not
    asked again.
    """
    from hybrid_parsl.errors import BackendUnavailableError, SubmissionError

    for refusal in refusals:
        if isinstance(refusal, BackendUnavailableError) and refusal.backend == executor.backend:
            return refusal.reason, refusal
    try:
        return executor.validate(stage["stage"], stage["resources"]), None
    except SubmissionError as error:
        return error.reason, error


def _in_words(
    plan: RunPlan, stages: list[dict[str, Any]], estimates: dict[str, QpuEstimate]
) -> str:
    """Return the same for people."""
    import tomli_w

    experiment, site = plan.experiment, plan.site
    asked = experiment.model_dump(mode="json", exclude_none=True)
    read_from = experiment.problem.read_from
    lines = [f"site {site.name} ({site.source})", "", *_sweep(plan), *_graph(plan.trace)]
    lines += [f"read {read_from}"] if read_from else []
    for stage in stages:
        lines.append(f"\n{stage['stage']}: {stage['executor']}")
        words = ", ".join(f"{key} = {value}" for key, value in stage["resources"].items())
        wanted = asked["resources"]
        others = [key for key, value in stage["resources"].items() if value != wanted.get(key)]
        words += f" (the site decides {', '.join(others)})" if others else ""
        lines += [f"  {words}"] if words else []
        lines += [f"  {line}" for line in (stage["launch"] or "").splitlines()]
    for name, estimate in estimates.items():
        first, *below = estimate.lines()
        where = f"{experiment.quantum.backend}, {name}"
        lines += ["", f"{where}: {first}", *(f"  {line}" for line in below)]
    if estimates and plan.points:
        lines.append(f"all points: {_qpu_seconds(plan):.2f} s of QPU time estimated")
    lines += ["", "experiment:", *_indented(tomli_w.dumps(asked))]
    return "\n".join([*lines, *_documents(stages)])


def _sweep(plan: RunPlan) -> list[str]:
    """Return the points of a study; nothing for a single run."""
    from hybrid_parsl.sweep import in_words

    if not plan.points:
        return []
    n_tasks = "decided at run time" if plan.n_tasks is None else str(plan.n_tasks)
    lines = [f"sweep: {len(plan.points)} points, tasks of all points: {n_tasks}"]
    if (size := _pack_size(plan)) > 1:
        lines.append(f"one MPI job carries out up to {size} searches (resources.pack)")
    shown = plan.points[:_MOST_POINTS]
    lines += [f"  {each.name}: {in_words(each.values)}" for each in shown]
    if len(plan.points) > len(shown):
        last = plan.points[-1]
        lines += ["  ...", f"  {last.name}: {in_words(last.values)}"]
    return [*lines, "", f"at point {plan.points[0].name}:"]


def _pack_size(plan: RunPlan) -> int:
    """Return how many searches of a study one job of its site carries out, 1 for one each."""
    from hybrid_parsl.pack_size import share_jobs

    return min(len(plan.points), share_jobs(plan.config, plan.points))


def _graph(trace: Trace) -> list[str]:
    """Return the graph: a line for a chain, else a line for each task."""
    calls = trace.calls
    ends = {
        "": "nothing is called before the workflow waits",
        "more": "further tasks: decided at run time",
    }
    if not calls:
        return [f"dataflow: {ends['']}"]
    is_chain = all(before in call.after for before, call in itertools.pairwise(calls))
    if is_chain and not calls[0].after:
        names = " -> ".join(call.name for call in calls)
        return [f"dataflow: {names}" + ("" if trace.is_complete else " -> (decided at run time)")]
    lines = ["dataflow:"]
    for call in calls:
        after = ", ".join(each.name for each in call.after)
        kind = "" if call.label else " (calls further tasks, decided at run time)"
        lines.append(f"  {call.name}{f' <- {after}' if after else ''}{kind}")
    return lines if trace.is_complete else [*lines, f"  {ends['more']}"]


def _documents(stages: list[dict[str, Any]]) -> list[str]:
    """Return the lines of all documents, each as it is; one that differs in names only, once."""
    lines: list[str] = []
    shown: dict[str, str] = {}
    for stage in stages:
        for file, text in stage["documents"].items():
            common = _IDENTIFIER.sub("ID", text).replace(stage["stage"], "STAGE")
            common = common.replace(f"parsl.{stage['label']}.", "parsl.STAGE.")
            first = shown.setdefault(common, file)
            is_new = first == file
            head = file if is_new else f"{file}: as {first}, with the names of {stage['stage']}"
            lines += ["", f"# ----- {head} -----", *([text.rstrip()] if is_new else [])]
    return lines


def _verdicts(stages: list[dict[str, Any]]) -> str:
    """Return what the schedulers say, a line a stage at the end, where it is seen."""
    width = max((len(stage["stage"]) for stage in stages), default=0)
    below = "\n" + " " * (width + 4)
    said = [(stage["stage"], stage["verdict"].replace("\n", below)) for stage in stages]
    return "\n".join(["verdicts:", *(f"  {name:{width}}  {verdict}" for name, verdict in said)])


def _indented(text: str) -> list[str]:
    """Return the lines of `text`, moved to the right."""
    return [f"  {line}" if line else "" for line in text.rstrip().splitlines()]
