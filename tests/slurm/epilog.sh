#!/bin/sh
# Remove MPICH's shared memory that no process holds. Its name comes from the job and step id, and a
# requeued job that finds the segment of its own killed attempt dies with "Out of memory".
for segment in /dev/shm/mpich_*; do
    [ ! -e "$segment" ] || fuser -s "$segment" || rm -f "$segment"
done
exit 0 # anything else would drain the node
