"""All that only a GPU can show, part by part, into one Markdown report.

`scripts/gpu-check --device cuda` runs every part in a process of its own with a time limit, and
goes on after a failure. `--device cpu` does the same with small sizes: it shows that the script
works.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

TOP = Path(__file__).parents[1]
STATISTICS = (33.3, 78.6)  # of MNIST's training pixels: mean, standard deviation


@dataclass(frozen=True)
class Part:
    """What is run, as a command, and how long it may take."""

    name: str
    shows: str
    command: list[str]
    limit_s: float


def parts(device: str, runs: str) -> Iterator[Part]:
    """Correctness first, then speed, then the command line; ten minutes in all on a GPU."""
    own = [sys.executable, __file__, "--device", device, "--part"]
    tool = [sys.executable, "-m", "mnistladder"]
    options = ["--device", device, "--runs-dir", runs]
    is_gpu = device != "cpu"
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    yield Part("tests", "the tests that need a GPU", [*tests, str(TOP / "tests/test_gpu.py")], 60)
    yield Part("bits", "same bits twice; alone beside stacked; beside the CPU", [*own, "bits"], 90)
    yield Part("convolutions", "forward and backward by memory layout", [*own, "convolutions"], 45)
    yield Part("graph", "a CUDA graph beside plain steps: bits and speed", [*own, "graph"], 60)
    yield Part("stacks", "images a second of K networks as one", [*own, "stacks"], 60)
    yield Part("host", "what an epoch costs beside its steps", [*own, "host"], 30)
    yield Part("profile", "the kernels that take the time", [*own, "profile"], 45)
    rung = "model02_normalized"
    yield Part("run", "one rung by the command line", [*tool, "run", rung, *options], 60)
    again = [*tool, "reproduce", rung, *options]
    yield Part("reproduce", "trained again: the same bits?", again, 60)
    yield Part("resume", "killed in the middle and resumed: the same bits?", [*own, "resume"], 60)
    ladder = [*tool, "ladder", *(["--all"] if is_gpu else ["1-3"]), "--seeds", "1", *options]
    yield Part("ladder", "every rung, one seed", ladder, 120)


def images(count: int, device):
    """The first training images."""
    import torch

    from mnistladder.data import datasets
    from mnistladder.engine.tensors import Images

    split = datasets.read_folder(datasets.MNIST_DIR, "mnist").train
    pixels = torch.from_numpy(split.images[:count].copy())[:, None]
    labels = torch.from_numpy(split.labels[:count].copy()).long()
    return Images(pixels.to(device), labels.to(device))


def states(config, count: int, device):
    """New networks of a config."""
    from mnistladder.engine.train_state import TrainState

    return [TrainState.new(config, seed, STATISTICS, device) for seed in range(count)]


def train(config, networks, steps: int, device) -> list[float]:
    """Trains the networks as one for so many steps, the last one short; their losses."""
    from mnistladder.engine import inputs, loop, optim, stacking

    phase = config.phases[-1]
    data = images(steps * config.batch_size - 5, device)
    pool = data if phase.pseudo_per_batch else None
    seeds = range(len(networks))
    epochs = [inputs.assemble_epoch(data, pool, config, phase, seed, 0) for seed in seeds]
    rates = [1e-3] * -(-len(epochs[0]) // config.batch_size)
    streams = [inputs.stream(seed, "dropout", 0, device) for seed in seeds]
    stack, loss = stacking.join(config, networks), optim.make_loss(config)
    losses = loop.run_epoch(
        stack, loss, epochs, config.batch_size, rates, streams, config.clip_norm
    )
    stacking.split(stack, networks)
    return losses.tolist()


def synchronize(device) -> None:
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(work: Callable[[], object], device, repeats: int = 20) -> float:
    """Seconds of one call, after three that warm up."""
    for _ in range(3):
        work()
    synchronize(device)
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    synchronize(device)
    return (time.perf_counter() - start) / repeats


def row(*cells: object) -> None:
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def heading(*cells: str) -> None:
    row(*cells)
    row(*["---"] * len(cells))


def bits(device) -> None:
    """Every rung for some steps."""
    import torch

    from mnistladder.config.loading import load_rung, shipped_names
    from mnistladder.engine.train_state import hash_weights

    cpu, steps = torch.device("cpu"), 20 if device.type == "cuda" else 3
    heading("rung", "same bits again", "loss alone / stacked", "loss device / CPU, no dropout")
    for name in [*shipped_names(), "model09_dropout_bfloat16"]:
        config = load_rung(name).config
        plain = tuple(each for each in config.model if type(each).__name__ != "Dropout")
        without_dropout = config.model_copy(update={"model": plain})
        hashes, losses = [], []
        for count in (1, 1, 3):
            networks = states(config, count, device)
            losses.append(train(config, networks, steps, device)[0])
            hashes.append(hash_weights(networks[0].network))
        here, there = (
            train(without_dropout, states(without_dropout, 1, where), steps, where)[0]
            for where in (device, cpu)
        )
        stacked = abs(losses[2] / losses[0] - 1)
        row(name, hashes[0] == hashes[1], f"{stacked:.1e}", f"{abs(here / there - 1):.1e}")


def convolutions(device) -> None:
    """A stack's grouped convolution with the layouts and types that cuDNN may prefer."""
    import torch
    from torch.nn import functional

    layouts = {"channels last": torch.channels_last, "contiguous": torch.contiguous_format}
    kinds = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    shapes = [(1, 7, 28), (7, 7, 28), (14, 14, 14), (28, 28, 7), (56, 56, 3)]
    counts = (1, 5, 20, 60) if device.type == "cuda" else (1, 2)
    heading("K", "convolution", *(f"{kind}, {layout}, ms" for kind in kinds for layout in layouts))
    for count in counts:
        for channels, out, side in shapes:
            times = []
            for kind in kinds.values():
                for layout in layouts.values():
                    values, weight, gradient = (
                        torch.randn(*shape, device=device, dtype=kind).to(memory_format=layout)
                        for shape in (
                            (32, count * channels, side, side),
                            (count * out, channels, 3, 3),
                            (32, count * out, side, side),
                        )
                    )
                    values.requires_grad_()
                    weight.requires_grad_()
                    options = {"padding": 1, "groups": count}
                    step = _step(functional.conv2d, values, weight, gradient, options)
                    times.append(f"{1e3 * seconds(step, device, 5):.2f}")
            row(count, f"{channels} to {out}, {side} x {side}", *times)


