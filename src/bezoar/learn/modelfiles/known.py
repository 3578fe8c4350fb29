"""What may be imported, called and filled by a pickle that only holds data: a closed list, with what may be passed.

A name that is not here is not harmless, however it is called. Arguments are checked because some harmless functions
call what they are given: numpy's constructor of random generators calls its second argument.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from bezoar.learn.modelfiles import array_types, known_names
from bezoar.learn.modelfiles.pickle_values import Global, Made, Members, Pairs, Span, Stored, Value

Complaint = str
"""What is wrong, as the end of a sentence; empty where nothing is."""
Args = tuple[Value, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What may be done with an imported name.

    Parameters
    ----------
    call : checks the arguments of a call; None where it is never called.
    new : checks the arguments of ``__new__``.
    state : checks the state that an object made by it is given.
    fills : what such an object may be filled as: "list", "dict" or "set".
    makes_first : the result is an object of the class that is the first argument.
    datum : it may lie among the data. Functions that rebuild must not: whatever uses the object would call them.
    """

    call: Callable[[Args], Complaint] | None = None
    new: Callable[[Args], Complaint] | None = None
    state: Callable[[Value], Complaint] | None = None
    fills: str = ""
    makes_first: bool = False
    datum: bool = True


RENAMED = {"__builtin__": "builtins", "copy_reg": "copyreg"}
"""Modules that Python 2 named differently: loaders take the one for the other."""


def lookup(module: str, name: str) -> Known | None:
    """What is known of a name, None where it is not on the list."""
    found = _EXACT.get((module, name))
    if found is not None or not _SKLEARN.fullmatch(module) or _NOT_SKLEARN.search(module):
        return found
    if name.startswith("__pyx_unpickle_"):
        known = name.removeprefix("__pyx_unpickle_") in known_names.SKLEARN | known_names.SKLEARN_CALLED
        return _PYX if known else None
    return _SKLEARN_NAMES.get(name)


_SKLEARN = re.compile(r"sklearn(\.[a-z_][a-z0-9_]*){0,5}")
_NOT_SKLEARN = re.compile(r"\.(tests|externals|datasets|conftest|_testing|_build_utils)\b")


def no_arguments(args: Args) -> Complaint:
    """Nothing may be passed."""
    return "with arguments" if args else ""


def data(args: Args) -> Complaint:
    """Anything may be passed that is data itself."""
    return next((f"with {complaint}" for arg in args if (complaint := _foreign(arg))), "")


def _foreign(value: Value) -> Complaint:
    if isinstance(value, Global) and (value.rule is None or not value.rule.datum):
        return f"the function {value.path}"
    if isinstance(value, Made) and value.rule is None:
        return "the result of a call that is not known"
    return ""


def attributes(state: Value) -> Complaint:
    """Attributes by name. Names with two underscores on both sides would change what the object is or does."""
    for part in state if isinstance(state, tuple) and len(state) == 2 else (state,):
        if part is None:
            continue
        if not isinstance(part, Pairs):
            return "that is no table of attributes"
        for key, _ in part.pairs:
            if not isinstance(key, str):
                return "with an attribute that has no name"
            if key.startswith("__") and key.endswith("__"):
                return f"that replaces {key}"
    return ""


def anything(state: Value) -> Complaint:
    """Any state: the class has a ``__setstate__`` of its own that takes data apart."""
    return f"with {complaint}" if (complaint := _foreign(state)) else ""


def _scalars(args: Args) -> Complaint:
    plain = all(arg is None or isinstance(arg, bool | int | float | str | bytes) for arg in args)
    return "" if plain else "with something else than numbers and text"


def _one_collection(args: Args) -> Complaint:
    fits = not args or (len(args) == 1 and isinstance(args[0], list | tuple | Members | Pairs | str | bytes))
    return "" if fits else "with something else than one collection"


def _octets(args: Args) -> Complaint:
    fits = not args or (
        isinstance(args[0], bytes | Span | list)
        if len(args) == 1
        else isinstance(args[0], str | Span) and _latin(args[1:])
    )
    return "" if fits else "with something else than bytes"


def _encoded(args: Args) -> Complaint:
    fits = len(args) == 2 and isinstance(args[0], str | Span) and _latin(args[1:])
    return "" if fits else "with another encoding than latin-1"


def _latin(args: Args) -> bool:
    return len(args) == 1 and args[0] in ("latin1", "latin-1", "iso-8859-1")


