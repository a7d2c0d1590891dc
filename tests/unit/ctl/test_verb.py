"""The verbs are the playbooks, and say of themselves what the playbooks say."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from cloudd.ctl import __main__ as command
from cloudd.ctl import checks, paths, verb

PLAYBOOKS = sorted(paths.PLAYBOOKS.glob("*.yml"))


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda path: path.stem)
def test_every_playbook_opens_with_what_it_does(playbook: Path) -> None:
    lines = playbook.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "---"
    assert lines[1].startswith("# ")
    assert len(verb.summary_of(playbook)) < 150


def test_kollas_verbs_are_there() -> None:
    assert {"bootstrap_servers", "prechecks", "deploy", "post_deploy", "check", "reconfigure", "stop", "destroy"} <= set(
        verb.playbook_verbs()
    )


def test_lab_playbooks_are_reached_by_the_lab_verb_only() -> None:
    assert not [name for name in verb.all_verbs() if name.startswith("lab_")]


def test_help_has_a_line_for_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--help"]) == 0
    text = capsys.readouterr().out
    for name, entry in verb.all_verbs().items():
        assert entry.summary, name
        assert f"  {name} " in text


def test_own_verbs_have_a_module() -> None:
    assert set(command.OWN_VERB_MODULES) == set(verb.OWN_VERBS)


def test_unknown_verb_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["depoly"]) == command.USAGE_ERROR
    assert "did you mean deploy?" in capsys.readouterr().err


def test_relative_paths_follow_the_caller(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    given = ["-i", "there", "--vault-password-file=there", "-e", "@there", "--check", "-e", "a=b", "/there", "absent"]
    here = str(tmp_path / "there")
    expected = ["-i", here, f"--vault-password-file={here}", "-e", f"@{here}", "--check", "-e", "a=b", "/there", "absent"]
    assert paths.absolute(given, tmp_path) == expected


def test_linters_that_do_not_exist_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert checks.run_linters(["nolint"]) == 2
    assert "ruff" in capsys.readouterr().err


def test_molecule_runs_the_scenarios_of_the_roles_meant(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    ran: list[str] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        ran.append(" ".join(command))
        return subprocess.CompletedProcess(command, 1 if "mariadb" in ran[-1] else 0)

    monkeypatch.setattr(checks.subprocess, "run", run)
    assert checks.run_tests(["molecule", "maria", "ovn"]) == 1
    assert ran == ["env --chdir=roles/mariadb molecule test", "env --chdir=roles/ovn molecule test"]
    assert checks.run_tests(["molecule", "nothing"]) == 2
    said = capsys.readouterr()
    assert "mariadb: failed" in said.out
    assert "ovn: passed" in said.out
    assert "haproxy" in said.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["real", "tests/real/test_check.py::test_it", "-x"],
            [["-m", "real and not several_hosts and not membership", "tests/real/test_check.py::test_it", "-x"]],
        ),
        (["tests/real/test_check.py"], [["tests/real/test_check.py"]]),
        (["high_availability", "-k", "cloudd"], [["tests/real/test_high_availability.py", "-k", "cloudd"]]),
    ],
)
def test_a_path_of_tests_stands_in_the_place_of_all(arguments: list[str], told: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []

    def run(command: list[str], _: dict[str, str]) -> int:
        ran.append(command[3:])
        return 0

    monkeypatch.setattr(checks, "run_to_its_end", run)
    assert checks.run_tests(arguments) == 0
    assert ran == told


def test_each_run_of_the_fast_tests_has_its_own_directory_and_clears_it_away(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Path] = []

    def run(_: list[str], environment: dict[str, str]) -> int:
        seen.append(Path(environment["TMPDIR"]))
        (seen[-1] / "left").write_text("behind")
        return 0

    monkeypatch.setattr(checks, "run_to_its_end", run)
    assert [checks.run_tests(["fast"]), checks.run_tests(["fast", "-q"])] == [0, 0]
    assert len(set(seen)) == 2
    assert not any(directory.exists() for directory in seen)


def test_fast_tests_that_are_told_to_stop_clear_their_files_away(tmp_path: Path) -> None:
    memory, tests = tmp_path / "memory", tmp_path / "tests"
    memory.mkdir()
    tests.write_text("#!/bin/bash\ntrap 'exit 2' INT\ntouch $TMPDIR/begun\nwhile :; do sleep 0.05; done\n", encoding="utf-8")
    tests.chmod(0o755)
    program = f"""if True:
        import sys
        from pathlib import Path
        from cloudd.ctl import checks
        checks.MEMORY, checks.MINIMUM_BYTES, sys.executable = Path({str(memory)!r}), 0, {str(tests)!r}
        sys.exit(checks.run_tests(["fast"]))
    """
    with subprocess.Popen([sys.executable, "-c", program], cwd=paths.ROOT, stdout=subprocess.PIPE, text=True) as process:
        while not list(memory.glob("*/begun")) and process.poll() is None:
            time.sleep(0.02)
        process.terminate()
        said, _ = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "failed" in said
    assert list(memory.iterdir()) == []


def test_without_room_in_memory_the_fast_tests_use_the_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(checks, "MEMORY", tmp_path)
    assert checks.directory_for_files() == tmp_path
    monkeypatch.setattr(checks, "MINIMUM_BYTES", 1 << 60)
    assert checks.directory_for_files() is None
    monkeypatch.setattr(checks, "MEMORY", tmp_path / "absent")
    assert checks.directory_for_files() is None
