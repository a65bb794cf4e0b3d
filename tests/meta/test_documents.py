"""What the README and the other documents say is true: examples run, links lead somewhere."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import nnicli
from nnicli import Experiment
from nnicli.cli import main
from nnicli.testing import FakeInstallation

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *PAGES]
TUTORIALS = sorted((ROOT / "docs" / "tutorial").glob("*.md"))
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(document: Path, *languages: str) -> list[str]:
    """Return the code blocks of a document in these languages."""
    found = BLOCK.findall(document.read_text("utf-8"))
    return [code for language, code in found if language in languages]


EXAMPLES = blocks(ROOT / "README.md", "python")
LINK = re.compile(r"\]\(([^)#]+?)(?:#[^)]*)?\)")


@pytest.fixture
def names() -> Iterator[dict[str, object]]:
    """Yield what an example defines; its experiments are stopped however it ends."""
    defined: dict[str, object] = {}
    yield defined
    for value in defined.values():
        if isinstance(value, Experiment) and value.process is not None:
            value.stop_experiment()


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
    number: int,
    quickstart: Callable[[str], str],
    names: dict[str, object],
    capsys: pytest.CaptureFixture[str],
) -> None:
    exec(quickstart(EXAMPLES[number]), names)

    experiment = names["exp"]
    assert isinstance(experiment, Experiment)
    assert experiment.get_experiment_status() == {"status": "STOPPED", "errors": []}
    assert len(experiment.export_data()) == 10
    assert "Error" not in capsys.readouterr().out


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 2


@pytest.mark.parametrize("tutorial", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_runs_from_its_first_line_to_its_last(
    tutorial: Path,
    quickstart: Callable[[str], str],
    names: dict[str, object],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Someone new to nnicli types it line by line; the lines build on each other."""
    for language, code in BLOCK.findall(tutorial.read_text("utf-8")):
        if language == "python":
            exec(quickstart(code), names)
            continue
        for line in code.splitlines():
            if line.startswith("nnicli "):
                arguments = shlex.split(line, comments=True)[1:]
                result = CliRunner().invoke(main, arguments)
                assert result.exit_code == 0, f"{line}: {result.output}"

    assert len(names["exp"].export_data()) == 10  # type: ignore[attr-defined]
    assert "Error" not in capsys.readouterr().out


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_python_blocks_import_what_exists(document: Path) -> None:
    for code in blocks(document, "python"):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("nnicli"):
                module = importlib.import_module(node.module or "")
                assert [a.name for a in node.names if not hasattr(module, a.name)] == []


def test_the_api_reference_has_every_public_name_once() -> None:
    text = "".join(page.read_text("utf-8") for page in (ROOT / "docs/reference/api").glob("*.md"))
    named = re.findall(r"^::: (\S+)", text, re.MULTILINE)
    names = getattr(nnicli, "__all__")  # noqa: B009 - not in the stub
    errors = importlib.import_module("nnicli.errors")
    config = importlib.import_module("nnicli.config")
    public = {f"nnicli.{name}" for name in names[1:]}
    public = {name for name in public if not hasattr(errors, name.removeprefix("nnicli."))}
    public |= {f"nnicli.config.{name}" for name in config.__all__}

    assert sorted(named) == sorted(public | {"nnicli.errors", "nnicli.testing"})


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
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


def test_the_recipes_name_files_that_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    named = re.findall(r"`((?:nnicli|tests|tools|schemas|docs)/[\w./-]+)`", text)

    assert [name for name in named if not (ROOT / name).exists()] == []
    assert len(named) > 20


def test_the_architecture_names_modules_that_exist() -> None:
    """Modules are moved and renamed; a page that names an old one misleads its readers."""
    text = (ROOT / "docs" / "explanation" / "architecture.md").read_text("utf-8")
    named = set(re.findall(r"`([\w/.]+(?:\.py|/))`", text))
    paths = [path.relative_to(ROOT).as_posix() for path in (ROOT / "nnicli").rglob("*.py")]
    known = "".join(f"/{path}\n" for path in paths)

    missing = {name for name in named if f"/{name}" not in known and not (ROOT / name).exists()}

    assert missing == set()
    assert len(named) > 60


def test_every_decision_is_in_the_index() -> None:
    directory = ROOT / "docs" / "decisions"
    notes = sorted(directory.glob("0*.md"))
    titles = [note.read_text("utf-8").splitlines()[0].removeprefix("# ") for note in notes]

    rows = [
        f"| [{title[:4]}]({note.name}) | {title[6:]} |"
        for note, title in zip(notes, titles, strict=True)
    ]

    assert "\n".join(rows) in (directory / "index.md").read_text("utf-8")
    assert [title[:4] for title in titles] == [note.name[:4] for note in notes]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_prose_is_wrapped(document: Path) -> None:
    """Tables and code keep their lines, and so does what has no space to break at."""
    text = re.sub(r"^```.*?^```", "", document.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    long = [
        line for line in text.splitlines() if len(line) > 100 and not line.lstrip().startswith("|")
    ]

    assert [line for line in long if " " in line.strip().lstrip("-*# ")] == []
