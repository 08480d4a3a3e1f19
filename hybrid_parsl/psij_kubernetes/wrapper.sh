# shellcheck shell=sh disable=SC2329
# Runs a job in its container and tells, on standard output, how it went. Plain POSIX.
# $1 mark, $2 number of copies, $3 pre-launch, $4 post-launch, $5 emitter, $6 host file;
# then the command.
#
# A record is the mark, a letter, and the rest of a line. What stands between records is what
# the command printed. S: the command begins. E, e: a line of its standard error, with and
# without its end. T: the command has ended. N: a host has told all its files. !: it cannot.
# X: the exit code, and how many hosts were asked; always the last line. Processes of the job tell
# lines of files by records of another kind; told_lines.py says what they are made of. They find
# the digits of the mark in PSIJ_LOG_MARK.
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

# each of these shells outlives a SIGTERM, which its command gets as well; a command does not
# inherit a trap
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

# a name may be unknown for a moment: the files of that host are worth the wait
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
# a wait that a signal has cut short told no exit code, and the command may have ended since
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
            # a launcher that is a worker too stands among the hosts
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
