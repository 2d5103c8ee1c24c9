"""What Windows cannot run is not even read there: it has no file locks."""

import sys

LOCKING = ["test_lab.py", "test_pipeline_bootstrap.py", "test_pipeline_settings.py"]
collect_ignore = LOCKING if sys.platform == "win32" else []
