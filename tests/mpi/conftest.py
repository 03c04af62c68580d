"""The tests in `world/` run inside MPI jobs, which test_worlds.py starts."""

collect_ignore = ["world"]
