"""Settings, errors, files, threads, blocks of ranks. Imports no other package."""
