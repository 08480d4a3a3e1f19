# shellcheck shell=sh disable=SC2154
# Print the files that match $patterns as records with length, SHA-256 and base64 content. The
# caller prepends assignments of `mark`, `folder` and `patterns`.
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
