"""``hybrid-parsl show``: the results of a run, again."""

from __future__ import annotations

import json

from hybrid_parsl.cli.context import DEFAULT_RUNS_DIRECTORY
from hybrid_parsl.cli.options import AsJson, RunName, RunsDirectory
from hybrid_parsl.cli.output import say
from hybrid_parsl.cli.runs import find_run


def show(
    name: RunName = "latest",
    runs_dir: RunsDirectory = DEFAULT_RUNS_DIRECTORY,
    as_json: AsJson = False,
) -> None:
    """Show what a run found."""
    from hybrid_parsl.cli.summary import print_summary
    from hybrid_parsl.records.run_lock import driver_of, state_of

    directory = find_run(runs_dir, name)
    document = directory.read_results()
    run = document["run"]
    if not directory.is_remote:
        run["folder"] = str(directory.path)  # it may have been moved since
    run["status"] = state_of(run["status"], driver_of(directory.lock))
    if as_json:
        say(json.dumps(document))
    else:
        print_summary(document)
