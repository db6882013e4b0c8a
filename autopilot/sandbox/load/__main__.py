"""`python -m autopilot.sandbox.load`."""

from __future__ import annotations

import sys

from autopilot.sandbox.load.command import main

sys.exit(main())
