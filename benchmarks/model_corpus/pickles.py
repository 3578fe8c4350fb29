"""Hostile pickles, and what torch, joblib and numpy put pickles into."""

import bz2
import gzip
import io
import lzma
import marshal
import pickle
import struct
import tarfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.model_corpus.making import (
    ECHO,
    EVIL,
    SYSTEM,
    Hostile,
    called,
    checkpoint,
    name,
    octets,
    pickled,
    storage,
    tensor,
    text,
    whole,
    written,
    zipped,
)


def _pickle(*parts: bytes, code: str = "BZ601", protocol: int = 4, verdict: Any = "unsafe") -> Hostile:
    return Hostile(file="model.pkl", make=written(pickled(*parts, protocol=protocol)), code=code, verdict=verdict)


def _raw(content: bytes, *, file: str = "model.pkl", code: str = "BZ601", verdict: Any = "unsafe") -> Hostile:
    return Hostile(file=file, make=written(content), code=code, verdict=verdict)


_CODE = marshal.dumps(compile("print('pwned')", "x", "exec"))
_MEMOED = text("posix") + b"\x94" + b"0" + text("system") + b"\x940" + b"h\x00h\x01\x93" + b"(" + ECHO + b"tR"
_NAMESPACE = name("argparse.Namespace") + b")\x81"

