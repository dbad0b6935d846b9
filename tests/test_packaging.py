"""The wheel is whole, the image is safe, the set-up scripts mend what is broken."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel built from this checkout, unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=TOP, check=True, capture_output=True)
    [built] = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_wheel_holds_configs_digits_words_and_licences(wheel):
    package = wheel / "mnistladder"
    assert len(list((package / "configs").glob("model*.yaml"))) == 13
    assert len(list((package / "data" / "mnist").glob("*.gz"))) == 4
    assert (package / "data" / "mnist" / "LICENSE.md").exists()
    glossary = (TOP / "docs" / "glossary.md").read_text()
    assert (package / "glossary.md").read_text() == glossary
    assert list(wheel.glob("*.dist-info/licenses/LICENSE"))


def test_installed_wheel_trains_a_bare_name_without_a_clone(wheel, tmp_path, digits_dir):
    arguments = ["run", "model02_normalized", "--data-dir", str(digits_dir), "--quiet"]
    done = subprocess.run(
        [sys.executable, "-m", "mnistladder", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(wheel)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "model02_normalized seed 0: " in done.stdout, done.stderr


def test_constraints_pin_every_direct_dependency_exactly():
    pins = dict(
        re.findall(r"^([\w-]+)==(\S+)$", (TOP / "constraints.txt").read_text(), re.MULTILINE)
    )
    project = (TOP / "pyproject.toml").read_text()
    declared = re.findall(r"^    \"([\w-]+)>=", project, re.MULTILINE)
    assert {name.lower() for name in declared} <= {name.lower() for name in pins}
    assert "://" not in (TOP / "constraints.txt").read_text()


ADVISORIES = {  # the first version without a known hole that concerns us
    "torch": (2, 11),
    "PyYAML": (6, 0),
    "filelock": (3, 20, 1),
    "pillow": (12, 3),
    "jinja2": (3, 1, 6),
}


@pytest.mark.parametrize("name", ADVISORIES)
def test_lower_bounds_are_above_known_advisories(name):
    project = (TOP / "pyproject.toml").read_text()
    [bound] = re.findall(rf"^    \"{name}>=([\d.]+)", project, re.MULTILINE | re.IGNORECASE)
    assert tuple(map(int, bound.split("."))) >= ADVISORIES[name]


DOCKERFILE = (TOP / "Dockerfile.cuda").read_text()


def test_dockerfile_pins_its_base_and_fetches_nothing_itself():
    [base] = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", base)
    assert not re.search(r"^ADD|curl|wget|latest", DOCKERFILE, re.MULTILINE)


def test_dockerfile_starts_the_entry_point_in_the_mounted_folder():
    lines = DOCKERFILE.splitlines()
    assert 'ENTRYPOINT ["docker-entrypoint"]' in lines
    assert 'VOLUME ["/climb/runs"]' in lines


@pytest.fixture
def container():
    """Starts the container's entry point as root, with a command that says who runs it."""
    if os.getuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("needs root and setpriv, as in the container")
    folder = tempfile.TemporaryDirectory()  # pytest's own folders are closed to other users
    programs, runs = Path(folder.name, "bin"), Path(folder.name, "runs")
    programs.mkdir()
    runs.mkdir()
    (programs / "mnistladder").write_text('#!/bin/sh\ntouch "$RUNS/made"; id -u; echo "$@"\n')
    # The image has the user `climber`; here it is whoever has this number.
    (programs / "chown").write_text('#!/bin/sh\nexec /bin/chown 10001:10001 "$2"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    Path(folder.name).chmod(0o755)

    def start(owner):
        os.chown(runs, owner, owner)
        environment = {"PATH": f"{programs}:/usr/bin:/bin", "RUNS": str(runs)}
        command = [str(TOP / "scripts" / "docker-entrypoint"), "ladder", "--all"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.split(), (runs / "made").stat().st_uid

    yield start
    folder.cleanup()


@pytest.mark.parametrize(("owner", "expected"), [(0, 10001), (4321, 4321)], ids=["root", "user"])
def test_container_writes_into_the_runs_folder_whoever_made_it(container, owner, expected):
    """Docker makes a missing folder as root; otherwise it is the user's own."""
    assert container(owner) == ([str(expected), "ladder", "--all"], expected)


HADOLINT = Path(sys.executable).with_name("hadolint")


@pytest.mark.skipif(not HADOLINT.exists(), reason="hadolint is not for this platform")
def test_dockerfile_has_no_fault_that_hadolint_knows():
    done = subprocess.run(
        [str(HADOLINT), str(TOP / "Dockerfile.cuda")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_dockerfile_copies_only_what_the_ignore_file_lets_through():
    allowed = {line[1:] for line in (TOP / ".dockerignore").read_text().split() if line[0] == "!"}
    copied = {
        name.removeprefix("./")
        for line in re.findall(r"^COPY (.*) \S+$", DOCKERFILE, re.MULTILINE)
        for name in line.split()
    }
    assert copied <= allowed


@pytest.mark.parametrize("script", ["setup", "mnistladder", "test", "check"])
def test_scripts_are_executable_and_parse(script):
    path = TOP / "scripts" / script
    assert os.access(path, os.X_OK)
    subprocess.run(["bash", "-n", str(path)], check=True)
