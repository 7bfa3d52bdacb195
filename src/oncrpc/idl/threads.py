"""One thread at a time in ``ast.parse``.

In CPython 3.11 ``ast.parse`` counts the depth of its tree in a place that all threads share. A
thread that begins while another one is in it makes that one fail with SystemError. Lark calls it
too when it loads a grammar.
"""

from __future__ import annotations

import threading

PARSING = threading.Lock()
"""Held while ``ast.parse`` may run."""