def _factory(args: Args) -> Complaint:
    fits = (
        not args or args[0] is None or (isinstance(args[0], Global) and args[0].module in ("builtins", "collections"))
    )
    return data(args[1:]) if fits else "with a factory that is no plain type"


def _reconstructor(args: Args) -> Complaint:
    if len(args) != 3 or not isinstance(args[0], Global) or not isinstance(args[1], Global):
        return "without a class and its base"
    if args[0].rule is None or args[0].rule.new is None:
        return f"with the class {args[0].path}"
    return "" if args[1].path in _BASES and args[1].rule is not None else f"with the base {args[1].path}"


_BASES = frozenset(f"builtins.{name}" for name in ("object", "dict", "list", "tuple"))


def _dtype(args: Args) -> Complaint:
    fits = args and (
        isinstance(args[0], str) and len(args[0]) < 200 or isinstance(args[0], Global) and _scalar(args[0])
    )
    return _scalars(args[1:]) if fits else "with something else than the name of a type"


def _scalar(value: Global) -> bool:
    return value.module == "numpy" and value.name in known_names.NUMPY_SCALARS


def _array(args: Args) -> Complaint:
    if len(args) != 3 or not (isinstance(args[0], Global) and args[0].path in ARRAYS):
        return "with another class than an array"
    return "" if array_types.shape_of(args[1], most=2**20) is not None else "with a shape that is none"


ARRAYS = (
    "numpy.ndarray",
    "numpy.matrix",
    "numpy.matrixlib.defmatrix.matrix",
    "numpy.ma.MaskedArray",
    "numpy.ma.core.MaskedArray",
)


def _masked(args: Args) -> Complaint:
    classes = args[:2]
    if len(args) != 4 or not all(isinstance(c, Global) and c.path in ARRAYS for c in classes):
        return "with other classes than arrays"
    return "" if array_types.shape_of(args[2], most=2**20) is not None else "with a shape that is none"


def _array_state(state: Value) -> Complaint:
    """``(version, shape, type, order, content)``, with mask and fill value for a masked array."""
    if not isinstance(state, tuple) or len(state) not in (4, 5, 7):
        return "that is none of an array"
    parts = state if len(state) == 4 else state[1:]
    shape = array_types.shape_of(parts[0])
    if shape is None or not array_types.holds(array_types.real(parts[1]), shape, parts[3]):
        return "whose content, shape and type do not fit"
    if len(state) == 7 and not (isinstance(state[5], bytes | str | Span) and _foreign(state[6]) == ""):
        return "with a mask that is none"
    return ""


def _buffer(args: Args) -> Complaint:
    shape = array_types.shape_of(args[2]) if len(args) in (4, 5) else None
    fits = shape is not None and isinstance(args[0], bytes | Span)
    if not fits or shape is None or not array_types.holds(array_types.real(args[1]), shape, args[0]):
        return "with something else than the bytes of an array"
    return ""


def _numpy_scalar(args: Args) -> Complaint:
    fits = len(args) == 2 and array_types.holds(array_types.real(args[0]), (), args[1])
    return "" if fits and not isinstance(args[1], list) else "with something else than the bytes of a number"


_RANDOM = ("numpy.random._pickle.__bit_generator_ctor", "numpy.random._pickle.__randomstate_ctor")


def _generator(args: Args) -> Complaint:
    """These call their second argument with their first."""
    if len(args) > 1 and not (isinstance(args[1], Global) and args[1].path in _RANDOM):
        return "with a function of its own"
    return _bit_generator(args[:1])


def _bit_generator(args: Args) -> Complaint:
    known = known_names.BIT_GENERATORS
    fits = all(
        (isinstance(arg, str) and arg in known)
        or (isinstance(arg, Global) and arg.rule is not None and arg.name in known)
        or (isinstance(arg, Made) and arg.path.rpartition(".")[2] in {*known, "__bit_generator_ctor"})
        for arg in args[:1]
    )
    return "" if fits else "with something else than a bit generator"


def _of_class(args: Args) -> Complaint:
    """The first argument is a class on the list, the others are data."""
    fits = args and isinstance(args[0], Global) and args[0].rule is not None and args[0].rule.new is not None
    return data(args[1:]) if fits else "with a class that is not known"


def _storage(value: Value) -> bool:
    return isinstance(value, Stored) or (isinstance(value, Made) and value.path.startswith("torch.storage."))


