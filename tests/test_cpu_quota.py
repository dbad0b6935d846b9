"""The CPU limit of a container, read from its control groups."""

import os

import pytest

from mnistladder import environment


def quota(tmp_path, memberships, **files):
    """The quota with these control group files; `__` in a name stands for a slash."""
    (tmp_path / "memberships").write_text(memberships)
    for name, content in files.items():
        path = tmp_path / "cgroup" / name.replace("__", "/").replace("_max", ".max")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return environment.cpu_quota(tmp_path / "cgroup", tmp_path / "memberships")


def version_1(folder, quota_us, period_us="100000\n"):
    folder.mkdir(parents=True)
    (folder / "cpu.cfs_quota_us").write_text(quota_us)
    (folder / "cpu.cfs_period_us").write_text(period_us)


@pytest.mark.parametrize(
    ("content", "cores"),
    [("200000 100000\n", 2.0), ("50000 100000\n", 0.5), ("max 100000\n", None), ("odd\n", None)],
)
def test_version_2_names_quota_and_period(tmp_path, content, cores):
    assert quota(tmp_path, "0::/\n", cpu_max=content) == cores


def test_smallest_quota_of_the_groups_above_counts(tmp_path):
    files = {"slice__cpu_max": "150000 100000\n", "slice__job__cpu_max": "400000 100000\n"}
    assert quota(tmp_path, "0::/slice/job\n", **files) == 1.5


def test_other_group_does_not_count(tmp_path):
    assert quota(tmp_path, "0::/slice/job\n", other__cpu_max="100000 100000\n") is None


@pytest.mark.parametrize(("quota_us", "cores"), [("300000\n", 3.0), ("-1\n", None)])
def test_version_1_has_two_files(tmp_path, quota_us, cores):
    version_1(tmp_path / "cgroup" / "cpu,cpuacct" / "docker" / "1", quota_us)
    assert quota(tmp_path, "5:cpu,cpuacct:/docker/1\n4:memory:/docker/1\n") == cores


def test_version_1_shows_a_container_its_own_group_at_the_top(tmp_path):
    version_1(tmp_path / "cgroup" / "cpu", "100000\n")
    assert quota(tmp_path, "5:cpu:/docker/not-visible-here\n") == 1.0


def test_no_control_groups_mean_no_quota(tmp_path):
    assert environment.cpu_quota(tmp_path, tmp_path / "none") is None


@pytest.mark.parametrize(("allowed", "cores"), [(0.5, 1), (1.0, 1), (10_000.0, None), (None, None)])
def test_usable_cores_are_at_most_the_quota(monkeypatch, allowed, cores):
    monkeypatch.setattr(environment, "cpu_quota", lambda: allowed)
    assert environment.usable_cores() == (cores or len(os.sched_getaffinity(0)))
