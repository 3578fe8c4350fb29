"""Writes a data set such that reading it gives the same rows."""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from bezoar.core.data import Dataset, Modality
from bezoar.core.errors import InputError
from bezoar.core.files import write_atomically

FILE = "data.parquet"


def write(data: Dataset, folder: Path) -> Path:
    """Write ``data.parquet``: images as lossless PNG, tables and texts with their columns.

    Columns ``id``, ``label`` (the class name) and, where there is one, ``source`` stand beside the inputs;
    the order of the classes is kept in the file's metadata.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        A table has a column of its own named ``id``, ``label``, ``source`` or ``split``; images are neither grey nor colour.
    OutputError
        It cannot be written; nothing is left half-written.
    """
    columns: dict[str, pa.Array | pa.ChunkedArray] = {
        "id": pa.array(data.ids.tolist(), pa.string()),
        "label": pa.array([data.classes[label] for label in data.labels], pa.string()),
    }
    if data.source is not None:
        columns["source"] = pa.array(data.source.tolist(), pa.string())
    if data.modality is Modality.IMAGE:
        inputs = {"image": pa.array([png(image) for image in data.images], pa.binary())}
    elif data.modality is Modality.TABLE:
        inputs = {title: data.table.column(title) for title in data.table.column_names}
    else:
        inputs = {"text": data.inputs}
    taken = {"id", "label", "source", "split"} & set(inputs)
    if taken:
        raise InputError(
            f"{data.name}: inputs have columns named {', '.join(sorted(taken))}, which Bezoar needs itself."
        )
    table = pa.table(inputs | columns)
    table = table.replace_schema_metadata(
        {
            "bezoar.classes": json.dumps(data.classes),
            "bezoar.roles": json.dumps(
                {"modality": data.modality, "name": data.name, "input": list(inputs), "source": data.source is not None}
            ),
        }
    )
    return write_atomically(Path(folder) / FILE, lambda stream: pq.write_table(table, stream, compression="zstd"))


def png(image: NDArray[np.uint8]) -> bytes:
    """One image (c, h, w), grey or colour, as PNG."""
    if image.shape[0] not in (1, 3):
        raise InputError(f"images must have 1 or 3 channels. Got {image.shape[0]}.")
    pixels = image[0] if image.shape[0] == 1 else np.moveaxis(image, 0, -1)
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "PNG", compress_level=1)
    return stream.getvalue()
