"""The list of what is known holds what it promises against the libraries themselves."""

import _compat_pickle
import importlib
import inspect
import pkgutil
import warnings

import pytest

from bezoar.learn.modelfiles import known, known_names
from bezoar.learn.modelfiles.capabilities import capability


def modules_of(package):
    """Every module of a package that a pickle may name and that can be imported."""
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}.", onerror=lambda _: None):
        if known._NOT_SKLEARN.search(info.name) or ".experimental" in info.name:
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield importlib.import_module(info.name)
        except (ImportError, SystemExit):
            continue


def test_a_name_of_scikit_learn_means_the_same_in_all_of_its_modules():
    """Names are known wherever in the package they lie, so none may be something else anywhere: a module, or a foreign
    function or class that could act."""
    import sklearn

    strange = {}
    for module in modules_of(sklearn):
        for name in dir(module):
            if known.lookup(module.__name__, name) is None:
                continue
            found = getattr(module, name)
            home = getattr(found, "__module__", "") or ""
            if inspect.ismodule(found) or not home.startswith(("sklearn", "scipy.stats", "scipy.sparse")):
                strange[f"{module.__name__}.{name}"] = home
    assert strange == {}


def test_no_module_of_scikit_learn_is_known_by_name():
    assert known.lookup("sklearn", "svm") is None
    assert known.lookup("sklearn.utils", "os") is None
    assert known.lookup("sklearn.svm._classes", "SVC.fit") is None
    assert known.lookup("sklearn.externals.joblib", "SVC") is None
    assert known.lookup("sklearn.datasets", "SVC") is None
    assert known.lookup("sklearnx.svm", "SVC") is None


def test_renames_of_python_2_turn_nothing_known_into_something_unknown():
    """Loaders of old protocols rename modules and names before they import them."""
    for module, name in known._EXACT:
        renamed = _compat_pickle.NAME_MAPPING.get((module, name), (module, name))
        renamed = (_compat_pickle.IMPORT_MAPPING.get(renamed[0], renamed[0]), renamed[1])
        assert renamed == (module, name) or known.lookup(*renamed) is not None, (module, name)


@pytest.mark.parametrize(("module", "name"), sorted(known._EXACT))
def test_nothing_known_can_act(module, name):
    rule = known.lookup(module, name)
    acts = capability(module, name)
    # Harmless names in modules that hold others.
    expected = {"builtins", "types", "pathlib", "pathlib._local", "numpy.random._pickle", "torch.serialization"}
    assert not acts or module in expected, acts
    assert rule.call is not None or rule.new is not None or rule.datum or module == "copyreg"


def test_every_estimator_of_scikit_learn_is_known():
    from sklearn.utils import all_estimators

    missing = {name for name, cls in all_estimators() if known.lookup(cls.__module__, name) is None}
    assert missing == set()


def test_every_layer_of_torch_that_is_known_exists():
    for module, names in known_names.TORCH_MODULES.items():
        found = importlib.import_module(f"torch.nn.modules.{module}")
        assert [name for name in names.split() if not hasattr(found, name)] == []


@pytest.mark.parametrize(
    "path",
    [
        "os.system", "posix.popen", "subprocess.Popen", "builtins.eval", "importlib.import_module", "logging.os.system",
        "sklearn.utils.os.system", "runpy.run_path", "torch.load", "joblib.load", "numpy.load", "pandas.read_pickle",
        "pickle.loads", "marshal.loads", "types.CodeType", "operator.attrgetter", "functools.partial", "socket.socket",
        "webbrowser.open", "pty.spawn", "idlelib.pyshell.ModifiedInterpreter.runcode", "numpy.testing._private.utils.runstring",
        "torch.utils.collect_env.run", "torch.hub.load", "uuid._get_command_stdout", "numpy.f2py.crackfortran.getlincoef",
        "doctest.debug_script", "cgitb.lookup", "ensurepip._run_pip", "asyncio.unix_events._UnixSubprocessTransport._start",
        "lib2to3.pgen2.pgen.ParserGenerator.make_label", "trace.Trace.run", "pkgutil.resolve_name", "bdb.Bdb.run",
        "code.InteractiveInterpreter.runcode", "cProfile.runctx", "profile.Profile.runctx", "pydoc.pipepager",
        "distutils.file_util.write_file", "linecache.getline", "ssl.get_server_certificate", "_osx_support._read_output",
        "torch.utils.bottleneck.__main__.run_cprofile", "torch.jit.unsupported_tensor_ops.execWrapper",
        "torch._dynamo.guards.GuardBuilder.get", "torch.utils._config_module.ConfigModule.load_config",
    ],
)  # fmt: skip
def test_names_that_attacks_have_used_are_called_by_what_they_do(path):
    module, _, name = path.rpartition(".")
    assert known.lookup(module, name) is None
    assert capability(module, name)
