import hashlib

import pytest

from pipeline.errors import BackdropError
from pipeline.store.digest import file_sha256


def test_digest_is_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"frames")
    assert file_sha256(tmp_path / "a") == hashlib.sha256(b"frames").hexdigest()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BackdropError, match=r"clip\.h5: is missing"):
        file_sha256(tmp_path / "clip.h5")
