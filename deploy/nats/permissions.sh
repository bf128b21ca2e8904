#!/bin/sh
# Prints permissions.conf for a fleet with TOCSIN_PARTITIONS=$1: who may do something
# to the stream TOCSIN_DELIVERIES may do it to each of the others that share its work.
exec awk -v partitions="$1" '
	{ print }
	/TOCSIN_DELIVERIES/ {
		for (i = 1; i < partitions; i++) {
			line = $0
			gsub(/TOCSIN_DELIVERIES/, "&_" i, line)
			print line
		}
	}' "$(dirname "$0")/permissions.conf"
