#!/bin/sh
# Starts redis-server with the users of users.acl beside this file. Their
# passwords are the variables that stand there in their place, of letters and
# digits alone. Arguments go to redis-server.
set -eu
umask 077
acl=$(mktemp)
sed -e '/^#/d' \
	-e "s/TOCSIN_REDIS_WORKER_PASSWORD/${TOCSIN_REDIS_WORKER_PASSWORD:?}/" \
	-e "s/TOCSIN_REDIS_WEB_PASSWORD/${TOCSIN_REDIS_WEB_PASSWORD:?}/" \
	-e "s/TOCSIN_REDIS_OPERATOR_PASSWORD/${TOCSIN_REDIS_OPERATOR_PASSWORD:?}/" \
	"$(dirname "$0")/users.acl" |
	awk '/^user / { if (line) print line; line = "" } { sub(/^ +/, ""); line = line (line && $0 ? " " : "") $0 } END { print line }' >"$acl"
exec redis-server --aclfile "$acl" "$@"
