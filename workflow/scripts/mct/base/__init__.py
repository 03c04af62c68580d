"""What all else stands on: settings, errors, files, threads, blocks of ranks.

Imports no other package.
"""
