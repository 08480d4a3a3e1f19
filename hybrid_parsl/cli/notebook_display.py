"""What a notebook shows while a run is under way: a table that is redrawn in its place."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any, Self

from hybrid_parsl.cli.display import TableDisplay

if TYPE_CHECKING:
    from hybrid_parsl.cli.display import ShownRun

_COLUMNS = 100
_PAGE = (
    "<pre style='white-space:pre;overflow-x:auto;line-height:1.3;"
    "font-family:Menlo,Consolas,'DejaVu Sans Mono',monospace'>{code}</pre>"
)


def is_notebook() -> bool:
    """Return whether this process is the kernel of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return hasattr(shell, "kernel")


class NotebookDisplay(TableDisplay):
    """Redraws the table in the output of a cell.

    Parameters
    ----------
    run
        What is shown.
    """

    interval_s = 0.5

    def __init__(self, run: ShownRun) -> None:
        super().__init__(run)
        self._handle: Any = None

    def __enter__(self) -> Self:
        from IPython.display import display

        self._handle = display(self._shown_now(), raw=True, display_id=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.tick()

    def tick(self) -> None:
        """Redraw the table."""
        self._handle.update(self._shown_now(), raw=True)

    def _shown_now(self) -> dict[str, str]:
        """Return the table as it stands now, by MIME type."""
        from rich.console import Console

        console = Console(file=io.StringIO(), record=True, width=_COLUMNS, force_jupyter=False)
        console.print(self._table())
        text = console.export_text(clear=False)
        page = console.export_html(inline_styles=True, code_format=_PAGE)
        return {"text/plain": text, "text/html": page}
