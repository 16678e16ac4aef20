"""Sphinx: README's pages as a site. `sphinx-build -W docs FOLDER` builds it without a network."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(Path(__file__).with_name("_ext"))]

# Layers are imported for their docstrings; TensorFlow need not tell what it found.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

project = "metatrain"
author = "the authors of metatrain"
html_title = "metatrain"
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "myst_nb", "generated"]
exclude_patterns = ["_ext"]
nitpicky = True
# Types of other projects, whose pages no build without a network can know, and our own internals.
nitpick_ignore_regex = [("py:.*", r"(?!metatrain\.).*")]

# Notebooks keep their outputs; a test runs them.
nb_execution_mode = "off"
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4
suppress_warnings = ["myst.strikethrough"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
autoclass_content = "both"
python_maximum_signature_line_length = 80
napoleon_custom_sections = [("Source", "returns_style")]
napoleon_use_rtype = False
# Single backticks in docstrings are code.
default_role = "code"

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_copyright = False
smartquotes = False
html_copy_source = False
html_show_sourcelink = False
html_use_index = False
html_domain_indices = False
