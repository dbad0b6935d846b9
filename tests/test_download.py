"""Downloads by name: torchvision's real code against a server on this machine."""

import gc
import gzip
import hashlib
import io
import struct
import threading
import warnings
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torchvision

from mnistladder.data import datasets, download, idx
from mnistladder.errors import DataError


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


class Server(ThreadingHTTPServer):
    def handle_error(self, *arguments):
        """A client that hangs up early is no matter of ours."""


@pytest.fixture
def server(tmp_path):
    """A folder, and the address under which a local server offers it."""
    folder = tmp_path / "served"
    folder.mkdir()
    http = Server(("127.0.0.1", 0), partial(Quiet, directory=folder))
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{http.server_port}/"
    http.shutdown()
    http.server_close()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def digits(digits_dir):
    return datasets.read_folder(digits_dir, "digits")


def offer(folder, name, content):
    """Puts a gzip file onto the server; its name and MD5 as torchvision lists them."""
    packed = gzip.compress(content)
    (folder / f"{name}.gz").write_bytes(packed)
    return f"{name}.gz", hashlib.md5(packed).hexdigest()


def offer_mnist_shaped(folder, digits):
    splits = zip(datasets.FILES.values(), (digits.train, digits.test), strict=True)
    return [
        offer(folder, name, idx.encode_idx(array))
        for names, split in splits
        for name, array in zip(names, (split.images, split.labels), strict=True)
    ]


def same(found, digits):
    return found.sha256 == digits.sha256


@pytest.mark.parametrize(
    ("name", "kind"), [("fashion_mnist", "FashionMNIST"), ("kmnist", "KMNIST")]
)
def test_downloaded_set_is_cached_and_found_by_name(server, digits, monkeypatch, name, kind):
    folder, address = server
    with pytest.raises(DataError, match=f"data {name} --download"):
        datasets.find(name)
    monkeypatch.setattr(getattr(torchvision.datasets, kind), "mirrors", [address])
    monkeypatch.setattr(
        getattr(torchvision.datasets, kind), "resources", offer_mnist_shaped(folder, digits)
    )
    assert download.fetch(name).sha256 == digits.sha256
    assert same(datasets.find(name).load(), digits)


def test_qmnist_takes_the_digit_out_of_its_long_labels(server, digits, monkeypatch):
    folder, address = server
    resources = {}
    for subset, split in (("train", digits.train), ("test", digits.test)):
        long = np.zeros((len(split.labels), 8), ">i4")
        long[:, 0] = split.labels
        header = bytes([0, 0, 0x0C, 2]) + struct.pack(">2I", *long.shape)
        files = (
            offer(folder, f"qmnist-{subset}-images-idx3-ubyte", idx.encode_idx(split.images)),
            offer(folder, f"qmnist-{subset}-labels-idx2-int", header + long.tobytes()),
        )
        resources[subset] = [(address + name, md5) for name, md5 in files]
    monkeypatch.setattr(torchvision.datasets.QMNIST, "resources", resources)
    download.fetch("qmnist")
    assert same(datasets.find("qmnist").load(), digits)


def test_emnist_digits_are_turned_upright(server, digits, monkeypatch):
    folder, address = server
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for subset, split in (("train", digits.train), ("test", digits.test)):
            lying = np.ascontiguousarray(split.images.transpose(0, 2, 1))
            for kind, array in (("images-idx3", lying), ("labels-idx1", split.labels)):
                name = f"gzip/emnist-digits-{subset}-{kind}-ubyte.gz"
                archive.writestr(name, gzip.compress(idx.encode_idx(array)))
    (folder / "gzip.zip").write_bytes(packed.getvalue())
    monkeypatch.setattr(torchvision.datasets.EMNIST, "url", address + "gzip.zip")
    monkeypatch.setattr(
        torchvision.datasets.EMNIST, "md5", hashlib.md5(packed.getvalue()).hexdigest()
    )
    download.fetch("emnist_digits")
    assert same(datasets.find("emnist_digits").load(), digits)


@pytest.mark.parametrize("fault", ["missing", "altered"])
def test_failed_download_is_a_data_error_and_leaves_no_data_set(server, digits, monkeypatch, fault):
    folder, address = server
    resources = offer_mnist_shaped(folder, digits)
    name, _ = resources[2]
    if fault == "missing":
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(gzip.compress(b"something else"))
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "mirrors", [address])
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "resources", resources)
    with warnings.catch_warnings():  # torchvision leaves the failed connection to the collector
        warnings.simplefilter("ignore", ResourceWarning)
        with pytest.raises(DataError, match="fashion_mnist: download failed"):
            download.fetch("fashion_mnist")
        gc.collect()
    with pytest.raises(DataError, match="not on this machine"):
        datasets.find("fashion_mnist")


def test_altered_cache_is_found_by_its_hash(server, digits, monkeypatch):
    folder, address = server
    monkeypatch.setattr(torchvision.datasets.KMNIST, "mirrors", [address])
    monkeypatch.setattr(
        torchvision.datasets.KMNIST, "resources", offer_mnist_shaped(folder, digits)
    )
    download.fetch("kmnist")
    labels = datasets.cache_dir() / "kmnist" / datasets.FILES["test"][1]
    content = bytearray(labels.read_bytes())
    content[-1] = (content[-1] + 1) % 10
    labels.write_bytes(content)
    with pytest.raises(DataError, match="not the data set that was written here"):
        datasets.find("kmnist").load()
