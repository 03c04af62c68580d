"""The command-line program: looks at data, writes configurations, shows plans and results.

May import `base`, `labels`, `data`, `stage`, `learning`, `results`, `experiment` and `cluster`.
A subcommand is a module of its name with add_arguments and run, imported when it is called; so is
`mct suspects apply`, the module suspects_apply.
"""
