# shellcheck shell=sh disable=SC2154
# Prints the files that match $patterns, as records with length and SHA-256, each with its
# content in base64; `mark`, `folder` and `patterns` are set in front of this.
cd "$folder" 2>/dev/null || exit 0
count=0
IFS='
'
for file in $patterns; do
    [ -f "$file" ] || continue
    if size=$(wc -c <"$file") && sum=$(sha256sum <"$file") && text=$(base64 <"$file"); then
        printf '\n%sF%d %s %s\n%s\n' "$mark" "$size" "${sum%% *}" "$file" "$text"
        count=$((count + 1))
    else
        printf '\n%s!%s cannot be sent\n' "$mark" "$file"
    fi
done
printf '\n%sN%d\n' "$mark" "$count"
