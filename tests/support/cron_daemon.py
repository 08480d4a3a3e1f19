"""Debian's cron, really running, that sees no crontab but those of the test.

It runs in a mount namespace of its own, where the folders of crontabs are empty ones, and
``/usr/sbin`` holds cron and a ``sendmail`` that keeps each mail as a file.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
PACKAGES = "cron faketime (and run the tests as root, in a container that may unshare its mounts)"
_CRON = Path("/usr/sbin/cron")
_SENDMAIL = """#!/bin/sh
cat > "$(mktemp -p {mails})"
"""
_START = """
set -e
mount --bind "$1/spool" /var/spool/cron/crontabs
mount --bind "$1/cron.d" /etc/cron.d
mount --bind "$1/crontab" /etc/crontab
mount -t tmpfs none /run
mount --bind "$1/sbin" /usr/sbin
touch "$1/ready"
exec env -i {variables} /usr/sbin/cron -f
"""


def cron_can_run() -> bool:
    """Return whether all of it is installed, and this process may give cron its own mounts."""
    if os.geteuid() != 0 or not (_CRON.exists() and FAKETIME and shutil.which("unshare")):
        return False
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/run"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@dataclass
class CronDaemon:
    """A running cron.

    Attributes
    ----------
    folder
        Where its crontabs and mails are.
    process
        The daemon.
    """

    folder: Path
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, folder: Path, *variables: str) -> CronDaemon:
        """Start it, with these ``NAME=VALUE`` variables only; the crontabs in `folder` stay."""
        for name in ("spool", "cron.d", "sbin", "mails"):
            (folder / name).mkdir(exist_ok=True)
        (folder / "ready").unlink(missing_ok=True)
        (folder / "crontab").touch()
        shutil.chown(folder / "spool", "root", "crontab")
        (folder / "spool").chmod(0o1730)
        shutil.copy(_CRON, folder / "sbin")
        sendmail = folder / "sbin" / "sendmail"
        sendmail.write_text(_SENDMAIL.format(mails=folder / "mails"))
        sendmail.chmod(0o755)
        script = _START.format(variables=" ".join(variables))
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
        process = subprocess.Popen(
            [*command, "sh", str(folder)], stdin=subprocess.DEVNULL, start_new_session=True
        )
        while not (folder / "ready").exists():  # before, the crontabs are those of the machine
            if process.poll() is not None:
                message = f"cron did not start: exit code {process.returncode}"
                raise RuntimeError(message)
            time.sleep(0.05)
        return cls(folder, process)

    def __call__(
        self, *command: str, text: str | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command where the daemon's crontabs are the ones that are seen."""
        return subprocess.run(
            ["nsenter", f"--mount=/proc/{self.process.pid}/ns/mnt", "--wd=.", *command],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **variables},
        )

    def mails(self) -> list[str]:
        """Return what cron has sent."""
        return [path.read_text() for path in sorted((self.folder / "mails").iterdir())]

    def stop(self) -> None:
        """End the daemon; what it has started goes on."""
        self.process.terminate()
        self.process.wait()
