"""``hybrid-parsl cache``: the results that later runs reuse."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from hybrid_parsl.cli.context import DEFAULT_RUNS_DIRECTORY
from hybrid_parsl.cli.options import DryRun, OlderThan, RunsDirectory, read_age
from hybrid_parsl.cli.output import say, say_aside

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hybrid_parsl.reuse.store import Entry, ResultStore

app = typer.Typer(
    name="cache",
    help="The results of earlier runs that later ones reuse.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_MIB = 1024**2
_KEY_LETTERS = 12
_NOT_DONE = 4
"""The exit code where something is damaged, or cannot be removed."""


@app.command("ls")
def list_entries(runs_dir: RunsDirectory = DEFAULT_RUNS_DIRECTORY) -> None:
    """List what is stored, what was used last at the end."""
    from hybrid_parsl.cli.listings import print_rows

    store = _store(runs_dir)
    entries = store.entries()
    rows = []
    for entry in entries:
        found = store.find(entry.key)
        rows.append(
            {
                "key": entry.key[:_KEY_LETTERS],
                "computed by": "damaged" if found is None else found.run,
                "result": "" if found is None else type(found.result).__name__,
                "KiB": f"{entry.size / 1024:.1f}",
                "last used": time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.used)),
            }
        )
    if rows:
        print_rows(rows, as_json=False)
    say(_total(entries))


@app.command()
def prune(
    runs_dir: RunsDirectory = DEFAULT_RUNS_DIRECTORY,
    older_than: OlderThan = None,
    max_size: Annotated[
        float | None,
        typer.Option(help="Keep no more than so many MiB, those used last.", metavar="MIB", min=0),
    ] = None,
    dry_run: DryRun = False,
) -> None:
    """Remove results that were last used long ago, or the least recently used beyond a size.

    Exit code 4 if one cannot be removed.
    """
    from hybrid_parsl.errors import ConfigurationError
    from hybrid_parsl.reuse.store import beyond

    if older_than is None and max_size is None:
        valid = "--older-than 30d, --max-size 100, or both"
        raise ConfigurationError("say which results", "cache prune", None, "no choice", valid)
    store = _store(runs_dir)
    entries = store.entries()
    kept = entries
    if older_than is not None:
        limit = time.time() - read_age(older_than).total_seconds()
        kept = [each for each in kept if each.used > limit]
    if max_size is not None:
        kept = kept[len(beyond(kept, max_size * _MIB)) :]
    kept_keys = {each.key for each in kept}
    chosen = [each for each in entries if each.key not in kept_keys]
    left = [] if dry_run else _remove(store, chosen)
    gone = [each for each in chosen if each not in left]
    verb = "would remove" if dry_run else "removed"
    say(f"{verb} {_total(gone)}; {_total([*kept, *left])} stay")
    if left:
        raise typer.Exit(_NOT_DONE)


@app.command()
def verify(
    runs_dir: RunsDirectory = DEFAULT_RUNS_DIRECTORY,
    remove: Annotated[bool, typer.Option("--remove", help="Remove what is damaged.")] = False,
) -> None:
    """Compare what is stored with its checksums; exit code 4 if something damaged stays."""
    store = _store(runs_dir)
    entries = store.entries()
    damaged = [entry for entry in entries if store.find(entry.key) is None]
    left = _remove(store, damaged) if remove else damaged
    for entry in damaged:
        say(f"{'damaged' if entry in left else 'removed'}: {entry.path}")
    advice = "; --remove removes what is damaged" if damaged and not remove else ""
    say(f"{_total(entries)}, {len(damaged)} damaged{advice}")
    if left:
        raise typer.Exit(_NOT_DONE)


def _remove(store: ResultStore, entries: Sequence[Entry]) -> list[Entry]:
    """Remove entries; say which of them cannot be removed and why, and return them."""
    from hybrid_parsl.errors import StorageError

    left = []
    for entry in entries:
        try:
            store.remove(entry)
        except StorageError as error:
            say_aside(f"not removed: {entry.path}: {error.reason}")
            left.append(entry)
    return left


def _store(runs_dir: Path) -> ResultStore:
    """Return the store in a folder of runs."""
    from hybrid_parsl.reuse.store import FOLDER, ResultStore

    return ResultStore(runs_dir / FOLDER)


def _total(entries: Sequence[Entry]) -> str:
    """Return how many entries there are, and their size."""
    words = f"{len(entries)} result{'' if len(entries) == 1 else 's'}"
    return f"{words}, {sum(each.size for each in entries) / _MIB:.1f} MiB"
