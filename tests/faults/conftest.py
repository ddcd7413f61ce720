"""These tests need what only Unix has: signals that freeze, limits on files, other users."""

from __future__ import annotations

import os

collect_ignore_glob = [] if os.name == "posix" else ["test_*.py"]
