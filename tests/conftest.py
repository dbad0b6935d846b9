"""Small real data for all tests: the first MNIST digits, written as a folder of IDX files."""

import shutil
import sys

import pytest
import torch
from hypothesis import settings

from mnistladder.data import datasets, idx
from mnistladder.engine.devices import make_deterministic

make_deterministic()  # before the first product of matrices
settings.register_profile("suite", deadline=None, derandomize=True, database=None, max_examples=50)
settings.load_profile("suite")
FUZZ = 30_000 if "--thorough" in sys.argv else 300  # examples of each property that reads input
settings.register_profile(
    "fuzz", deadline=None, database=None, max_examples=FUZZ, derandomize=FUZZ == 300
)


def pytest_addoption(parser):
    parser.addoption("--thorough", action="store_true", help="every fault at every place: long")


@pytest.fixture(scope="session")
def thorough(request):
    """Whether the long form of a test is wanted."""
    return request.config.getoption("--thorough")


@pytest.fixture(autouse=True)
def _denormals_are_back():
    """Training in this process flushes denormal numbers for good, which hypothesis refuses."""
    torch.set_flush_denormal(False)


@pytest.fixture(scope="session")
def digits_dir(tmp_path_factory):
    """A data set folder with the first 512 training and 256 test digits of MNIST."""
    folder = tmp_path_factory.mktemp("digits")
    mnist = datasets.read_folder(datasets.MNIST_DIR, "mnist")
    for names, split, count in zip(
        datasets.FILES.values(), (mnist.train, mnist.test), (512, 256), strict=True
    ):
        for name, array in zip(names, (split.images, split.labels), strict=True):
            (folder / name).write_bytes(idx.encode_idx(array[:count]))
    return folder


@pytest.fixture(scope="session")
def without_tests(tmp_path_factory, digits_dir):
    """The 512 training digits in a folder that has no files of test images."""
    folder = tmp_path_factory.mktemp("data") / "digits"
    folder.mkdir()
    for name in datasets.FILES["train"]:
        shutil.copy(digits_dir / name, folder)
    return folder


@pytest.fixture(scope="session")
def source(digits_dir):
    """The source of that data set."""
    return datasets.find("", digits_dir)
