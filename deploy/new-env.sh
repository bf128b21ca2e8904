#!/bin/sh
# Makes the keys and passwords of a new installation, in the form of an .env:
#
#   deploy/new-env.sh > .env && chmod 600 .env
#
# TOCSIN_SECRETS_KEY opens the saved credentials of all users. Keep a copy of it,
# apart from the backups.
set -eu
for key in TOCSIN_SECRETS_KEY TOCSIN_LINK_KEY TOCSIN_API_KEYS; do
	echo "$key=$(openssl rand -base64 32)"
done
echo "TOCSIN_OPS_KEYS=operate:operator:$(openssl rand -base64 32)" # the last part opens the ops console
# A letter first, and then letters and digits: see deploy/nats/permissions.conf.
for user in NATS_PRODUCER NATS_WORKER NATS_WEB NATS_OPERATOR REDIS_WORKER REDIS_WEB REDIS_OPERATOR GRAFANA; do
	echo "TOCSIN_${user}_PASSWORD=p$(openssl rand -hex 24)"
done
