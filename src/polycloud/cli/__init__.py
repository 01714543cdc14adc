"""The command `polycloud` (extra `cli`)."""
