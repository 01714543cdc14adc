"""Configuration of the site that `make docs` builds: nothing is downloaded, and warnings are errors."""  # noqa: INP001

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent / "_ext"))

from polycloud.version import __version__

project = "polycloud"
copyright = "the polycloud authors"  # noqa: A001 - Sphinx's name
release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "docstrings", "matrix", "reference"]
exclude_patterns = ["_ext"]
default_role = "py:obj"  # `NodeDriver` in a docstring becomes a link if it names an object

myst_heading_anchors = 3
suppress_warnings = ["ref.python"]  # if two objects have one name, a link in a signature takes either

autodoc_member_order = "bysource"
autodoc_default_options = {"show-inheritance": True}
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"polycloud {release}"
html_static_path = ["_static"]
html_css_files = ["polycloud.css"]
html_copy_source = False
html_show_sphinx = False
pygments_style = "friendly"
pygments_dark_style = "native"
