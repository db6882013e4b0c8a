from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from runtime_kit import Box, open_box


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[Box]:
    async with open_box(tmp_path) as opened:
        yield opened
