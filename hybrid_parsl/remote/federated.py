"""Single stages on an endpoint of Globus Compute: a Parsl executor over Parsl's own."""

from __future__ import annotations

import tempfile
from concurrent.futures import CancelledError, Future
from functools import partial
from typing import TYPE_CHECKING, Any

from parsl.app.errors import wrap_error
from parsl.executors.base import ParslExecutor
from parsl.utils import RepresentationMixin

from hybrid_parsl import labels
from hybrid_parsl.engine.psij_executor import PsiJExecutor
from hybrid_parsl.engine.site_executor import SiteExecutor
from hybrid_parsl.engine.tasks.resource_request import ResourceRequest
from hybrid_parsl.errors import ConfigurationError
from hybrid_parsl.remote.client import ComputeService, check_id, connected_client
from hybrid_parsl.remote.service_errors import in_our_words, translated
from hybrid_parsl.stage_function import undecorated

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class FederatedExecutor(ParslExecutor, SiteExecutor, RepresentationMixin):  # type: ignore[misc]
    """Sends each task to an endpoint, through Parsl's ``GlobusComputeExecutor``.

    Functions and results travel as pickles, so Python and this package have to be the same on
    both sides. A task of the label MPI is started by ``mpiexec`` on the node of the worker that
    takes it, and cannot have more than this node. The service takes about one submission in
    four seconds, and none of it goes on when this process ends.

    Parameters
    ----------
    label
        The label that apps ask for.
    endpoint
        The id of the endpoint, which has to allow any function.
    template
        Values for the endpoint's template.
    """

    runs_mpi = True

    def __init__(
        self, label: str, endpoint: str, template: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        self.label = label
        self.endpoint = endpoint
        self.template = dict(template or {})
        self._inner: Any = None
        self._refusal: BaseException | None = None

    def check(self, resource_specification: dict[str, Any]) -> None:
        """Find out, without asking the service, whether a task could be submitted.

        Raises
        ------
        ConfigurationError
            If the endpoint's id is invalid, or a search needs more than one node.
        """
        check_id(self.endpoint, "endpoint")
        if self.label == labels.MPI:
            nodes = ResourceRequest.from_parsl(resource_specification).num_nodes
            if nodes > 1:
                message = "a worker of Globus Compute starts ranks on its own node only"
                key, valid = "resources.num_nodes", "1; for more: hybrid-parsl remote run"
                raise ConfigurationError(message, None, key, str(nodes), valid)

    def start(self) -> None:
        """Log in and make Parsl's executor.

        Raises
        ------
        HybridParslError
            If there are no valid credentials, the service cannot be reached, or the endpoint is
            offline.
        """
        client = connected_client()
        ComputeService(client).check_online(check_id(self.endpoint, "endpoint"))
        from globus_compute_sdk import Executor
        from parsl.executors import GlobusComputeExecutor

        with translated():
            inner = Executor(
                check_id(self.endpoint, "endpoint"), client, user_endpoint_config=self.template
            )
        self._inner = GlobusComputeExecutor(inner, self.label)

    def submit(
        self,
        func: Callable[..., Any],
        resource_specification: dict[str, Any],
        *args: Any,
        **kwargs: Any,
    ) -> Future[Any]:
        """Submit `func`; only the ranks of a search mean something to an endpoint.

        Raises
        ------
        HybridParslError
            If the service refuses; after it has refused once, Globus' executor takes no more.
        """
        if self.label == labels.MPI and resource_specification:
            call = (undecorated(func), dict(resource_specification), args, kwargs)
            func, args, kwargs = wrap_error(run_on_ranks), call, {}
        try:
            with translated():
                call_there = self._inner.submit(func, {}, *args, **kwargs)
        except RuntimeError as error:
            raise self._refusal or error from error
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()  # the service cannot cancel a task
        call_there.add_done_callback(partial(self._pass_on, future))
        return future

    def shutdown(self) -> None:
        """Stop waiting for results; a task that runs on the endpoint goes on."""
        if self._inner is not None:
            self._inner.shutdown()
            self._inner = None
        super().shutdown()

    def _pass_on(self, future: Future[Any], call_there: Future[Any]) -> None:
        """Give `future` the outcome of a call, with an error of Globus in our words."""
        try:
            error = call_there.exception()
        except CancelledError as cancelled:  # by Globus' executor, when an earlier call was refused
            error = self._refusal or cancelled
        if error is None:
            future.set_result(call_there.result())
            return
        self._refusal = in_our_words(error, str(getattr(call_there, "task_id", "")))
        future.set_exception(self._refusal)

    def monitor_resources(self) -> bool:
        """Return False: Parsl's monitor follows processes of its own workers only."""
        return False


def run_on_ranks(
    function: Callable[..., Any],
    resource_specification: dict[str, Any],
    arguments: tuple[Any, ...],
    keywords: dict[str, Any],
) -> Any:
    """Call `function` on MPI ranks of this node, in a worker, and return what rank 0 returns.

    Raises
    ------
    HybridParslError
        If a rank failed, or none could be started.
    """
    with tempfile.TemporaryDirectory(prefix="hybrid-parsl-") as folder:
        executor = PsiJExecutor(labels.MPI, folder)
        executor.start()
        try:
            return executor.submit(
                function, resource_specification, *arguments, **keywords
            ).result()
        finally:
            executor.shutdown()