def _whole(value: Value) -> bool:
    return isinstance(value, tuple) and all(type(n) is int for n in value)


def _tensor(args: Args) -> Complaint:
    if len(args) < 4 or not (_storage(args[0]) and type(args[1]) is int and _whole(args[2]) and _whole(args[3])):
        return "with something else than a storage, an offset, a shape and strides"
    hooks = [arg for arg in args[4:] if isinstance(arg, Made)]
    return "with hooks" if any(hook.pairs or hook.items for hook in hooks) else data(args[4:])


def _parameter(args: Args) -> Complaint:
    if not args or not isinstance(args[0], Made) or args[0].rule is None:
        return "with something else than a tensor"
    if any(isinstance(arg, Made) and arg.pairs for arg in args[2:3]):
        return "with hooks"
    return attributes(args[3]) if len(args) > 3 else data(args[1:])


def _typed(args: Args) -> Complaint:
    """``_rebuild_from_type_v2(function, type, args, state)`` calls the function."""
    if len(args) != 4 or not isinstance(args[0], Global) or not isinstance(args[2], tuple):
        return "without a function and its arguments"
    if not args[0].path.startswith("torch._utils._rebuild_") or args[0].rule is None or args[0].rule.call is None:
        return f"with the function {args[0].path}"
    if not isinstance(args[1], Global) or args[1].rule is None:
        return "with a type that is not known"
    return args[0].rule.call(args[2]) or attributes(args[3])


def _text(args: Args) -> Complaint:
    return "" if len(args) == 1 and isinstance(args[0], str) else "with something else than a name"


def _names(module: str, names: str, rule: Known) -> dict[tuple[str, str], Known]:
    return {(module, name): rule for name in names.split()}


