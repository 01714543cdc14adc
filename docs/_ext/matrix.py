"""The directive `{provider-matrix}`: a table of the operations that the drivers offer."""  # noqa: INP001

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from polycloud.compute.providers import get_driver, names


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("provider-matrix", ProviderMatrix)
    return {"parallel_read_safe": True}


class ProviderMatrix(SphinxDirective):
    """A row for each operation of compute, a column for each provider."""

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        drivers = [get_driver(name) for name in names()]
        operations = list(dict.fromkeys(name for driver in drivers for name in driver.operations()))
        rows = [["operation", *(driver.name for driver in drivers)]]
        for name in operations:
            link = f"{{py:meth}}`{name} <polycloud.compute.base.NodeDriver.{name}>`"
            rows.append([link, *("✓" if driver.offers(name) else "·" for driver in drivers)])
        rows.append(["own methods (`ex_`)", *(str(len(driver.extensions())) for driver in drivers)])
        lines = [f"| {' | '.join(row)} |" for row in rows]
        lines.insert(1, f"|---{'|:---:' * len(drivers)}|")
        return self.parse_text_to_nodes("\n".join(lines))
