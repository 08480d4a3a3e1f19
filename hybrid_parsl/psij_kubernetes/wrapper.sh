# shellcheck shell=sh disable=SC2329
# Run a job in its container and report its progress on standard output (POSIX shell).
# Arguments: mark, number of copies, pre-launch script, post-launch script, emitter script, host
# file; then the command.
#
# A record consists of the mark, a letter, and the rest of the line. Text between records is output
# of the command. S: command started. E, e: a line of its standard error, with and without a line
# feed. T: command ended. F: a file (see emitter.sh). N: end of the files of a host. !: a file or
# host failed. X: exit code and number of hosts that were asked for files; always the last line.
# Processes emit live lines in another format, described in log_protocol.py; they find the digits
# of the mark in PSIJ_LOG_MARK.
mark=$1 copies=$2 pre=$3 post=$4 emitter=$5 hosts=$6
shift 6
exec 3>&1 2>&1
export PSIJ_LOG_MARK="${mark#?}"

fail() {
    printf '\n%sX%d 0\n' "$mark" "$1"
    exit "$1"
}

tag() {
    trap '' TERM
    LC_ALL=C
    while IFS= read -r line; do printf '%sE%s\n' "$mark" "$line"; done
    [ -z "$line" ] || printf '%se%s\n' "$mark" "$line"
}

launch() {
    [ "$copies" -gt 1 ] || { "$@"; return; }
    children='' index=0 result=0
    while [ "$index" -lt "$copies" ]; do
        index=$((index + 1))
        _PSI_J_PROCESS_INDEX_=$index "$@" &
        children="$children $!"
    done
    for child in $children; do wait "$child" || result=$?; done
    return "$result"
}

# each of these shells survives a SIGTERM, which its command receives too; commands do not inherit
# traps
main() {
    trap : TERM
    code=$(
        trap : TERM
        { stage "$@" 2>&1 >&3 | tag >&3 4>&-; } 4>&1
    )
    return "$code"
}

stage() {
    trap : TERM
    launch "$@" 3>&- 4>&-
    echo $? >&4
}

# wait until DNS resolves the name of a host
find_host() {
    command -v getent >/dev/null || return 0
    tries=0
    until getent hosts "$1" >/dev/null || [ "$tries" -ge 120 ]; do
        tries=$((tries + 1))
        sleep 0.5
    done
}

if [ -n "$pre" ]; then
    set -e
    trap 'fail $?' EXIT
    eval "$pre"
    trap - EXIT
    set +e
fi
printf '%sS\n' "$mark"
main "$@" &
child=$!
trap 'trap : TERM; kill -TERM 0' TERM
while :; do
    wait "$child"
    code=$?
    kill -0 "$child" 2>/dev/null || break
done
# an interrupted wait returns no exit code, and the command may have ended since
wait "$child" 2>/dev/null
last=$?
[ "$last" -eq 127 ] || code=$last
printf '\n%sT\n' "$mark"
if [ -n "$post" ]; then
    set -e
    trap 'fail $?' EXIT
    eval "$post"
    trap - EXIT
    set +e
fi
asked=0
if [ -n "$emitter" ]; then
    asked=1
    sh -c "$emitter"
    if [ -r "$hosts" ]; then
        while IFS=': ' read -r host _; do
            [ -n "$host" ] || continue
            # the host file contains the launcher if it is a worker too
            [ "${host%%.*}" != "$(uname -n)" ] || continue
            asked=$((asked + 1))
            find_host "$host"
            printf '%s\n' "$emitter" | ssh -o BatchMode=yes -o ConnectTimeout=10 "$host" sh ||
                printf '\n%s!%s cannot be asked for its files\n' "$mark" "$host"
        done <"$hosts"
    fi
fi
printf '\n%sX%d %d\n' "$mark" "$code" "$asked"
exit "$code"
