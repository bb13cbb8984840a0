"""What `datasets` and `webdataset` write."""

from pathlib import Path
from typing import Any

from shape_files import (
    ANSWERS,
    QUESTION,
    Said,
    dump_csv,
    numbered,
    photos,
    picture,
    rows_of,
    said,
    shape,
)


def _image_dataset(**columns: Any) -> Any:
    from datasets import Dataset
    from datasets import Image as ImageFeature

    pictures = [{"bytes": picture(at), "path": f"{at}.jpg"} for at in range(4)]
    dataset = Dataset.from_dict({"image": pictures, **columns})
    return dataset.cast_column("image", ImageFeature())


@shape
def hub_parquet(folder: Path) -> list[Said]:
    """The layout of the Hub: shards below data/, pictures inside."""
    whole = _image_dataset(question=[QUESTION] * 4, answer=list(ANSWERS))
    (folder / "data").mkdir(parents=True)
    for part in range(2):
        name = f"train-{part:05d}-of-00002.parquet"
        whole.select(range(2 * part, 2 * part + 2)).to_parquet(folder / "data" / name)
    return said()


@shape
def hub_multiple_choice(folder: Path) -> list[Said]:
    whole = _image_dataset(
        question=[QUESTION] * 4, choices=[list(ANSWERS)] * 4, answer=[0, 1, 2, 3]
    )
    (folder / "data").mkdir(parents=True)
    whole.to_parquet(folder / "data" / "validation-00000-of-00001.parquet")
    return [(*one, "red|green|blue|yellow") for one in said()]


@shape
def hub_class_labels(folder: Path) -> list[Said]:
    from datasets import ClassLabel

    whole = _image_dataset(label=[0, 1, 2, 3]).cast_column("label", ClassLabel(names=list(ANSWERS)))
    folder.mkdir(parents=True)
    whole.to_parquet(folder / "train.parquet")
    return [("What is shown in the picture?", answer) for answer in ANSWERS]


@shape
def parquet_of_paths(folder: Path) -> list[Said]:
    from datasets import Dataset, Features, Value
    from datasets import Image as ImageFeature

    photos(folder)
    features = Features({"image": ImageFeature(), "q": Value("string"), "a": Value("string")})
    rows = [
        {"image": str(folder / str(row["img"])), "q": row["q"], "a": row["a"]} for row in rows_of()
    ]
    Dataset.from_list(rows, features=features).to_parquet(folder / "train.parquet")
    return said()


@shape
def saved_to_disk(folder: Path) -> list[Said]:
    from datasets import DatasetDict

    whole = _image_dataset(question=[QUESTION] * 4, answer=list(ANSWERS))
    DatasetDict({"train": whole, "test": whole.select([0])}).save_to_disk(
        folder / "saved", num_shards={"train": 2, "test": 1}
    )
    return said()


@shape
def image_folder_classes(folder: Path) -> list[Said]:
    photos(folder, [f"{split}/{a}/{at}.jpg" for split in ("train", "test") for at, a in numbered()])
    return [("What is shown in the picture?", answer) for answer in sorted(ANSWERS)]


@shape
def image_folder_metadata(folder: Path) -> list[Said]:
    photos(folder / "train", ["a/0.jpg", "a/1.jpg", "a/2.jpg", "a/3.jpg"])
    rows: list[dict[str, object]] = [
        {"file_name": f"a/{at}.jpg", "text": f"A {answer} field"} for at, answer in numbered()
    ]
    dump_csv(folder / "train" / "metadata.csv", rows)
    return [(None, f"A {answer} field") for answer in ANSWERS]


@shape
def webdataset_tars(folder: Path) -> list[Said]:
    import webdataset

    folder.mkdir(parents=True)
    with webdataset.ShardWriter(str(folder / "train-%05d.tar"), maxcount=2, verbose=0) as sink:
        for at, answer in numbered():
            row = {"question": QUESTION, "answer": answer}
            sink.write({"__key__": f"s{at:03d}", "jpg": picture(at), "json": row})
    return said()


@shape
def webdataset_captions(folder: Path) -> list[Said]:
    import webdataset

    folder.mkdir(parents=True)
    with webdataset.TarWriter(str(folder / "cc3m.tar")) as sink:
        for at, answer in numbered():
            sink.write({"__key__": f"s{at:03d}", "png": picture(at, "PNG"), "txt": f"All {answer}"})
    return [(None, f"All {answer}") for answer in ANSWERS]
