#!/bin/sh
# Copy the archive from curlew to the disc at Netherby primary school.
# Runs at 10:30 each morning. Unchanged files are hard links to the day before, so a day costs only what is new.
set -eu

SOURCE=/archive/
HOST=backup@school.example.org
TARGET=/backup/daily
KEEP_DAYS=30
MAX_PERCENT_FULL=92 # in July 2024 the disc ran full and nobody noticed for nine days

today=$(date +%Y-%m-%d)

percent_full() {
    ssh "$HOST" "df --output=pcent /backup | tail -n 1 | tr -dc 0-9"
}

if [ "$(percent_full)" -ge "$MAX_PERCENT_FULL" ]; then
    echo "backup disc is nearly full; remove old meteor recordings and run this again" >&2
    exit 1
fi

# Copy under a temporary name first: a copy that was cut off must never look like a whole one.
rsync --archive --delete --bwlimit=3000 \
    --exclude 'tmp/' --exclude 'index/' \
    --link-dest="$TARGET/latest/" \
    "$SOURCE" "$HOST:$TARGET/$today.partial/"

ssh "$HOST" "mv $TARGET/$today.partial $TARGET/$today && ln -sfn $TARGET/$today $TARGET/latest"

# On the first of a month keep a copy for a year.
if [ "$(date +%d)" = 01 ]; then
    ssh "$HOST" "cp -al $TARGET/$today /backup/monthly/$today"
fi

ssh "$HOST" "find $TARGET -maxdepth 1 -type d -name '20*' -mtime +$KEEP_DAYS -exec rm -rf {} +"
echo "$today: done"
