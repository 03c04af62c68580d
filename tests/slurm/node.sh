#!/bin/sh
# The first process of a node, in name spaces of its own: when it dies, all of the node dies.
# usage: node.sh NAME COMMAND-THAT-STARTS-SLURMD
set -e
hostname "$1"
shift
mount -t tmpfs tmpfs /dev/shm
"$@"
while sleep 3600; do :; done # the shell reaps orphans meanwhile
