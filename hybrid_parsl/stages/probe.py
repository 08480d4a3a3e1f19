"""What ``hybrid-parsl doctor`` runs where the stages would run."""

from __future__ import annotations

from hybrid_parsl.mpi.library import library_version
from hybrid_parsl.mpi.team import current_team
from hybrid_parsl.records.node_report import NodeReport, node_name, read_token
from hybrid_parsl.records.versions import software_versions
from hybrid_parsl.simulate.free_memory import available_bytes


def probe_ranks(token: str) -> list[NodeReport] | None:
    """Report from every rank, and compile the kernels once on each node; collective.

    Parameters
    ----------
    token
        A file of the driver.

    Returns
    -------
    list of NodeReport
        By rank, on rank 0; None on the others.
    """
    from hybrid_parsl.simulate.kernel_cache import cache_folder
    from hybrid_parsl.simulate.precompile import compile_kernels

    team = current_team()
    team.once_per_node(compile_kernels)
    kernels = cache_folder()
    report = NodeReport(
        node_name(),
        software_versions(),
        read_token(token),
        available_bytes(),
        library_version(),
        str(kernels) if kernels else None,
    )
    return team.gather(report)


def probe_process(token: str) -> list[NodeReport]:
    """Report from this process.

    Parameters
    ----------
    token
        A file of the driver.
    """
    found = read_token(token)
    return [NodeReport(node_name(), software_versions(), found, available_bytes())]
