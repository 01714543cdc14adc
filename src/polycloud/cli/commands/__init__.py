"""The commands of `polycloud`, one module a command, each with its `app`."""
