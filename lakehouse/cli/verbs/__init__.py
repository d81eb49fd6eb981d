"""What `lakehouse` can be asked for: one module a group of verbs, found by listing this folder.

A verb is one function under `@verb`, which says its name and its words; to add one, write it, and
its row in docs/cli.md. It imports what it needs when it is called: `lakehouse --help` is instant.
"""