ACTING = {
    "os_system_by_reduce": _pickle(SYSTEM),
    "os_system_by_protocol_0": _raw(b"cos\nsystem\n(S'echo pwned'\ntR."),
    "os_system_by_inst": _raw(b"(S'echo pwned'\nios\nsystem\n."),
    "os_system_by_obj": _raw(b"(cos\nsystem\nS'echo pwned'\no."),
    "popen_by_newobj": _pickle(name("subprocess.Popen") + b"(" + ECHO + b"t\x81"),
    "popen_by_newobj_ex": _pickle(name("subprocess.Popen") + b"(" + ECHO + b"t}\x92"),
    "newobj_called_by_name": _pickle(called("copyreg.__newobj__", name("subprocess.Popen"), ECHO)),
    "check_output_of_subprocess": _pickle(called("subprocess.check_output", ECHO)),
    "dotted_stack_global_through_logging": _pickle(called("os.system", ECHO, module="logging")),
    "dotted_global_of_protocol_4": _raw(b"\x80\x04clogging\nos.system\n(" + ECHO + b"tR."),
    "module_in_a_trusted_package": _pickle(called("system", ECHO, module="sklearn.utils.os")),
    "module_as_a_name_in_a_trusted_package": _pickle(name("os", module="sklearn.utils")),
    "importlib_import_module": _pickle(called("importlib.import_module", text("os"))),
    "builtins_eval": _pickle(called("builtins.eval", text("print('pwned')"))),
    "builtins_exec": _pickle(called("builtins.exec", text("print('pwned')"))),
    "builtins_compile": _pickle(called("builtins.compile", text("1"), text("x"), text("eval"))),
    "builtins_import": _pickle(called("builtins.__import__", text("os"))),
    "builtins_getattr": _pickle(called("builtins.getattr", name("torch.Tensor"), text("register_hook"))),
    "builtins_of_python_2": _raw(b"c__builtin__\neval\n(S'print(1)'\ntR."),
    "marshalled_code": _pickle(called("types.FunctionType", called("marshal.loads", octets(_CODE)), b"}") + b")R"),
    "code_type": _pickle(name("types.CodeType")),
    "runpy_run_path": _pickle(called("runpy.run_path", text("x.py"))),
    "runpy_run_module_private": _pickle(called("runpy._run_code", text("print(1)"), b"}")),
    "operator_attrgetter": _pickle(called("operator.attrgetter", text("system"))),
    "operator_methodcaller": _pickle(called("operator.methodcaller", text("system"), ECHO)),
    "functools_partial": _pickle(called("functools.partial", name("builtins.print"), ECHO)),
    "functools_reduce": _pickle(called("functools.reduce", name("builtins.print"), b"]")),
    "webbrowser_open": _pickle(called("webbrowser.open", text("http://127.0.0.1"))),
    "socket_connection": _pickle(called("socket.create_connection", text("127.0.0.1"))),
    "urllib_urlopen": _pickle(called("urllib.request.urlopen", text("http://127.0.0.1"))),
    "pty_spawn": _pickle(called("pty.spawn", ECHO)),
    "ctypes_library": _pickle(called("ctypes.CDLL", text("libc.so.6"))),
    "multiprocessing_pool": _pickle(called("multiprocessing.util.spawnv_passfds", text("echo"))),
    "shutil_rmtree": _pickle(called("shutil.rmtree", text("nowhere"))),
    "io_open": _pickle(called("io.open", text("nowhere"), text("w"))),
    "logging_writes_a_file": _pickle(called("logging.FileHandler", text("nowhere"))),
    "pip_main": _pickle(called("pip.main", b"]")),
    "pdb_run": _pickle(called("pdb.run", text("print(1)"))),
    "timeit": _pickle(called("timeit.timeit", text("print(1)"))),
    "code_interpreter": _pickle(called("code.InteractiveInterpreter")),
    "numpy_runstring": _pickle(called("numpy.testing._private.utils.runstring", text("print(1)"), b"}")),
    "torch_collect_env": _pickle(called("torch.utils.collect_env.run", ECHO)),
    "torch_inductor_codecache": _pickle(called("torch._inductor.codecache.compile_file", text("x"))),
    "torch_graph_module": _pickle(called("torch.fx.graph_module.reduce_graph_module", b"}", text("import os"))),
    "nested_pickle_loads": _pickle(called("pickle.loads", octets(EVIL))),
    "nested_private_pickle_loads": _pickle(called("_pickle.loads", octets(EVIL))),
    "nested_torch_load": _pickle(called("torch.load", text("other.pt"))),
    "nested_torch_serialization_load": _pickle(called("torch.serialization.load", text("other.pt"))),
    "nested_joblib_load": _pickle(called("joblib.load", text("other.joblib"))),
    "nested_numpy_load": _pickle(called("numpy.load", text("other.npy"), b"N", b"\x88")),
    "nested_pandas_read_pickle": _pickle(called("pandas.read_pickle", text("other.pkl"))),
    "nested_dill_loads": _pickle(called("dill.loads", octets(EVIL))),
    "nested_storage_from_bytes": _pickle(called("torch.storage._load_from_bytes", octets(EVIL))),
    "payload_in_bytes_among_data": _pickle(b"}" + text("weights") + octets(EVIL) + b"s"),
    "payload_in_text_of_protocol_0": _pickle(b"}" + text("w") + text("cos\nsystem\n(S'echo'\ntR.") + b"s"),
    "payload_thrown_off_the_stack": _pickle(SYSTEM + b"0}"),
    "payload_in_a_key_that_is_replaced": _pickle(b"}" + text("a") + SYSTEM + b"s" + text("a") + b"Ns"),
    "payload_in_the_second_pickle": _raw(pickled(b"}") + EVIL),
    "payload_in_the_tenth_pickle": _raw(pickled(b"}") * 9 + EVIL),
    "broken_stop_after_the_payload": _raw(b"\x80\x04" + SYSTEM + b"\xff\xff\xff"),
    "no_stop_after_the_payload": _raw(b"\x80\x04" + SYSTEM),
    "stack_underflow_after_the_payload": _raw(b"\x80\x04" + SYSTEM + b"0000."),
    "payload_before_an_unknown_protocol": _raw(b"\x80\x04" + SYSTEM + b"\x80\x63."),
    "payload_behind_a_break": _raw(b"\x80\x04\xffcos\nsystem\n(S'echo pwned'\ntR."),
    "names_by_memo": _pickle(_MEMOED),
    "payload_behind_a_flood_of_unknown_names": _pickle(
        b"".join(name(f"pack{number}.thing") + b"0" for number in range(3000)) + SYSTEM
    ),
    "payload_behind_a_flood_of_odd_calls": _pickle(
        b"".join(called(f"pack{number}.thing") + b"0" for number in range(3000)) + SYSTEM
    ),
    "checkpoint_in_the_bytes_of_a_storage": _pickle(
        called("torch.storage._load_from_bytes", octets(checkpoint(EVIL)))
    ),
    "names_by_put_and_get": _raw(b"S'os'\np7\n0S'system'\np8\n0g7\ng8\n\x93(S'echo'\ntR."),
    "names_with_unicode_escapes": _raw(b"Vo\\u0073\nVs\\u0079stem\n\x93(S'echo'\ntR."),
    "names_with_string_escapes": _raw(b"S'\\x6f\\x73'\nS'system'\n\x93(S'echo'\ntR."),
    "names_that_are_computed": _pickle(
        called("_codecs.decode", text("bf"), text("rot13")) + text("system") + b"\x93(" + ECHO + b"tR"
    ),
    "estimator_that_holds_a_program": _pickle(
        name("sklearn.preprocessing._function_transformer.FunctionTransformer")
        + b")\x81}"
        + text("func")
        + name("os.system")
        + b"sb"
    ),
    "factory_that_is_a_program": _pickle(called("collections.defaultdict", name("posix.system"))),
    "setstate_of_an_instance": _pickle(_NAMESPACE + b"}" + text("__setstate__") + name("builtins.print") + b"sb" + ECHO + b"b"),
    "class_of_an_instance_swapped": _pickle(
        _NAMESPACE + b"(N}" + text("__class__") + name("xgboost.core.Booster") + b"stb"
    ),
    "class_patched_by_build": _pickle(
        name("argparse.Namespace") + b"(N}" + text("f") + name("builtins.int") + b"stb"
    ),
    "function_patched_by_build": _pickle(name("torch._utils._rebuild_tensor_v2") + b"}" + text("f") + b"Nsb"),
    "random_state_calls_its_argument": _pickle(
        called("numpy.random._pickle.__randomstate_ctor", ECHO, name("posix.system"))
    ),
    "tensor_type_calls_its_argument": _pickle(
        called("torch._tensor._rebuild_from_type_v2", name("posix.system"), name("torch.Tensor"), b"(" + ECHO + b"t", b"}")
    ),
}  # fmt: skip
"""Pickles that do something when they are loaded."""

