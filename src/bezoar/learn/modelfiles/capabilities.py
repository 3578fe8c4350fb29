"""What the names that attacks use can do. Not a list of what is refused, which is all that is not known to be harmless:
it only tells a name that is known to act from one that nobody knows."""

from bezoar.learn.modelfiles.pieces import words

_MODULES = {
    "runs programs": "os posix nt subprocess commands popen2 pty popen pexpect sh plumbum paramiko fabric _osx_support _aix_support",
    "imports or runs code": (
        "importlib imp runpy pkgutil zipimport code codeop py_compile compileall pydoc timeit trace cProfile profile "
        "pdb bdb doctest unittest pytest _pytest idlelib lib2to3 venv ensurepip pip setuptools distutils pkg_resources "
        "marshal types _imp IPython ast inspect cgitb turtledemo torch.utils.bottleneck torch.utils.collect_env "
        "torch.utils._config_module torch.utils.data.datapipes torch.testing cffi ctypes _ctypes numba.core torch.jit torch.package torch.fx "
        "torch.utils.cpp_extension torch._dynamo torch._inductor numpy.f2py numpy.distutils numpy.testing "
        "transformers.dynamic_module_utils"
    ),
    "loads pickles": "pickle _pickle cPickle dill cloudpickle shelve jsonpickle pickle5 ray.cloudpickle torch.serialization",
    "calls what it is given": (
        "functools _functools operator _operator itertools contextlib concurrent multiprocessing threading _thread "
        "asyncio sched signal atexit weakref gc"
    ),
    "reaches into the interpreter": "sys site sysconfig builtins",
    "reads, writes or removes files": (
        "shutil io _io tempfile glob fileinput pathlib linecache zipfile tarfile sqlite3 dbm mmap logging.handlers "
        "logging.config fsspec"
    ),
    "talks to the network": (
        "socket _socket ssl http urllib urllib2 urllib3 requests httpx aiohttp ftplib smtplib poplib imaplib telnetlib "
        "nntplib xmlrpc socketserver webbrowser antigravity torch.hub torch.distributed huggingface_hub"
    ),
}
_ACTS = {
    "runs programs": "system popen Popen spawn spawnl spawnv execv execve check_output check_call getoutput fork run_cmd _get_command_stdout _read_output",
    "imports or runs code": (
        "eval exec execfile compile __import__ import_module run_path run_module runstring load_source CodeType "
        "FunctionType LambdaType load_module reduce_graph_module resolve_name locate getlincoef execWrapper runctx runcode"
    ),
    "reaches into other objects": (
        "getattr setattr delattr globals locals vars attrgetter itemgetter methodcaller __getattribute__ __globals__ "
        "__builtins__ __subclasses__ __reduce__ __reduce_ex__ __dict__ __class__"
    ),
    "calls what it is given": "apply partial reduce map filter starmap",
    "loads pickles": "loads read_pickle Unpickler unpickle load_pickle unpickle_lazy",
    "loads other files, pickles among them": "load load_model load_learner load_from_checkpoint load_state",
    "reads, writes or removes files": "open fromfile memmap tofile rmtree remove unlink savetxt loadtxt genfromtxt FileHandler RotatingFileHandler write_file",
    "stops or breaks into the program": "exit quit breakpoint input help _exit kill abort",
    "talks to the network": "urlopen urlretrieve create_connection",
}
_BY_MODULE = {module: what for what, names in _MODULES.items() for module in names.split()}
_BY_NAME = {name: what for what, names in _ACTS.items() for name in names.split()}
_HARMLESS_IN_BUILTINS = words(
    "abs all any ascii bin bool bytearray bytes callable chr classmethod complex dict dir divmod enumerate float format "
    "frozenset hash hex id int isinstance issubclass iter len list max memoryview min next object oct ord pow print "
    "property range repr reversed round set slice sorted staticmethod str sum super tuple zip Ellipsis "
    "NotImplemented None True False"
)


def capability(module: str, name: str) -> str:
    """What a name is known to be able to do, in a few words; empty where nothing is known.

    Every part of both names counts: ``logging`` with ``os.system`` reaches ``os`` through ``logging``.
    """
    parts = f"{module}.{name}".split(".")
    last = parts[-1]
    if module in ("builtins", "__builtin__") and len(parts) == 2:
        known = _BY_NAME.get(last) or _BY_MODULE["builtins"]
        return "" if last in _HARMLESS_IN_BUILTINS or last.endswith(("Error", "Exception", "Warning")) else known
    for length in (1, 2, 3, 4):
        if what := _BY_MODULE.get(".".join(parts[:length])):
            return what
    if last in _BY_NAME:
        return _BY_NAME[last]
    # A module that is reached through another one.
    return next((_BY_MODULE[part] for part in parts[1:] if part in _REACHED), "")


_REACHED = frozenset(
    module for module in _BY_MODULE if "." not in module and module not in ("code", "types", "signal", "site", "trace")
)