def _step(convolve, values, weight, gradient, options) -> Callable[[], object]:
    return lambda: convolve(values, weight, **options).backward(gradient)


def stacks(device) -> None:
    """Rung 9 at its batch size, K networks as one."""
    import torch

    from mnistladder.config.loading import load_rung

    is_cuda = device.type == "cuda"
    heading("precision", "K", "images/s", "ms a step", "MiB")
    for name in ("model09_dropout", "model09_dropout_bfloat16"):
        config = load_rung(name).config
        for count in (1, 5, 20, 60) if is_cuda else (1, 2):
            steps = 150 if is_cuda else 4
            networks = states(config, count, device)
            train(config, networks, 10 if is_cuda else 2, device)
            if is_cuda:
                torch.cuda.reset_peak_memory_stats(device)
            synchronize(device)
            start = time.perf_counter()
            train(config, networks, steps, device)
            synchronize(device)
            took = time.perf_counter() - start
            memory = torch.cuda.max_memory_allocated(device) / 2**20 if is_cuda else 0
            speed = count * steps * config.batch_size / took
            row(
                config.precision,
                count,
                f"{speed:,.0f}",
                f"{1e3 * took / steps:.2f}",
                f"{memory:,.0f}",
            )


def graph(device) -> None:
    """Rung 9 with and without a graph: the same bits, and is a network's its own in any stack?"""
    import torch

    from mnistladder.config.loading import load_rung
    from mnistladder.engine import replay
    from mnistladder.engine.train_state import hash_weights

    is_cuda = device.type == "cuda"
    heading("rung", "K", "graph has the plain bits", "first network's hash", "plain ms", "graph ms")
    for name in ("model09_dropout", "model09_dropout_bfloat16"):
        config = load_rung(name).config
        for count in (1, 3, 32) if is_cuda else (1, 2):
            hashes, times, steps = [], [], 200 if is_cuda else 2
            for wanted in ("0", "1"):
                os.environ[replay.VARIABLE] = wanted
                networks = states(config, count, device)
                synchronize(device)
                start = time.perf_counter()
                train(config, networks, steps, device)
                synchronize(device)
                times.append(f"{1e3 * (time.perf_counter() - start) / steps:.2f}")
                hashes.append([hash_weights(state.network)[:12] for state in networks])
            row(name, count, hashes[0] == hashes[1], hashes[0][0], *times)
            if is_cuda:
                torch.cuda.empty_cache()


