#!/bin/bash
# A stand-in for Kafka's command of this name, whose jar is not among the broker's. It sends the same request,
# ApiVersions, to `--bootstrap-server HOST:PORT`: version 0, correlation id 1, no client id. A ready broker answers.
set -eu
[ "$1" = --bootstrap-server ]
exec 3<>"/dev/tcp/${2%:*}/${2##*:}"
printf '\0\0\0\012\0\022\0\0\0\0\0\1\377\377' >&3
[ "$(head -c 10 <&3 | od -An -tx1 -j4 | tr -d ' \n')" = 000000010000 ] # correlation id 1, no error
