"""The command line: a skin over workflows. Nothing heavy is imported before a command needs it."""
