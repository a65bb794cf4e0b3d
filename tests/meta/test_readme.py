"""What the README and the docs say is true: examples run, links lead somewhere."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nnicli import Experiment
from nnicli.testing import FakeInstallation

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)#]+?)(?:#[^)]*)?\)")


@pytest.fixture
def quickstart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_port: Callable[[], int]
) -> Callable[[str], str]:
    """Return a function that fits an example to this test: its port, its files, a fake NNI."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    shutil.copytree(ROOT / "examples" / "quickstart", tmp_path, dirs_exist_ok=True)
    fake = FakeInstallation.create(tmp_path / "nni")
    monkeypatch.setenv("NNICLI_NNI", str(fake.prefix))
    monkeypatch.chdir(tmp_path)
    return lambda text: text.replace("port=9090", f"port={free_port()}")


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_examples_run(
    number: int, quickstart: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    names: dict[str, object] = {}

    exec(quickstart(EXAMPLES[number]), names)

    experiment = names["exp"]
    assert isinstance(experiment, Experiment)
    assert experiment.get_experiment_status() == {"status": "STOPPED", "errors": []}
    assert len(experiment.export_data()) == 10
    assert "Error" not in capsys.readouterr().out


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 2


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    targets = [link for link in LINK.findall(document.read_text("utf-8")) if "://" not in link]

    assert [link for link in targets if not (document.parent / link).exists()] == []


def test_every_make_target_that_is_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    named = {
        name
        for document in DOCUMENTS
        for name in re.findall(r"`make ([a-z-]+)`", document.read_text("utf-8"))
    }

    assert named == {name for name in named if re.search(rf"^{name}:", makefile, re.MULTILINE)}
    assert {"quickstart", "test", "bench"} <= named
