"""What all else stands on: settings, methods, errors, files, threads, blocks of ranks.

Imports no other package.
"""
