"""Files of weights are told apart by what is in them, whatever they are called."""

from __future__ import annotations

import io
import os
import pickle
import tarfile

import pytest
import torch
from safetensors.torch import save

from pipeline.errors import BackdropError
from pipeline.store.checkpoint_file import read_checkpoint

STATE = {f"conv{n}.weight": torch.arange(9.0).reshape(3, 3) + n for n in range(4)}


def torchs(state, old):
    file = io.BytesIO()
    torch.save(state, file, _use_new_zipfile_serialization=not old)
    return file.getvalue()


WHOLE = {
    "safetensors": save(STATE),
    "zip": torchs(STATE, old=False),
    "before zip": torchs(STATE, old=True),
}


def header_of(length):
    """A safetensors file whose header has so many bytes."""
    plain = save(STATE, {"pad": ""})
    missing = length - int.from_bytes(plain[:8], "little")
    return save(STATE, {"pad": "x" * missing})


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".pt", ".pth.tar", ""])
@pytest.mark.parametrize("form", WHOLE)
def test_a_sound_file_is_read_under_any_suffix(tmp_path, form, suffix):
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(WHOLE[form])
    found = read_checkpoint(path)
    assert found.keys() == STATE.keys()
    assert all(torch.equal(found[name], STATE[name]) for name in STATE)


@pytest.mark.parametrize(("length", "start"), [(0x4B50, b"PK"), (0x580, b"\x80")])
def test_a_header_whose_length_looks_like_another_form_is_no_trap(tmp_path, length, start):
    path = tmp_path / "weights.pth"
    path.write_bytes(header_of(length))
    assert path.read_bytes().startswith(start)
    assert read_checkpoint(path).keys() == STATE.keys()


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("form", WHOLE)
def test_a_file_cut_anywhere_is_one_line(tmp_path, form, suffix):
    path = tmp_path / f"cut{suffix}"
    for length in range(0, len(WHOLE[form]) - 1, 7):
        path.write_bytes(WHOLE[form][:length])
        with pytest.raises(BackdropError, match=r"cut.*: is (damaged|a pickle)"):
            read_checkpoint(path)


@pytest.mark.parametrize("form", ["zip", "before zip"])
def test_a_wrong_byte_is_one_line_wherever_it_is(tmp_path, form):
    """In an old file's list of storages it is an AssertionError of PyTorch's."""
    path, refused = tmp_path / "wrong.pth", 0
    for place in range(len(WHOLE[form])):
        content = bytearray(WHOLE[form])
        content[place] ^= 1
        path.write_bytes(content)
        try:
            read_checkpoint(path)
        except BackdropError:
            refused += 1
    assert refused > 0


def test_code_under_the_suffix_of_safetensors_is_not_run(tmp_path, capfd):
    class Code:
        def __reduce__(self):
            return os.system, ("echo this must never be printed",)

    path = tmp_path / "code.safetensors"
    path.write_bytes(pickle.dumps({"state_dict": Code()}))
    with pytest.raises(BackdropError, match=r"code\.safetensors: is .*would run code"):
        read_checkpoint(path)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("suffix", [".tar", ".safetensors"])
def test_a_tar_is_no_file_of_weights(tmp_path, suffix):
    (tmp_path / "inner").write_bytes(WHOLE["zip"])
    with tarfile.open(tmp_path / f"weights{suffix}", "w") as tar:
        tar.add(tmp_path / "inner", "inner")
    with pytest.raises(BackdropError, match=r"weights.*: is damaged"):
        read_checkpoint(tmp_path / f"weights{suffix}")


def test_a_file_that_cannot_be_opened_is_one_line(tmp_path):
    (tmp_path / "weights.pth").mkdir()
    with pytest.raises(BackdropError, match=r"weights\.pth: cannot be read \(Is a directory\)"):
        read_checkpoint(tmp_path / "weights.pth")