DOUBTFUL = {
    "name_longer_than_any": _pickle(text("a" * 5000) + text("b") + b"\x93", code="BZ606", verdict="not_analysed"),
    "unknown_function_in_text_that_breaks_off": _raw(
        b"csomebody.tools\nrun\n(S'echo'\ntR!", file="pytorch_model.bin", code="BZ606", verdict="not_analysed"
    ),
    "payload_in_text_behind_more_than_is_followed": _raw(
        b"N0" * 150_000 + b"cos\nsystem\n(S'echo'\ntR!", file="pytorch_model.bin", code="BZ606", verdict="not_analysed"
    ),
    "unknown_class": _pickle(name("somebody.Model") + b")\x81", code="BZ606", verdict="not_analysed"),
    "class_of_the_script": _pickle(name("__main__.Net") + b")\x81", code="BZ606", verdict="not_analysed"),
    "extension_registry": _pickle(b"\x82\x01", code="BZ606", verdict="not_analysed"),
    "persistent_identifier": _pickle(text("x") + b"Q", code="BZ606", verdict="not_analysed"),
    "buffer_out_of_band": _pickle(b"\x97", protocol=5, code="BZ606", verdict="not_analysed"),
    "bytes_after_the_pickle": _raw(pickled(b"}") + b"\0" * 100, code="BZ606", verdict="not_analysed"),
    "text_longer_than_the_file": _pickle(b"\x8d" + struct.pack("<Q", 2**62), code="BZ606", verdict="not_analysed"),
    "known_function_with_a_class_of_its_own": _pickle(
        called("copyreg._reconstructor", name("builtins.bytes"), name("builtins.object"), b"N"), code="BZ606", verdict="not_analysed"
    ),
    "hooks_on_a_tensor": Hostile(
        file="model.pt",
        make=written(
            checkpoint(
                pickled(tensor(hooks=called("collections.OrderedDict", b"](" + whole(1) + name("builtins.print") + b"\x86e"))),
                {"0": bytes(16)},
            )
        ),
        code="BZ606",
        verdict="not_analysed",
    ),
    "rebuilding_function_among_the_data": _pickle(
        name("sklearn.preprocessing._function_transformer.FunctionTransformer")
        + b")\x81}" + text("func") + name("torch.storage._load_from_bytes") + b"sb",
        code="BZ606", verdict="not_analysed",
    ),
    "object_filled_like_a_list": _pickle(_NAMESPACE + b"Na", code="BZ606", verdict="not_analysed"),
    "result_that_is_called": _pickle(called("collections.OrderedDict") + b")R", code="BZ606", verdict="not_analysed"),
    "frame_within_a_frame": _raw(
        b"\x80\x04\x95" + struct.pack("<Q", 12) + b"\x95" + struct.pack("<Q", 2) + b"N.", code="BZ606", verdict="not_analysed"
    ),
}  # fmt: skip
"""Pickles of which nobody can say what they do without knowing more."""


