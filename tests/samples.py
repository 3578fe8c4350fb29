"""Small valid sets in every form that Bezoar reads."""

import gzip
import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

ROWS = 12
IMAGES: NDArray[np.uint8] = np.random.default_rng(5).integers(0, 256, (ROWS, 8, 8), dtype=np.uint8)
LABELS: NDArray[np.uint8] = (np.arange(ROWS) % 3).astype(np.uint8)
CSV = "age,colour,income,label\n" + "".join(
    f"{20 + row},{('red', '?', '')[row % 3]},{row / 4 if row % 5 else ''},{'yes' if row % 2 else 'no'}\n"
    for row in range(ROWS)
)


def png(pixels: NDArray[np.uint8], kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def idx(array: NDArray[Any]) -> bytes:
    """The idx format as its author describes it: magic number, lengths, values, all big-endian."""
    return struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def save_folder(folder: Path) -> None:
    for row in range(ROWS):
        place = folder / str(LABELS[row])
        place.mkdir(parents=True, exist_ok=True)
        (place / f"img_{row:02}.png").write_bytes(png(IMAGES[row]))


def save_idx(folder: Path, *, packed: bool) -> None:
    folder.mkdir()
    for name, array in (("train-images-idx3-ubyte", IMAGES), ("train-labels-idx1-ubyte", LABELS)):
        content = idx(array)
        (folder / (name + (".gz" if packed else ""))).write_bytes(gzip.compress(content) if packed else content)


def save_arrow(folder: Path) -> None:
    folder.mkdir()
    table = pa.table(
        {
            "image": pa.array([{"bytes": png(image), "path": None} for image in IMAGES]),
            "label": pa.array(LABELS.astype(np.int64)),
        }
    )
    with (folder / "data-00000-of-00001.arrow").open("wb") as stream, pa.ipc.new_stream(stream, table.schema) as out:
        out.write_table(table)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}))
    features = {"image": {"_type": "Image"}, "label": {"names": ["cat", "ant", "dog"], "_type": "ClassLabel"}}
    (folder / "dataset_info.json").write_text(json.dumps({"features": features}))


def save_all(root: Path) -> dict[str, Path]:
    """A set of the same kind in every form. By form, what to read."""
    save_folder(root / "folder")
    save_idx(root / "idx", packed=False)
    save_idx(root / "idx_gz", packed=True)
    save_arrow(root / "arrow")
    np.savez(root / "stored.npz", x=IMAGES, y=LABELS)
    np.savez_compressed(
        root / "packed.npz",
        train_images=IMAGES[:8],
        train_labels=LABELS[:8, None],
        test_images=IMAGES[8:],
        test_labels=LABELS[8:, None],
    )
    pictures = pa.table({"image": pa.array([png(image) for image in IMAGES]), "label": LABELS})
    pq.write_table(pictures, root / "pictures.parquet")
    words = pa.table({"text": pa.array([f"row {row}" for row in range(ROWS)]), "label": LABELS})
    pq.write_table(words, root / "words.parquet")
    (root / "table.csv").write_text(CSV)
    (root / "table.csv.gz").write_bytes(gzip.compress(CSV.encode()))
    lines = "".join(json.dumps({"age": row, "colour": "red", "label": "ab"[row % 2]}) + "\n" for row in range(ROWS))
    (root / "table.jsonl").write_text(lines)
    names = (
        "folder",
        "idx",
        "idx_gz",
        "arrow",
        "stored.npz",
        "packed.npz",
        "pictures.parquet",
        "words.parquet",
        "table.csv",
        "table.csv.gz",
        "table.jsonl",
    )
    return {name: root / name for name in names}
