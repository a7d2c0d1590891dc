"""Settings are validated as a whole, and errors name the nearest known option."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudd.kit import settings as kit_settings
from cloudd.kit.settings import ApiSettings, DatabaseSettings, LogSettings, Settings, SettingsError, load

GOOD = {"database": {"url": "sqlite:///x.db"}, "api": {"public_url": "https://x"}, "host": {"name": "h"}}


def test_defaults_fill_what_is_left_out() -> None:
    settings = Settings(GOOD)
    assert settings.section(ApiSettings).port == 443
    assert settings.section(DatabaseSettings).url == "sqlite:///x.db"


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({**GOOD, "databse": {}}, "unknown section 'databse'; did you mean 'database'"),
        ({**GOOD, "api": {"public_url": "x", "prt": 1}}, "unknown option api.prt; did you mean 'port'"),
        ({**GOOD, "api": {"public_url": "x", "port": "many"}}, "section api: Expected `int`, got `str`"),
        ({**GOOD, "api": {"port": 1}}, "missing required field `public_url`"),
    ],
)
def test_errors_say_where_and_what(values: dict[str, object], text: str) -> None:
    with pytest.raises(SettingsError) as error:
        Settings(values)
    assert text in str(error.value)


def test_a_missing_file_and_a_broken_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        load(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("a: [")
    with pytest.raises(SettingsError, match="not valid YAML"):
        load(tmp_path / "bad.yaml")


def test_what_the_version_before_wrote_and_nobody_reads_any_more_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit_settings, "_retired", set())
    monkeypatch.setattr(kit_settings, "_sections", kit_settings.sections())
    old = GOOD | {"log": {"level": "debug", "colour": "red"}}
    with pytest.raises(SettingsError, match=r"unknown option log\.colour"):
        Settings(old)
    kit_settings.declare("log", LogSettings, retired=["colour"])
    assert Settings(old).section(LogSettings).level == "debug"
    with pytest.raises(SettingsError, match=r"unknown option api\.colour"):
        Settings(GOOD | {"api": {"public_url": "https://x", "colour": "red"}})
