from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from hybrid_parsl.cli import notebook_display
from hybrid_parsl.cli.notebook_display import NotebookDisplay, is_notebook

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_only_a_shell_with_a_kernel_is_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert not is_notebook()
    for shell, expected in ((None, False), (object(), False), (SimpleNamespace(kernel=1), True)):
        module = SimpleNamespace(get_ipython=lambda shell=shell: shell)
        monkeypatch.setitem(sys.modules, "IPython", module)
        assert is_notebook() is expected


def test_text_of_a_run_is_escaped(tmp_path: Path) -> None:
    run: Any = SimpleNamespace(
        directory=SimpleNamespace(path=tmp_path / "<b>run"), site=SimpleNamespace(name="local")
    )
    display = NotebookDisplay(run)
    display.stage_added("a<script>", {})
    display.stage_started("a<script>")
    display.stage_failed("a<script>", "<img src=x>")
    shown = display._shown_now()
    assert "a<script>  " in shown["text/plain"]
    assert "&lt;script&gt;" in shown["text/html"]
    assert "<img" not in shown["text/html"]
    assert "<b>" not in shown["text/html"]
    assert notebook_display._PAGE.split("{")[0] in shown["text/html"]
