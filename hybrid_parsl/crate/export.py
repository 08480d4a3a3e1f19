"""A run that has ended as one file that others can read and repeat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybrid_parsl.crate.archive import write_zip
from hybrid_parsl.crate.contents import document_names, is_needed, secrets_of
from hybrid_parsl.crate.metadata import NO_LICENSE, write_crate
from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.messages import printable
from hybrid_parsl.ownership import read_own
from hybrid_parsl.records.run_difference import flat
from hybrid_parsl.records.run_lock import driver_of, state_of
from hybrid_parsl.secret_names import masked

if TYPE_CHECKING:
    from pathlib import Path

    from hybrid_parsl.records.run_directory import RunDirectory

_ENDED = ("completed", "failed", "interrupted")


def export_run(
    directory: RunDirectory,
    path: Path,
    *,
    license: str | None = None,  # noqa: A002 - as the key is called
    author: str | None = None,
    force: bool = False,
) -> Path:
    """Write the crate of a run into a zip, its metadata anew; return the path of the zip.

    Parameters
    ----------
    directory
        The run.
    path
        The zip.
    license
        The license of the results: a URL or a text.
    author
        The name of who made the run.
    force
        Whether to replace a file that exists.

    Raises
    ------
    ConfigurationError
        If the run has not ended, is on an endpoint, holds a secret in its experiment, results or
        code, or the file exists.
    StorageError
        If the zip cannot be written.
    """
    document = ended_document(directory)
    experiment = document.get("experiment") or {}
    message, run = "holds what sounds like a secret", f"run {directory.path.name}"
    for key, value in flat(experiment).items():
        if masked(value, key) != value:
            valid = "an experiment without secrets: keep them in the environment"
            raise ConfigurationError(message, run, key, None, valid)
    for name in filter(is_needed, document_names(directory.path)):
        for each in secrets_of(name, read_own(directory.path / name)):
            valid = "a file without secrets: a crate cannot be without it"
            place = f"{name}, line {each.line}"
            raise ConfigurationError(message, run, place, printable(each.name), valid)
    if path.exists() and not force:
        valid = "another file, or --force"
        raise ConfigurationError("exists already", "--output", None, str(path), valid)
    write_crate(directory, document, license or NO_LICENSE, author)
    write_zip(directory.path, path)
    return path


def ended_document(directory: RunDirectory) -> dict[str, Any]:
    """Return the results of a run that has ended.

    Raises
    ------
    ConfigurationError
        If it has not ended, or is on an endpoint.
    """
    directory.check_here()
    document = directory.read_results()
    state = state_of(document["run"]["status"], driver_of(directory.lock))
    if state not in _ENDED:
        valid = "a run that has ended; see hybrid-parsl resume and cancel"
        message = "has not ended"
        raise ConfigurationError(message, f"run {directory.path.name}", None, state, valid)
    return document