_TYPE = Known(call=_scalars)
_COLLECTION = Known(call=_one_collection)
_PLAIN = Known()
_FUNCTION = Known(datum=True)
_ESTIMATOR = Known(new=no_arguments, state=attributes)
_CALLED = Known(call=data, new=data, state=anything)
_ARRAY_CLASS = Known(new=no_arguments, state=_array_state)
_PYX = Known(call=_of_class, makes_first=True, datum=False)
_SKLEARN_NAMES = (
    dict.fromkeys(known_names.SKLEARN, _ESTIMATOR)
    | dict.fromkeys(known_names.SKLEARN_CALLED, _CALLED)
    | dict.fromkeys(known_names.SKLEARN_FUNCTIONS, _FUNCTION)
    | {"newObj": Known(call=_of_class, makes_first=True, datum=False)}
    | {"Bunch": Known(new=no_arguments, call=_one_collection, state=attributes, fills="dict")}
)
_MULTIARRAY = {
    "_reconstruct": Known(call=_array, makes_first=True, datum=False),
    "scalar": Known(call=_numpy_scalar, datum=False),
}
_EXACT: dict[tuple[str, str], Known] = (
    _names("builtins", "int float str bool complex slice range long unicode xrange", _TYPE)
    | _names("builtins", "set frozenset list tuple", _COLLECTION)
    | _names("builtins", "dict", Known(call=_one_collection, fills="dict"))
    | _names("builtins", "bytes bytearray", Known(call=_octets))
    | _names("builtins", "object Ellipsis NotImplemented", Known(call=None))
    | {("copyreg", "_reconstructor"): Known(call=_reconstructor, makes_first=True, datum=False)}
    | _names("copyreg", "__newobj__ __newobj_ex__", Known(datum=False))
    | {("_codecs", "encode"): Known(call=_encoded, datum=False)}
    | {("collections", "OrderedDict"): Known(call=_one_collection, new=no_arguments, state=attributes, fills="dict")}
    | {("collections", "defaultdict"): Known(call=_factory, state=attributes, fills="dict")}
    | {("collections", "Counter"): Known(call=_one_collection, state=attributes, fills="dict")}
    | {("collections", "deque"): Known(call=data, fills="list")}
    | _names("datetime", "datetime date time timedelta timezone", Known(call=data))
    | _names("decimal", "Decimal", _TYPE)
    | _names("fractions", "Fraction", _TYPE)
    | _names("uuid", "UUID", _ESTIMATOR)
    | _names("argparse", "Namespace", _ESTIMATOR)
    | _names("types", "SimpleNamespace", Known(call=no_arguments, new=no_arguments, state=attributes))
    | _names("pathlib", "Path PosixPath WindowsPath PurePath PurePosixPath PureWindowsPath", Known(call=_scalars))
    | {("pathlib._local", name): Known(call=_scalars) for name in ("PosixPath", "PurePosixPath", "WindowsPath")}
    | _names("numpy", known_names.NUMPY_SCALARS_TEXT, _TYPE)
    | _names("numpy", known_names.NUMPY_FUNCTIONS, _FUNCTION)
    | _names("numpy", "ndarray matrix", _ARRAY_CLASS)
    | _names("numpy.matrixlib.defmatrix", "matrix", _ARRAY_CLASS)
    | {("numpy", "dtype"): Known(call=_dtype, state=anything)}
    | {
        (module, name): rule
        for module in ("numpy.core.multiarray", "numpy._core.multiarray")
        for name, rule in _MULTIARRAY.items()
    }
    | {
        (module, "_frombuffer"): Known(call=_buffer, datum=False)
        for module in ("numpy.core.numeric", "numpy._core.numeric")
    }
    | {(module, "MaskedArray"): _ARRAY_CLASS for module in ("numpy.ma", "numpy.ma.core")}
    | {("numpy.ma.core", "_mareconstruct"): Known(call=_masked, makes_first=True, datum=False)}
    | {
        ("numpy.random._pickle", f"__{kind}_ctor"): Known(call=_generator, state=anything, datum=False)
        for kind in ("randomstate", "generator")
    }
    | {("numpy.random._pickle", "__bit_generator_ctor"): Known(call=_bit_generator, state=anything, datum=False)}
    | {("numpy.random.bit_generator", "__pyx_unpickle_SeedSequence"): _PYX}
    | {("numpy.random.bit_generator", "SeedSequence"): Known(new=no_arguments, state=anything)}
    | {(f"numpy.random._{name.lower()}", name): Known(state=anything) for name in known_names.BIT_GENERATORS}
    | {(module, name): _ESTIMATOR for module, name in known_names.SCIPY}
    | {("scipy._lib.array_api_compat.numpy._aliases", "asarray"): _FUNCTION}
    | _names("xgboost.core", "Booster", _ESTIMATOR)
    | _names("xgboost.sklearn", known_names.XGBOOST, _ESTIMATOR)
    | _names("lightgbm.basic", "Booster", _ESTIMATOR)
    | _names("lightgbm.sklearn", known_names.LIGHTGBM, _ESTIMATOR)
    | {(module, "NumpyArrayWrapper"): _ESTIMATOR for module in known_names.JOBLIB}
    | _names("torch", known_names.TORCH_DTYPES, _PLAIN)
    | _names("torch", known_names.TORCH_STORAGES, _PLAIN)
    | _names("torch.cuda", known_names.TORCH_STORAGES, _PLAIN)
    | _names("torch.storage", "UntypedStorage TypedStorage _UntypedStorage _TypedStorage", _PLAIN)
    | {("torch.storage", "_load_from_bytes"): Known(call=_octets, datum=False)}
    | _names("torch", "Size", Known(call=data))
    | _names("torch", "device", Known(call=_scalars))
    | _names("torch", "Tensor", Known(new=no_arguments))
    | _names("torch._tensor", "Tensor", Known(new=no_arguments))
    | _names("torch.nn.parameter", "Parameter Buffer", Known(new=no_arguments))
    | _names("torch.serialization", "_get_layout", Known(call=_text, datum=False))
    | _names("torch.nn.functional", known_names.TORCH_FUNCTIONS, _FUNCTION)
    | _names(
        "torch._utils",
        "_rebuild_tensor _rebuild_tensor_v2 _rebuild_tensor_v3 _rebuild_qtensor",
        Known(call=_tensor, datum=False),
    )
    | _names("torch._utils", "_rebuild_parameter _rebuild_parameter_with_state", Known(call=_parameter, datum=False))
    | _names(
        "torch._utils",
        "_rebuild_sparse_tensor _rebuild_meta_tensor_no_storage _rebuild_device_tensor_from_numpy _rebuild_nested_tensor",
        Known(call=data, datum=False),
    )
    | _names("torch._tensor", "_rebuild_from_type_v2", Known(call=_typed, datum=False))
    | {
        (f"torch.nn.modules.{module}", name): _ESTIMATOR
        for module, names in known_names.TORCH_MODULES.items()
        for name in names.split()
    }
)
