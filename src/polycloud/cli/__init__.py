"""The command `polycloud` (extra `cli`): one file a command."""
