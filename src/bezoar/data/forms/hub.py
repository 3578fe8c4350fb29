"""Sets fetched from the Hugging Face hub, only when a person asks for one with ``hf://``."""

from bezoar.core.data import Dataset
from bezoar.core.errors import InputError
from bezoar.data.assembly import positions
from bezoar.data.columns import Columns, to_dataset
from bezoar.data.intake import shown
from bezoar.data.options import Limits, Roles
from bezoar.data.spool import Means

PREFIX = "hf://"


def read(spec: str, roles: Roles, limits: Limits, means: Means) -> Dataset:
    """Fetch and read ``hf://name``: the asked split, else ``train``. No code of the set is run.

    Raises
    ------
    InputError
        The extra is not installed, there is no network, no such set or split.
    """
    name = spec.removeprefix(PREFIX)
    try:
        import datasets
    except ImportError as error:
        raise InputError(f"{spec}: needs the library datasets. Run: pip install 'bezoar[hf]'.") from error
    split = roles.split or "train"
    try:
        fetched = datasets.load_dataset(name, split=split)
    except (OSError, ValueError, RuntimeError, LookupError, ImportError) as error:
        raise InputError(f"{shown(spec)}: cannot be fetched: {shown(str(error).split(chr(10))[0], 160)}.") from error
    table = fetched.with_format("arrow")[:]
    plain = Roles(
        label=roles.label, input=roles.input, source=roles.source, id=roles.id, modality=roles.modality, drop=roles.drop
    )
    return to_dataset(Columns(table=table, name=name, ids=positions(len(table), f"{split}/")), plain, limits, means)
