#!/bin/bash
# In place of Kafka's command of this name, whose jar is not among the broker's: the same question, ApiVersions, put to
# `--bootstrap-server HOST:PORT` by hand. Version 0, correlation id 1, no client id; a broker that is ready answers.
set -eu
[ "$1" = --bootstrap-server ]
exec 3<>"/dev/tcp/${2%:*}/${2##*:}"
printf '\0\0\0\012\0\022\0\0\0\0\0\1\377\377' >&3
[ "$(head -c 10 <&3 | od -An -tx1 -j4 | tr -d ' \n')" = 000000010000 ] # correlation id 1, no error