def host(device) -> None:
    """Assembling an epoch, evaluating, storing."""
    from mnistladder.config.loading import load_rung
    from mnistladder.engine import evaluate, inputs

    config = load_rung("model11_annealing").config
    count = 60_000 if device.type == "cuda" else 2_000
    data, phase = images(count, device), config.phases[-1]
    [state] = states(config, 1, device)
    train(config, [state], 2, device)
    work = {
        "assemble an epoch": lambda: inputs.assemble_epoch(data, None, config, phase, 0, 0),
        "evaluate": lambda: evaluate.probabilities(state.network, data.images[:10_000]),
        "save a checkpoint": state.save,
    }
    heading("what", "ms")
    for name, call in work.items():
        row(name, f"{1e3 * seconds(call, device, 3):.1f}")


def profile(device) -> None:
    """Twenty networks of rung 9 as one."""
    import torch

    from mnistladder.config.loading import load_rung

    is_cuda = device.type == "cuda"
    config = load_rung("model09_dropout").config
    networks = states(config, 20 if is_cuda else 2, device)
    steps = 30 if is_cuda else 3
    train(config, networks, steps, device)
    kinds = torch.profiler.ProfilerActivity
    with torch.profiler.profile(activities=[kinds.CPU] + [kinds.CUDA] * is_cuda) as measured:
        train(config, networks, steps, device)
        synchronize(device)
    order = "self_cuda_time_total" if is_cuda else "self_cpu_time_total"
    table = measured.key_averages().table(sort_by=order, row_limit=15, max_name_column_width=60)
    print(f"```text\n{table}\n```")


def resume(device) -> None:
    """Rung 9 on a few images: at once, and killed after its first stored epoch."""
    import json
    import signal

    plan = ["--set", "phases.0.epochs=3" if device.type == "cpu" else "phases.0.epochs=10"]
    hashes = []
    with tempfile.TemporaryDirectory() as folder:
        for name in ("at once", "killed"):
            runs = Path(folder, name)
            command = [sys.executable, "-m", "mnistladder", "run", "model02_normalized", *plan]
            command += ["--device", str(device), "--runs-dir", str(runs), "--quiet", "--json"]
            if name == "killed":
                first = subprocess.Popen(command, stdout=subprocess.DEVNULL)
                while first.poll() is None and not list(runs.rglob("progress.json")):
                    time.sleep(0.02)
                first.send_signal(signal.SIGKILL)
                first.wait()
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
            hashes.append(json.loads(done.stdout)[0]["predictions_sha256"])
    print(f"predictions of both: {'the same' if len(set(hashes)) == 1 else 'DIFFERENT'}")
    sys.exit(len(set(hashes)) - 1)


OWN = {each.__name__: each for each in (bits, convolutions, graph, stacks, host, profile, resume)}


def machine(device: str) -> str:
    """The first lines of the report."""
    code = (
        "import torch\n"
        "print('torch', torch.__version__, '| CUDA', torch.version.cuda, '| cuDNN',"
        " torch.backends.cudnn.version(), '| GPUs:',"
        " ', '.join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))"
        " or 'none')\n"
    )
    about = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return (
        f"# GPU check, {now}\n\n`scripts/gpu-check --device {device}` on Python "
        f"{platform.python_version()}, {platform.machine()}; {about.stdout.strip()}\n"
    )


def run(part: Part) -> str:
    """The part's section of the report; a failure is a section, too."""
    start = time.perf_counter()
    try:
        done = subprocess.run(
            part.command, capture_output=True, text=True, timeout=part.limit_s, check=False
        )
        output, ending = done.stdout, "ok" if done.returncode == 0 else f"exit {done.returncode}"
        errors = "" if done.returncode == 0 else done.stderr[-2000:]
    except subprocess.TimeoutExpired as stopped:
        output, ending = (stopped.stdout or b"").decode(), f"stopped after {part.limit_s:.0f} s"
        errors = ""
    took = time.perf_counter() - start
    print(f"{part.name}: {ending}, {took:.0f} s", file=sys.stderr, flush=True)
    body = output if "|" in output or "```" in output else f"```text\n{output.strip()}\n```\n"
    trouble = f"\n```text\n{errors}\n```\n" if errors else ""
    return f"\n## {part.name}: {part.shows}\n\n{ending}, {took:.0f} s\n\n{body}{trouble}"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--device", default="cuda")
    options.add_argument("--report", type=Path, default=Path("gpu-check.md"))
    options.add_argument("--part", choices=OWN, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.part:
        import torch

        from mnistladder.engine.devices import make_deterministic

        make_deterministic()
        OWN[chosen.part](torch.device(chosen.device))
        return
    os.environ["NO_COLOR"] = "1"
    with tempfile.TemporaryDirectory() as runs:
        text = machine(chosen.device)
        for part in parts(chosen.device, runs):
            text += run(part)
            chosen.report.write_text(text)  # after each part, for the machine may be taken away
    print(chosen.report)


if __name__ == "__main__":
    main()
