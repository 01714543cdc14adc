"""Run programs that were written for Libcloud."""
