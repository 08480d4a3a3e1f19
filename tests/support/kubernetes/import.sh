#!/bin/bash
# import.sh ARCHIVE: give the node of the cluster that runs the image in an archive of Docker or OCI.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/env.sh"
holder=$(pgrep -P "$(awk '/^holder/ {print $2}' "$R/pids")" | head -1)
nsenter -t "$holder" --net --mount -- "$D/usr/bin/ctr" -a "$R/containerd.sock" -n k8s.io images import "$1"
