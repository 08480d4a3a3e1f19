"""Pack a folder as a docker-archive of one layer, which ``ctr images import`` reads.

python mkimage.py FOLDER NAME:TAG OUT.tar [COMMAND...]
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
import tarfile
from pathlib import Path

_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LEFT_OUT = ("./proc/", "./sys/", "./dev/", "./var/cache/apt/archives/", "./var/lib/apt/lists/")


def keep(entry):
    """Leave out what only a running system has; the same folder gives the same layer."""
    entry.mtime = 0
    return None if entry.name.startswith(_LEFT_OUT) else entry


def add(archive, name, data):
    """Put a file into an archive."""
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))


def main():
    """Pack what the command line names."""
    folder, reference, out, *command = sys.argv[1:]
    layer = Path(f"{out}.layer")
    with tarfile.open(layer, "w", format=tarfile.PAX_FORMAT) as archive:
        archive.add(folder, arcname=".", filter=keep)
    with layer.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {"Cmd": command or ["/bin/bash"], "Env": [_PATH]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    text = json.dumps(config).encode()
    name = f"{hashlib.sha256(text).hexdigest()}.json"
    layers = [f"{digest}/layer.tar"]
    manifest = [{"Config": name, "RepoTags": [reference], "Layers": layers}]
    with tarfile.open(out, "w") as archive:
        add(archive, name, text)
        add(archive, "manifest.json", json.dumps(manifest).encode())
        archive.add(layer, arcname=layers[0])
    layer.unlink()


if __name__ == "__main__":
    main()
