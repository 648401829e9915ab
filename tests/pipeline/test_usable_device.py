from __future__ import annotations

import os

import pytest
import torch

from pipeline.device import decisive, set_up
from pipeline.errors import BackdropError
from pipeline.params.training import Compute
from pipeline.usable_device import choose_device, processes_of_job_on, processes_on, repeat_exactly


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")


@pytest.mark.usefixtures("gpu")
def test_cublas_adds_in_one_order_unless_the_user_says_otherwise(monkeypatch):
    assert choose_device("cpu", "compute.device") == "cpu"
    repeat_exactly("cpu")
    assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ
    assert choose_device("auto", "compute.device") == "cuda"
    repeat_exactly("cuda")
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    assert choose_device("cuda", "compute.device") == "cuda"
    repeat_exactly("cuda")
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"


def test_a_gpu_that_is_not_there_is_told_with_the_param(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto", "compute.device") == "cpu"
    with pytest.raises(BackdropError, match=r"compute\.device.*no CUDA device"):
        choose_device("cuda", "compute.device")


@pytest.fixture
def threads():
    """Those that PyTorch has, and has again afterwards."""
    before = torch.get_num_threads()
    yield before
    torch.set_num_threads(before)


def test_pytorch_has_the_threads_that_params_say(threads):
    for wanted in (threads + 1, threads + 2):
        set_up(Compute(threads=wanted, device="cpu"))
        assert torch.get_num_threads() == wanted


@pytest.mark.parametrize(("cores", "on_gpu"), [("2", 2), ("16", 4)])
def test_few_processes_share_a_gpu(monkeypatch, cores, on_gpu):
    monkeypatch.setenv("BACKDROP_WORKERS", cores)
    assert processes_on("cuda") == on_gpu
    assert processes_on("cpu") == int(cores)


@pytest.mark.parametrize(
    ("cores", "jobs", "on_cpu", "on_gpu"), [("16", 1, 16, 4), ("16", 3, 5, 1), ("2", 2, 1, 1)]
)
def test_jobs_share_the_processes(monkeypatch, cores, jobs, on_cpu, on_gpu):
    monkeypatch.setenv("BACKDROP_WORKERS", cores)
    monkeypatch.setattr("pipeline.pool._at_once", jobs)
    assert processes_of_job_on("cpu") == on_cpu
    assert processes_of_job_on("cuda") == on_gpu


def test_a_checkpoint_is_of_the_device_and_precision_that_auto_became(monkeypatch):
    auto, cpu = Compute(), torch.device("cpu")
    found = decisive(auto, cpu)
    in_float32 = decisive(Compute(precision="float32"), cpu)
    in_bfloat16 = decisive(Compute(precision="bfloat16"), cpu)
    assert in_float32 != in_bfloat16
    assert found in (in_float32, in_bfloat16)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    assert decisive(auto, torch.device("cuda")) not in (in_float32, in_bfloat16)
    assert decisive(Compute(checkpoint_every=7), cpu) == found
    assert decisive(Compute(seed=1), cpu) != found
