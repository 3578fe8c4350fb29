"""Tensors read by parsing are those that the libraries read, and none is read from beyond its storage."""

import warnings

import numpy as np
import pytest
import safetensors.torch
import torch
from benchmarks.model_corpus.honest import network
from benchmarks.model_corpus.making import (
    EVIL,
    SYSTEM,
    called,
    checkpoint,
    pickled,
    storage,
    tensor,
    text,
    whole,
    zipped,
)
from benchmarks.model_corpus.making import (
    safetensors as safetensors_file,
)
from torch import nn

from bezoar.core.errors import InputError
from bezoar.learn.modelfiles import read_tensors


def equal(found, wanted):
    """The same names in the same order, and tensors of the same type, shape and values."""
    assert list(found) == list(wanted)
    for key, value in wanted.items():
        assert found[key].dtype == value.dtype
        assert found[key].shape == value.shape
        assert torch.equal(found[key], value.detach())


BASE = torch.arange(24, dtype=torch.float32).reshape(4, 6)
VIEWS = {
    "base": BASE,
    "transposed": BASE.T,
    "rows": BASE[1:3],
    "stepped": BASE[::2, 1::2],
    "expanded": BASE[:, :1].expand(4, 5),
    "scalar": torch.tensor(3.5),
    "empty": torch.empty(0, 3),
    "empty_view": BASE[:0],
    "parameter": nn.Parameter(BASE.clone()),
    **{
        str(dtype)[6:]: BASE.to(dtype)
        for dtype in (torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int8)
    },
    **{
        str(dtype)[6:]: BASE.to(dtype) for dtype in (torch.int32, torch.int16, torch.uint8, torch.bool, torch.complex64)
    },
}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_state_dict_is_read_as_torch_reads_it(tmp_path, zipped, protocol):
    path = tmp_path / "m.pt"
    torch.save(VIEWS, path, _use_new_zipfile_serialization=zipped, pickle_protocol=protocol)
    # torch's own restricted reader knows protocol 2 alone. The file is the test's own.
    equal(read_tensors(path), torch.load(path, weights_only=protocol == 2))


@pytest.mark.parametrize("dtype", [torch.uint16, torch.uint32, torch.float8_e4m3fn, torch.float8_e5m2])
def test_types_without_a_storage_of_their_own_are_read_as_torch_reads_them(tmp_path, dtype):
    values = torch.arange(6, dtype=torch.uint8).view(torch.uint8)
    torch.save({"a": values.to(dtype)}, tmp_path / "m.pt")
    found, wanted = read_tensors(tmp_path / "m.pt"), torch.load(tmp_path / "m.pt", weights_only=True)
    assert found["a"].dtype == dtype
    assert found["a"].untyped_storage().tolist() == wanted["a"].untyped_storage().tolist()


def test_a_network_is_read_as_torch_reads_it(tmp_path):
    torch.save(network().state_dict(), tmp_path / "m.pt")
    equal(read_tensors(tmp_path / "m.pt"), torch.load(tmp_path / "m.pt", weights_only=True))


def test_tensors_that_share_storage_share_it_here(tmp_path):
    torch.save({"all": BASE, "row": BASE[1]}, tmp_path / "m.pt")
    found = read_tensors(tmp_path / "m.pt")
    found["all"][1] = -1
    assert found["row"].tolist() == [-1] * 6


@pytest.mark.parametrize("wrapper", ["state_dict", "model", "model_state_dict"])
def test_weights_are_found_in_a_checkpoint_with_more_in_it(tmp_path, wrapper):
    model = network()
    optimiser = torch.optim.Adam(model.parameters())
    model(torch.ones(2, 1, 4, 4)).sum().backward()
    optimiser.step()
    torch.save({"optimizer": optimiser.state_dict(), "epoch": 2, wrapper: model.state_dict()}, tmp_path / "m.pt")
    equal(read_tensors(tmp_path / "m.pt"), {key: value for key, value in model.state_dict().items()})


