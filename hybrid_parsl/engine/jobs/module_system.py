"""Loads environment modules in job scripts, also where the shell does not know ``module``.

``module`` is a function of login shells. By day a job inherits it from the driver's shell; a driver
that cron has started has none to pass on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_INIT_FILES = (
    "/etc/profile.d/modules.sh",
    "/etc/profile.d/lmod.sh",
    "/etc/profile.d/z00_lmod.sh",
    "$MODULESHOME/init/bash",
    "$LMOD_PKG/init/bash",
    "/usr/share/modules/init/bash",
    "/usr/share/Modules/init/bash",
    "/usr/share/lmod/lmod/init/bash",
    "/opt/cray/pe/lmod/lmod/init/bash",
)
_DEFINE = """\
if ! type module >/dev/null 2>&1; then
    for hybrid_parsl_init in {files}; do
        if [ -r "$hybrid_parsl_init" ]; then . "$hybrid_parsl_init" || true; fi
        if type module >/dev/null 2>&1; then break; fi
    done
    unset hybrid_parsl_init
fi
if ! type module >/dev/null 2>&1; then
    echo "hybrid-parsl: no module command, and none of its files is there: {files_in_words}" >&2
    exit 1
fi
"""


def load_modules(modules: Sequence[str]) -> str:
    """Return the lines of a script for bash that load modules; nothing if there are none.

    The script ends with exit code 1 where there is no module system, or a module does not load.

    Parameters
    ----------
    modules
        What ``module load`` is to get, as a shell reads it.
    """
    if not modules:
        return ""
    files = " ".join(f'"{name}"' for name in _INIT_FILES)
    define = _DEFINE.format(files=files, files_in_words=", ".join(_INIT_FILES))
    failed = '|| { echo "hybrid-parsl: a module does not load" >&2; exit 1; }'
    return define + "\n".join(f"module load {module} {failed}" for module in modules)
