"""What the tests of downloads share: no waiting between tries, and a place for the file."""

from pathlib import Path

import pytest

from foveal.data.fetch import download


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many tries as ever and no waiting between them, and no proxy between this machine and itself."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download, "PAUSES_SECONDS", (0.0,) * len(download.PAUSES_SECONDS))


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where the file belongs; nothing is there yet."""
    return tmp_path / "file.bin"