def test_tensors_in_other_places_have_the_names_that_lead_to_them(tmp_path):
    torch.save({"ema": {"a": BASE, "list": [BASE, 3]}, "epoch": 1}, tmp_path / "m.pt")
    equal(read_tensors(tmp_path / "m.pt"), {"ema.a": BASE, "ema.list.0": BASE})


def test_a_whole_model_gives_the_names_of_its_state_dict(tmp_path):
    torch.save(network(), tmp_path / "m.pt")
    found, wanted = read_tensors(tmp_path / "m.pt"), network().state_dict()
    equal({key: found[key] for key in sorted(found)}, {key: wanted[key] for key in sorted(wanted)})


def test_a_class_that_nobody_knows_gives_its_weights_and_runs_nothing(tmp_path):
    """The weights of a model that a program hides in are read all the same."""
    content = pickled(b"}(" + text("weight") + tensor() + text("payload") + SYSTEM + b"u", protocol=2)
    (tmp_path / "m.pt").write_bytes(checkpoint(content, {"0": np.arange(4, dtype="<f4").tobytes()}))
    equal(read_tensors(tmp_path / "m.pt"), {"weight": torch.arange(4.0)})


def test_a_later_value_of_a_key_counts_as_in_a_dict(tmp_path):
    content = pickled(b"}(" + text("w") + tensor("0") + text("w") + tensor("1") + b"u", protocol=2)
    (tmp_path / "m.pt").write_bytes(checkpoint(content, {"0": bytes(16), "1": np.ones(4, "<f4").tobytes()}))
    assert read_tensors(tmp_path / "m.pt")["w"].tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("kind", ["f4", "f8", "i2", "i8"])
def test_big_endian_storages_are_turned(tmp_path, kind):
    names = {"f4": "FloatStorage", "f8": "DoubleStorage", "i2": "ShortStorage", "i8": "LongStorage"}
    values = np.arange(4).astype(f">{kind}")
    shape = b"(" + whole(4) + b"t(" + whole(1) + b"t"
    rebuilt = called(
        "torch._utils._rebuild_tensor_v2",
        storage("0", 4, names[kind]) + whole(0) + shape + b"\x89" + called("collections.OrderedDict"),
    )
    members = {"m/data.pkl": pickled(b"}" + text("w") + rebuilt + b"s", protocol=2), "m/byteorder": b"big"}
    (tmp_path / "m.pt").write_bytes(zipped(members | {"m/data/0": values.tobytes(), "m/version": b"3\n"}))
    assert read_tensors(tmp_path / "m.pt")["w"].tolist() == [0, 1, 2, 3]
    assert torch.load(tmp_path / "m.pt", weights_only=False)["w"].tolist() == [0, 1, 2, 3]


def test_complex_numbers_are_turned_part_by_part(tmp_path):
    values = (np.arange(4) + 2j).astype(">c8")
    shape = b"(" + whole(4) + b"t(" + whole(1) + b"t"
    rebuilt = called(
        "torch._utils._rebuild_tensor_v2",
        storage("0", 4, "ComplexFloatStorage") + whole(0) + shape + b"\x89" + called("collections.OrderedDict"),
    )
    members = {"m/data.pkl": pickled(b"}" + text("w") + rebuilt + b"s", protocol=2), "m/byteorder": b"big"}
    (tmp_path / "m.pt").write_bytes(zipped(members | {"m/data/0": values.tobytes(), "m/version": b"3\n"}))
    assert read_tensors(tmp_path / "m.pt")["w"].tolist() == [2j, 1 + 2j, 2 + 2j, 3 + 2j]


