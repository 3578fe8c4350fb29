"""A package from elsewhere adds a detector: it is found by name, keeps the contract and takes part in an audit."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = Path(__file__).parent / "plugin"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The plugin installed into a folder of its own, outside this environment."""
    folder = tmp_path_factory.mktemp("plugin")
    source = folder / "source"
    source.mkdir()
    for file in PLUGIN.rglob("*"):
        if file.suffix in {".py", ".toml"}:
            copy = source / file.relative_to(PLUGIN)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*command, "--target", str(folder / "site"), str(source)], check=True, capture_output=True)
    return folder / "site"


def run(code, site):
    """What Python prints with the plugin on its path."""
    environment = os.environ | {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_plugin_is_listed_beside_the_built_in_methods(installed):
    code = "from bezoar.cli.main import run; raise SystemExit(run(['list', 'detectors', '--json']))"
    detectors = json.loads(run(code, installed))["detectors"]
    assert detectors["last_loss"] == "Mean loss of a row over the last epochs."
    assert "spectral_signatures" in detectors


def test_a_plugin_keeps_the_shipped_contract(installed):
    code = (
        "from bezoar import checks; from bezoar.core.registry import lookup\n"
        "for check in checks.CHECKS['detectors']: check(lookup('detectors', 'last_loss')); print(check.__name__)"
    )
    assert "ranks_planted_rows_above_the_others" in run(code, installed).split()


def test_a_plugin_takes_part_in_an_audit(installed):
    """Its scores are a column of the report, finite, one for each row."""
    code = (
        "import bezoar, json, numpy as np\n"
        "report = bezoar.audit_data('breast_cancer', detectors=['last_loss'], controls=False)\n"
        "scores = report.rows['last_loss'].to_numpy()\n"
        "print(json.dumps([len(scores), bool(np.isfinite(scores).all())]))"
    )
    assert json.loads(run(code, installed).splitlines()[-1]) == [569, True]


def test_a_plugin_that_takes_a_built_in_name_is_refused_by_name(installed, tmp_path):
    info = tmp_path / "thief-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: thief\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[bezoar.detectors]\nduplicates = bezoar_tally.last_loss:LastLoss\n")
    code = "from bezoar.cli.main import run; raise SystemExit(run(['list', 'detectors']) - 2)"
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{installed}"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr.startswith("bezoar: two detectors are named 'duplicates'")
    assert done.stderr.count("\n") == 1


def test_the_worked_example_for_contributors_is_this_plugin():
    """What CONTRIBUTING.md shows is what these tests install and run."""
    guide = (PLUGIN.parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    shown = {block.strip() for block in re.findall(r"```python\n(.*?)```", guide, flags=re.DOTALL)}
    assert (PLUGIN / "src" / "bezoar_tally" / "last_loss.py").read_text(encoding="utf-8").strip() in shown
    assert 'last_loss = "bezoar_tally.last_loss:LastLoss"' in guide
