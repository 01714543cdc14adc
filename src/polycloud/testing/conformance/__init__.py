"""The rules of each service, as test classes that a driver's author inherits.

`base` and `checks` hold what all suites share, `compute`, `dns`, `loadbalancer` and `storage` are one suite
each. A suite's rules are numbered (C01, D01, L01, S01) and listed in docs/rules.
"""
