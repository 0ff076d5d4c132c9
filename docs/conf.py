"""Sphinx configuration: `make docs` builds these pages in site/, with warnings as errors.

Sphinx with furo and MyST, since Material for MkDocs ends in May 2027 and MkDocs 1 is unmaintained.
"""

project = "sandbox_envs"
author = copyright = "the sandbox_envs authors"
html_title = "sandbox_envs"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["generate.py"]

myst_enable_extensions = ["html_image"]
myst_heading_anchors = 3

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_copy_source = html_show_sourcelink = False
