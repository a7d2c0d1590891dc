"""The report of a Tempest run names each failure with its reason."""

from __future__ import annotations

import importlib.util
import io
import pathlib
from typing import Any

import pytest
from subunit import StreamResultToBytes

ROOT = pathlib.Path(__file__).resolve().parents[3]
TEXT = "text/plain;charset=utf8"
TRACEBACK = """Traceback (most recent call last):
  File "tempest/api/x.py", line 12, in test_create
    self.create()
tempest.lib.exceptions.BadRequest: Bad request
Details: {'code': 400, 'message': 'Invalid flavor'}
"""


@pytest.fixture
def report() -> Any:
    spec = importlib.util.spec_from_file_location("report_results", ROOT / "roles" / "tempest" / "files" / "report_results.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stream() -> io.BytesIO:
    """A run of four tests: one passed, one failed, one skipped, one class that could not be set up."""
    out = io.BytesIO()
    results = StreamResultToBytes(out)
    results.startTestRun()
    attachments = {
        "api.test_good[id-1,smoke]": ("success", {}),
        "api.test_bad[id-2]": ("fail", {"traceback": TRACEBACK}),
        "api.test_left[id-3]": ("skip", {"reason": "no backups here"}),
        "setUpClass (api.Broken)": ("fail", {"traceback-1": TRACEBACK}),
    }
    for test, (status, details) in attachments.items():
        results.status(test_id=test, test_status="inprogress")
        for name, text in details.items():
            results.status(test_id=test, file_name=name, file_bytes=text.encode(), mime_type=TEXT, eof=True)
        results.status(test_id=test, test_status=status)
    results.stopTestRun()
    out.seek(0)
    return out


def test_counts_and_reasons(report: Any) -> None:
    found = report.summary(report.read_results(stream()), {"api.test_good[id-1,smoke]", "api.Broken.test_it[id-4]"})
    assert found["counts"] == {"passed": 1, "failed": 2, "skipped": 1}
    assert found["failed"]["api.test_bad[id-2]"] == (
        "tempest.lib.exceptions.BadRequest: Bad request Details: {'code': 400, 'message': 'Invalid flavor'}"
    )
    assert found["skipped"] == {"api.test_left[id-3]": "no backups here"}
    assert found["never_ran"] == ["api.Broken.test_it[id-4]"]


def test_text_for_people(report: Any) -> None:
    text = report.text_of(report.summary(report.read_results(stream()), set())).splitlines()
    assert text[0] == "1 passed, 2 failed, 1 skipped"
    assert "failed  api.Broken (its setup, so the whole class)" in text
    assert text[-1] == "skipped 1 because: no backups here"


def test_an_empty_stream_has_no_results(report: Any) -> None:
    assert report.read_results(io.BytesIO(b"")) == []