class _Payload:
    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return os.system, ("echo pwned",)


def _joblib(compress: Any) -> Any:
    def make(path: Path) -> None:
        import joblib

        joblib.dump({"model": _Payload(), "weights": np.arange(6.0)}, path, compress=compress)

    return make


def _lz4(path: Path) -> None:
    import pyarrow as pa

    with pa.CompressedOutputStream(str(path), "lz4") as stream:
        stream.write(EVIL)


def _object_array(path: Path) -> None:
    import joblib

    joblib.dump({"a": np.arange(3.0), "b": np.array([_Payload(), None], dtype=object)}, path)


def _dtype(kind: str, *state: bytes) -> bytes:
    plain = called("numpy.dtype", text(kind), b"\x89", b"\x88")
    return plain + (b"(" + b"".join(state) + b"tb" if state else b"")


def _count(number: int) -> bytes:
    return b"(" + whole(number) + b"t"


def _wrapper(shape: bytes, dtype: bytes, *, alignment: bytes = b"N", memoized: bool = False) -> bytes:
    entries = {
        "subclass": name("numpy.ndarray"),
        "shape": shape,
        "order": text("C"),
        "dtype": dtype,
        "allow_mmap": b"\x89",
        "numpy_array_alignment_bytes": alignment,
    }
    state = b"}(" + b"".join(text(key) + value for key, value in entries.items()) + b"u"
    return name("joblib.numpy_pickle.NumpyArrayWrapper") + b")\x81" + b"\x94" * memoized + state + b"b"


def _hidden_in_a_frame() -> bytes:
    """joblib's loader takes raw bytes behind the frame; a scanner that takes them at once skips the payload."""
    array = _wrapper(b"(" + whole(len(SYSTEM)) + b"t", called("numpy.dtype", text("u1"), b"\x89", b"\x88"))
    frame = array + SYSTEM + b"0."
    return b"\x80\x04\x95" + struct.pack("<Q", len(frame)) + frame + bytes(len(SYSTEM))


