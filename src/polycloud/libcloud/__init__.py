"""Run programs that were written for Libcloud.

    import polycloud

    polycloud.install_as_libcloud()
    from libcloud.compute.providers import get_driver      # polycloud's

The same from outside of a program: `python -m polycloud.libcloud PROGRAM`, and for tests
`pytest -p polycloud.libcloud.pytest_plugin`.
"""

__all__ = ["install_as_libcloud"]


def install_as_libcloud() -> None:
    """Let every later `import libcloud...` of this process resolve to polycloud.

    Call it before anything imports Libcloud; a second call changes nothing. Plain HTTP to other hosts, which
    polycloud refuses, is then sent with a warning, as programs written for Libcloud expect.

    Raises:
        LibcloudConflictError: apache-libcloud is imported already, by the program or by `polycloud.bridge`.
    """
    from polycloud.libcloud import finder

    finder.install()
