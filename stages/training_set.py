"""Record which videos are trained on, and the sha256 of their files.

    python -m stages.training_set frames|flow|predictions|labels

Reads the index and one of the folders; writes `artifacts/training_set/frames.json` and so on, on
which the training stages depend. Without self-training there are no labels, and none are recorded.
"""

from __future__ import annotations

from pipeline.errors import BackdropError
from pipeline.frame_index import load_index, videos_in_split
from pipeline.params.data import TRAINED_ON
from pipeline.self_training import is_off
from pipeline.stage import run_stage, wanted
from pipeline.store.atomic import write_json
from pipeline.store.digest import file_sha256
from pipeline.store.paths import video_file
from pipeline.training_set import Part, Recorded, TrainingSet


def main(part: Part) -> None:
    """Write the record of `part`.

    Raises:
        BackdropError: no video is in a training split, or one's file is missing.
    """
    index = load_index()
    videos = videos_in_split(index, TRAINED_ON)
    if not videos:
        raise BackdropError(
            "no video is in split 'train' or 'train_test'",
            where="params.yaml: prepare_data.splits",
            remedy="name at least one to train on",
        )
    counts = index["video"].value_counts()
    recorded = tuple(
        Recorded(
            video=video,
            frames=int(counts[video]),
            sha256=file_sha256(video_file(part.folder, video)),
        )
        for video in ([] if is_off(part.folder) else videos)
    )
    write_json(part.record, TrainingSet(videos=recorded).model_dump(mode="json"))


if __name__ == "__main__":
    asked = wanted(Part, "stages.training_set")
    run_stage(f"training_set_{asked}", lambda: main(asked))
