#!/bin/bash
# Runs its arguments. As the launcher of an MPIJob (Kubeflow MPI Operator, v2beta1) it first tells
# today's MPIs what the operator tells yesterday's, and waits until all hosts can be found.
hostfile=${MPI_HOSTFILE:-/etc/mpi/hostfile}

wait_for_host() {
    for _ in $(seq 1 "${MPI_RESOLVE_TRIES:-120}"); do
        getent hosts "$1" >/dev/null && return 0
        sleep 0.5
    done
    echo "entrypoint: the host $1 cannot be found" >&2
    return 1
}

if [ "${K_MPI_JOB_ROLE:-}" = launcher ] && [ -r "$hostfile" ]; then
    # Open MPI 5 reads none of the variables of Open MPI 4: without these it would run every rank
    # on the launcher and end with 0 (kubeflow/mpi-operator issue 842)
    if [ -n "${OMPI_MCA_orte_default_hostfile:-}" ]; then
        export PRTE_MCA_prte_default_hostfile=${PRTE_MCA_prte_default_hostfile:-$OMPI_MCA_orte_default_hostfile}
        export PRTE_MCA_prte_keep_fqdn_hostnames=${PRTE_MCA_prte_keep_fqdn_hostnames:-true}
        export PRTE_MCA_plm_ssh_args=${PRTE_MCA_plm_ssh_args:-${OMPI_MCA_plm_rsh_args:-}}
    fi
    # MPICH 5 has another name for it
    if [ -n "${HYDRA_LAUNCH_EXTRA_ARGS:-}" ]; then
        export HYDRA_LAUNCHER_EXTRA_ARGS=${HYDRA_LAUNCHER_EXTRA_ARGS:-$HYDRA_LAUNCH_EXTRA_ARGS}
    fi
    # workers connect back to the launcher: to its address, for they may not yet know its name
    others=()
    for each in "${MPI_INTERFACES:-/sys/class/net}"/*; do
        [ "${each##*/}" = lo ] || others+=("${each##*/}")
    done
    if [ "${#others[@]}" = 1 ]; then
        export HYDRA_IFACE=${HYDRA_IFACE:-${others[0]}}
        export I_MPI_HYDRA_IFACE=${I_MPI_HYDRA_IFACE:-${others[0]}}
    fi
    # a line is "host:slots" or "host slots=N"
    wait_for_host "$(hostname)" || exit 1
    while IFS=': ' read -r host _ || [ -n "$host" ]; do
        [ -z "$host" ] || wait_for_host "$host" || exit 1
    done <"$hostfile"
fi
exec "$@"