JOBLIB = {
    "joblib_plain": Hostile(file="model.joblib", make=_joblib(0), code="BZ601"),
    **{
        f"joblib_{kind}": Hostile(file="model.joblib", make=_joblib((kind, 3)), code="BZ601")
        for kind in ("zlib", "gzip", "bz2", "lzma", "xz")
    },
    "joblib_lz4": Hostile(file="model.joblib", make=_lz4, code="BZ601"),
    "joblib_zfile": _raw(b"ZF" + hex(len(EVIL)).encode().ljust(19) + zlib.compress(EVIL), file="model.joblib"),
    "joblib_array_of_objects": Hostile(file="model.joblib", make=_object_array, code="BZ601"),
    "joblib_array_in_a_frame": _raw(_hidden_in_a_frame(), file="m.joblib", code="BZ606"),
    "joblib_objects_by_another_name": _raw(
        b"\x80\x04" + _wrapper(_count(1), _dtype("object")) + EVIL.ljust(64, b"\0")[:64] + b".", file="m.joblib"
    ),
    "joblib_objects_by_a_flag": _raw(
        b"\x80\x04"
        + _wrapper(_count(8), _dtype("V8", whole(3), text("|"), b"NNN", whole(8), whole(1), whole(63)))
        + EVIL.ljust(64, b"\0") + b".",
        file="m.joblib",
    ),
    "joblib_type_with_a_false_size": _raw(
        b"\x80\x04"
        + _wrapper(_count(1), _dtype("f8", whole(3), text("<"), b"NNN", whole(8 + len(SYSTEM)), whole(1), whole(0)))
        + bytes(8) + SYSTEM + b"0.",
        file="m.joblib",
    ),
    "joblib_alignment_kept_from_an_earlier_state": _raw(
        b"\x80\x04"
        + _wrapper(_count(0), _dtype("u1"), alignment=whole(16), memoized=True) + b"\0" + b"0h\0"
        + b"}(" + text("shape") + _count(len(SYSTEM)) + text("subclass") + name("numpy.ndarray")
        + text("dtype") + _dtype("u1") + b"ub" + b"\0" + bytes(len(SYSTEM)) + SYSTEM + b"0.",
        file="m.joblib",
    ),
    "joblib_type_set_twice": _raw(
        b"\x80\x04"
        + _wrapper(_count(1), _dtype("V8", whole(3), text("|"), b"NNN", whole(8), whole(1), whole(0))
        + b"(" + whole(3) + text("|") + b"NNN" + whole(90) + whole(1) + whole(0) + b"tb") + bytes(90) + b".",
        file="m.joblib", code="BZ606", verdict="not_analysed",
    ),
    "joblib_array_that_python_takes_for_instructions": _raw(
        b"\x80\x04" + _wrapper(_count(len(SYSTEM) + 1), _dtype("u1")) + SYSTEM + b"." + b".", file="model.pkl"
    ),
    "joblib_pipeline_with_a_cache": _pickle(
        name("sklearn.pipeline.Pipeline") + b")\x81}" + text("memory") + text("/tmp/shared") + b"sb", code="BZ605"
    ),
    "joblib_array_longer_than_the_file": _raw(
        pickled(_wrapper(b"(" + whole(10**12) + b"t", called("numpy.dtype", text("f8"), b"\x89", b"\x88"))),
        file="m.joblib", code="BZ606", verdict="not_analysed",
    ),
    "joblib_array_in_another_file": _raw(
        pickled(name("joblib.numpy_pickle_compat.NDArrayWrapper") + b")\x81}" + text("filename") + text("../x.npy") + b"sb"),
        file="m.joblib", code="BZ606", verdict="not_analysed",
    ),
    "joblib_zfile_without_a_mark": _raw(b"ZF" + b"%019x" % len(EVIL) + zlib.compress(EVIL), file="model"),
    "gzip_then_gzip": _raw(gzip.compress(gzip.compress(EVIL)), file="model.pkl.gz"),
    "second_gzip_member": _raw(gzip.compress(pickled(b"}")) + gzip.compress(EVIL), file="model.pkl.gz"),
    "xz_of_a_pickle": _raw(lzma.compress(EVIL), file="model.pkl.xz"),
    "bz2_of_a_pickle": _raw(bz2.compress(EVIL), file="model.pkl.bz2"),
}  # fmt: skip


def _bad_checksum() -> bytes:
    content = checkpoint(pickled(SYSTEM))
    crc = struct.pack("<I", zlib.crc32(pickled(SYSTEM)))
    return content.replace(crc, b"\1\2\3\4")


def _legacy(payload: bytes, storages: bytes = b"", keys: bytes = b"]") -> bytes:
    magic = pickle.dumps(0x1950A86A20F9469CFC6C, 2)
    system = pickle.dumps({"protocol_version": 1001, "little_endian": True, "type_sizes": {}}, 2)
    return magic + pickle.dumps(1001, 2) + system + payload + pickled(keys, protocol=2) + storages