def rebuilt(offset, shape, strides, count=4):
    numbers = [b"(" + b"".join(map(whole, values)) + b"t" for values in (shape, strides)]
    parts = storage("0", count) + whole(offset) + b"".join(numbers) + b"\x89" + called("collections.OrderedDict")
    return pickled(b"}" + text("w") + called("torch._utils._rebuild_tensor_v2", parts) + b"s", protocol=2)


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [
        (0, (5,), (1,)),
        (4, (1,), (1,)),
        (5, (0,), (1,)),
        (-1, (2,), (1,)),
        (2, (2,), (-1,)),
        (0, (2, 2), (3, 1)),
        (0, (-1,), (1,)),
        (0, (2,), (2**62,)),
        (0, (2**62, 2**62), (0, 0)),
        (0, (2**40,), (0,)),
        (0, (2, 2), (1,)),
    ],
)
def test_a_tensor_that_reaches_out_of_its_storage_is_refused(tmp_path, offset, shape, strides):
    (tmp_path / "m.pt").write_bytes(checkpoint(rebuilt(offset, shape, strides), {"0": bytes(16)}))
    with pytest.raises(InputError, match=r"m\.pt: has a tensor"):
        read_tensors(tmp_path / "m.pt")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (checkpoint(rebuilt(0, (4,), (1,)), {"0": bytes(12)}), "has 12 bytes, not 16"),
        (checkpoint(rebuilt(0, (4,), (1,))), "the storage 0 is not there"),
        (checkpoint(pickled(b"}")), "holds no tensors"),
        (checkpoint(pickled(SYSTEM)), "holds no tensors"),
        (checkpoint(b"\x80\x04" + SYSTEM), "ends without STOP"),
        (EVIL, "no tensors are read from pickle files"),
        (zipped([("m/data.pkl", b"N."), ("m/data.pkl", b"N."), ("m/version", b"3")]), "occurs more than once"),
        (safetensors_file({"a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 16]}}, bytes(16)), "does not take"),
        (b"", "no tensors are read from empty files"),
    ],
)
def test_files_that_lie_are_refused_in_one_line(tmp_path, content, words):
    (tmp_path / "m.bin").write_bytes(content)
    with pytest.raises(InputError, match=words) as error:
        read_tensors(tmp_path / "m.bin")
    assert "\n" not in str(error.value)


def test_safetensors_are_read_as_the_library_reads_them(tmp_path):
    tensors = {key: value.detach().clone().contiguous() for key, value in VIEWS.items()}
    safetensors.torch.save_file(tensors, tmp_path / "m.safetensors")
    found, wanted = read_tensors(tmp_path / "m.safetensors"), safetensors.torch.load_file(tmp_path / "m.safetensors")
    equal({key: found[key] for key in sorted(found)}, {key: wanted[key] for key in sorted(wanted)})


@pytest.mark.parametrize("dtype", ["f4", ">f8", "i1", "u2", "c16", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_are_read_as_numpy_reads_them(tmp_path, dtype, order):
    array = np.asarray(np.arange(6).reshape(2, 3).astype(dtype), order=order)
    np.save(tmp_path / "a.npy", array)
    np.savez_compressed(tmp_path / "a.npz", x=array, y=array[0])
    assert torch.equal(
        read_tensors(tmp_path / "a.npy")["a"], torch.from_numpy(array.astype(array.dtype.newbyteorder("=")))
    )
    assert {key: value.tolist() for key, value in read_tensors(tmp_path / "a.npz").items()} == {
        "x": array.tolist(),
        "y": array[0].tolist(),
    }


def test_arrays_of_objects_and_of_text_are_refused(tmp_path):
    np.save(tmp_path / "o.npy", np.array([None]), allow_pickle=True)
    np.save(tmp_path / "t.npy", np.array(["a"]))
    for file, words in (("o.npy", "holds pickled objects"), ("t.npy", "of which there are no tensors")):
        with pytest.raises(InputError, match=words):
            read_tensors(tmp_path / file)


def test_quantised_and_sparse_tensors_are_left_to_torch(tmp_path):
    """A checkpoint with a sparse tensor gives the others; quantised ones, which share their names with weights, refuse."""
    torch.save({"w": BASE, "s": torch.eye(3).to_sparse()}, tmp_path / "m.pt")
    assert set(read_tensors(tmp_path / "m.pt")) == {"w"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantised = torch.quantize_per_tensor(torch.ones(4), 0.1, 0, torch.qint8)
        torch.save({"q": quantised}, tmp_path / "q.pt")
    with pytest.raises(InputError, match="holds no tensors"):
        read_tensors(tmp_path / "q.pt")
