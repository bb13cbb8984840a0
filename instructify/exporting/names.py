"""The names of the files of an export that are numbered within a split."""


def tar_name(dataset: str, split: str, number: int) -> str:
    """Return the name of a tar of a split."""
    return f"{dataset}/{split}-{number:06d}.tar"


def parquet_name(dataset: str, split: str, number: int, prefix: str = "") -> str:
    """Return the name of a Parquet file of a split; the Hub has `data/` as prefix."""
    return f"{prefix}{dataset}/{split}-{number:05d}.parquet"