def _tar(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for member, content in members.items():
            info = tarfile.TarInfo(member)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def _dumped_array(values: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values, allow_pickle=True)
    return stream.getvalue()


_OBJECTS = np.array([_Payload(), None], dtype=object)
_SCRIPT = b"def forward(self, x):\n  y = torch.from_file('/etc/passwd', False, 10)\n  return y\n"

TORCH = {
    "torch_zip": _raw(checkpoint(pickled(SYSTEM)), file="model.pt"),
    "torch_zip_named_bin": _raw(checkpoint(pickled(SYSTEM)), file="pytorch_model.bin"),
    "torch_zip_bad_checksum": _raw(_bad_checksum(), file="model.pt"),
    "torch_zip_payload_in_another_pickle": _raw(
        checkpoint(pickled(b"}"), {}, {"extra/data.pkl": pickled(SYSTEM)}), file="model.pt"
    ),
    "torch_zip_payload_in_a_storage_nobody_asks_for": _raw(
        checkpoint(pickled(b"}"), {"7": EVIL}), file="model.pt"
    ),
    "torch_zip_twice_the_same_pickle": _raw(
        zipped([("m/data.pkl", pickled(b"}")), ("m/data.pkl", EVIL), ("m/version", b"3")]), file="model.pt", code="BZ603"
    ),
    "torch_zip_payload_named_as_a_storage_type": _raw(
        checkpoint(pickled(called("posix.systemStorage", ECHO))), file="model.pt"
    ),
    "torch_zip_storage_too_short": _raw(checkpoint(pickled(tensor()), {"0": bytes(8)}), file="model.pt", code="BZ603"),
    "torch_zip_storage_missing": _raw(checkpoint(pickled(tensor())), file="model.pt", code="BZ603"),
    "torch_zip_storage_in_two_sizes": _raw(
        checkpoint(pickled(b"(" + storage("0", 4) + storage("0", 8) + b"t"), {"0": bytes(16)}), file="m.pt", code="BZ603"
    ),
    "torchscript_that_reads_a_file": _raw(
        checkpoint(
            pickled(b"}", protocol=2), {}, {"constants.pkl": pickled(b")", protocol=2), "code/__torch__/net.py": _SCRIPT}
        ),
        file="model.pt", code="BZ602",
    ),
    "torchscript": _raw(
        checkpoint(pickled(b"}", protocol=2), {}, {"constants.pkl": pickled(b")", protocol=2), "code/a.py": b"x = 1\n"}),
        file="model.pt", code="BZ606", verdict="not_analysed",
    ),
    "torch_package": _raw(
        zipped({"m/.data/extern_modules": b"os\n", "m/.data/python_version": b"3.11", "m/net.py": b"import os\n", "m/m/model.pkl": EVIL}),
        file="model.pt", code="BZ602",
    ),
    "native_library_in_a_checkpoint": _raw(
        checkpoint(pickled(b"}"), {}, {"data/aotinductor/model.so": b"\x7fELF" + bytes(60)}), file="model.pt2", code="BZ602"
    ),
    "torch_legacy": _raw(_legacy(pickled(SYSTEM, protocol=2)), file="model.pth"),
    "torch_legacy_payload_in_the_list_of_storages": _raw(_legacy(pickled(b"}", protocol=2), keys=SYSTEM), file="model.pth"),
    "torch_legacy_tar": _raw(
        _tar({"storages": pickled(whole(0)), "tensors": pickled(whole(0)), "pickle": EVIL}), file="model.pth"
    ),
    "npy_of_objects": _raw(_dumped_array(_OBJECTS), file="array.npy"),
    "npz_of_objects": _raw(zipped({"a.npy": _dumped_array(np.arange(3)), "b.npy": _dumped_array(_OBJECTS)}), file="a.npz"),
    "npy_with_bytes_after_it": _raw(_dumped_array(np.arange(3)) + EVIL, file="array.npy", code="BZ603"),
    "npy_shorter_than_it_says": _raw(_dumped_array(np.arange(99))[:-8], file="array.npy", code="BZ606", verdict="not_analysed"),
    "npz_with_a_pickle_in_it": _raw(zipped({"a.npy": _dumped_array(np.arange(3)), "b.npy": EVIL}), file="a.npz"),
}  # fmt: skip

PICKLES = ACTING | DOUBTFUL | JOBLIB | TORCH
