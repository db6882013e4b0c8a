"""For all tests.

Property tests try the same cases in every run of `make test`, which judges a change and not luck;
`make slow` lets them look for new ones.
"""

import os

from hypothesis import settings

settings.register_profile("steady", derandomize=True)
settings.register_profile("searching", derandomize=False)
settings.load_profile(os.environ.get("AUTOPILOT_HYPOTHESIS", "steady"))
