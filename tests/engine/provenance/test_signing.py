"""`bezoar sign` and `bezoar verify`: whatever is not as it was signed is named, in one line each."""

import base64
import dataclasses
import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
import torch
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from bezoar import report as reporting
from bezoar.cli.main import run
from bezoar.data import read
from bezoar.engine.models.audit import ModelSettings
from bezoar.engine.models.unexamined import unopened
from bezoar.engine.provenance import envelope
from bezoar.engine.provenance.keys import read_private
from bezoar.learn import saved
from bezoar.learn.modelfiles import scan
from bezoar.learn.networks import build
from bezoar.learn.recipe import Recipe
from bezoar.learn.training import NetworkModel


@pytest.fixture
def signed(model, keys, tmp_path, capsys):
    """The folder with the signatures of `model`."""
    out = tmp_path / "signed"
    assert run(["sign", str(model), "--key", str(keys["key"]), "--out", str(out)]) == 0
    capsys.readouterr()
    return out


@pytest.fixture
def check(model, keys, signed, capsys):
    """Verifies: gives the status and the lines that are said."""

    def verify(*more, key="public"):
        status = run(["verify", str(model), "--key", str(keys[key]), "--signed", str(signed), *more])
        said = capsys.readouterr()
        return status, (said.out + said.err).splitlines()

    return verify


def test_what_was_signed_is_verified(check, model, keys):
    pem = keys["public"].read_bytes()
    assert check() == (0, [f"verified: model model: 4 files; key {hashlib.sha256(pem).hexdigest()[:16]}..."])
    model.rename(model.with_name("elsewhere"))
    (model.parent / "model").symlink_to("elsewhere")
    assert check()[0] == 0, "a model may be moved and renamed"


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        (lambda model: (model / "weights.bin").write_bytes(b"Weights"), ["changed: weights.bin"]),
        (lambda model: (model / "part" / "more.bin").unlink(), ["removed: part/more.bin"]),
        (lambda model: (model / "config.json").write_text("{}"), ["added: config.json"]),
        (lambda model: (model / "part" / ".git").write_text("{}"), ["added: part/.git"]),
        (lambda model: (model / ".gitattributes").write_text(""), ["added: .gitattributes"]),
        (
            lambda model: (model / "link").symlink_to("weights.bin"),
            ["added: link: is a link, which is not followed"],
        ),
        (
            lambda model: ((model / "part.txt").unlink(), (model / "part.txt").symlink_to("weights.bin")),
            ["changed: part.txt: is a link, which is not followed"],
        ),
        (
            lambda model: (model / "part" / "out").symlink_to("/"),
            ["added: part/out: is a link, which is not followed"],
        ),
        (lambda model: os.mkfifo(model / "pipe"), ["added: pipe: is neither a file nor a folder"]),
        (
            lambda model: (model / "weights.bin").rename(model / "w\n.bin"),
            ["removed: weights.bin", "added: w\\x0a.bin"],
        ),
    ],
)
def test_every_file_that_differs_is_named_once(check, model, change, lines):
    """Status 1. Nothing outside of the folder is read, and nothing waits for a pipe."""
    change(model)
    status, said = check()
    assert (status, said[:-1]) == (1, lines)
    assert said[-1].startswith(f"NOT verified ({len(lines)} found): model model")


def test_a_model_that_is_one_file_may_be_renamed_but_not_changed(tmp_path, keys, capsys):
    file, out = tmp_path / "model.npy", tmp_path / "signed"
    np.save(file, np.arange(4))
    assert run(["sign", str(file), "--key", str(keys["key"]), "--out", str(out)]) == 0
    renamed = file.rename(tmp_path / "other.npy")
    arguments = ["verify", str(renamed), "--key", str(keys["public"]), "--signed", str(out)]
    assert run(arguments) == 0
    renamed.write_bytes(renamed.read_bytes() + b"\0")
    capsys.readouterr()
    assert run(arguments) == 1
    assert capsys.readouterr().out.splitlines()[0] == "changed: other.npy"


def edited(path, change):
    """Changes the payload of an envelope, or of the envelope in a bundle, and leaves its signature."""
    value = json.loads(path.read_text())
    envelope = value.get("dsseEnvelope", value)
    said = json.loads(base64.b64decode(envelope["payload"]))
    change(said)
    envelope["payload"] = base64.b64encode(json.dumps(said).encode()).decode()
    path.write_text(json.dumps(value))


@pytest.mark.parametrize("file", ["model.sig", "model.intoto.json"])
def test_a_tampered_statement_is_not_believed(check, signed, file):
    edited(signed / file, lambda said: said["subject"][0].update(name="mine"))
    status, said = check()
    assert (status, said[0]) == (
        1,
        f"not signed: {file}: was changed since it was signed: no signature of public fits it",
    )


@pytest.mark.parametrize("file", ["model.sig", "model.intoto.json"])
def test_a_signature_of_other_bytes_does_not_fit(check, signed, file):
    """One bit of the signature itself."""
    value = json.loads((signed / file).read_text())
    signature = value.get("dsseEnvelope", value)["signatures"][0]
    raw = bytearray(base64.b64decode(signature["sig"]))
    raw[-1] ^= 1
    signature["sig"] = base64.b64encode(raw).decode()
    (signed / file).write_text(json.dumps(value))
    assert check()[0] == 1


def test_another_key_is_named(check, keys):
    status, said = check(key="other_public")
    own, other = (hashlib.sha256(keys[name].read_bytes()).hexdigest()[:16] for name in ("public", "other_public"))
    why = f"was signed with another key ({own}...) than other_public ({other}...)"
    assert (status, said[:2]) == (1, [f"not signed: {file}: {why}" for file in ("model.sig", "model.intoto.json")])


def test_a_forged_name_of_the_key_changes_nothing(check, signed, keys, model, tmp_path, capsys):
    """Somebody signs with their own key and writes the fingerprint of the right one beside it."""
    forged = tmp_path / "forged"
    run(["sign", str(model), "--key", str(keys["other"]), "--out", str(forged)])
    value = json.loads((forged / "model.sig").read_text())
    value["verificationMaterial"] = json.loads((signed / "model.sig").read_text())["verificationMaterial"]
    (signed / "model.sig").write_text(json.dumps(value))
    capsys.readouterr()
    status, said = check()
    assert (status, said[0].split(":")[:2]) == (1, ["not signed", " model.sig"])


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda out: (out / "bom.cdx.json").unlink(), "removed: bom.cdx.json"),
        (
            lambda out: (out / "bom.cdx.json").write_text((out / "bom.cdx.json").read_text().replace("safe", "best")),
            "changed: bom.cdx.json",
        ),
        (lambda out: (out / "audit.json").write_text("{}"), "added: audit.json"),
        (
            lambda out: (out / "model.intoto.json").unlink(),
            "removed: model.intoto.json: so no signature covers bom.cdx.json",
        ),
    ],
)
def test_what_lies_beside_is_signed_too(check, signed, change, line):
    change(signed)
    status, said = check()
    assert (status, said[0]) == (1, line)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"mediaType": "x"}', b"[" * 100_000])
@pytest.mark.parametrize("file", ["model.sig", "model.intoto.json", "bom.cdx.json"])
def test_what_is_no_statement_is_one_line(check, signed, file, content):
    """Status 2 where there is nothing to compare with; a bill of materials that reads but differs has changed."""
    (signed / file).write_bytes(content)
    status, said = check()
    assert status == (1 if file == "bom.cdx.json" else 2)
    assert file in said[0]
    assert status == 1 or len(said) == 1


@pytest.mark.parametrize(
    ("key", "more", "line"),
    [
        ("public", [], "is a public key"),
        ("rsa", [], "is no elliptic-curve key"),
        ("curve", [], "is on the curve secp256k1"),
        ("noise", [], "no private key"),
        ("encrypted", [], "--passphrase-file"),
        ("encrypted", ["--passphrase-file", "wrong_passphrase"], "passphrase is wrong"),
        ("key", ["--passphrase-file", "passphrase"], "is not encrypted"),
        ("nowhere", [], "cannot be opened"),
        (".", [], "is a folder"),
    ],
)
def test_a_key_that_cannot_sign_is_one_line(model, keys, tmp_path, capsys, key, more, line):
    more = [str(keys.get(each, each)) for each in more]
    out = tmp_path / "out"
    assert run(["sign", str(model), "--key", str(keys.get(key, tmp_path / key)), "--out", str(out), *more]) == 2
    said = capsys.readouterr().err
    assert line in said
    assert said.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("key", "is a private key"),
        ("rsa_public", "is no elliptic-curve key"),
        ("curve_public", "is on the curve secp256k1"),
        ("noise", "no public key"),
    ],
)
def test_a_key_that_cannot_verify_is_one_line(check, key, line):
    status, said = check(key=key)
    assert (status, len(said)) == (2, 1)
    assert line in said[0]


def test_an_encrypted_key_signs_with_its_passphrase(model, keys, tmp_path):
    out = tmp_path / "out"
    secret = ["--passphrase-file", str(keys["passphrase"])]
    assert run(["sign", str(model), "--key", str(keys["encrypted"]), "--out", str(out), *secret]) == 0
    assert run(["verify", str(model), "--key", str(keys["public"]), "--signed", str(out)]) == 0


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda model: (model / "link").symlink_to("weights.bin"), "link: is a link"),
        (lambda model: (model / "part" / "up").symlink_to(".."), "part/up: is a link"),
        (lambda model: os.mkfifo(model / "pipe"), "pipe: is neither a file nor a folder"),
        (lambda model: (model / "a\nb").write_text(""), "not printable"),
        (lambda model: (model / os.fsdecode(b"\xff")).write_text(""), "not printable"),
        (lambda model: [path.unlink() for path in model.rglob("*") if path.is_file()], "holds no file"),
    ],
)
def test_what_cannot_be_vouched_for_is_not_signed(model, keys, tmp_path, capsys, change, line):
    change(model)
    assert run(["sign", str(model), "--key", str(keys["key"]), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert line in said
    assert said.count("\n") == 1


def test_a_private_key_is_not_signed_with_the_model(model, keys, tmp_path, capsys):
    (model / "key.pem").write_bytes(keys["key"].read_bytes())
    assert run(["sign", str(model), "--key", str(model / "key.pem"), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "lies in the model" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["sign"], "name a MODEL"),
        (["verify"], "name a MODEL"),
        (["sign", "nowhere"], "no such file"),
        (["verify", "nowhere"], "no such file"),
        (["verify", "."], "was not signed here"),
        (["verify", "--data", "breast_cancer"], "no data set was signed here"),
        (["sign", ".", "--out", "inside"], "lies in the data itself"),
        (["sign", ".", "--report", "nowhere"], "no report"),
    ],
)
def test_wrong_usage_is_one_line(keys, tmp_path, monkeypatch, capsys, arguments, line):
    (tmp_path / "file").write_text("x")
    monkeypatch.chdir(tmp_path)
    key = keys["key" if arguments[0] == "sign" else "public"]
    assert run([*arguments, "--key", str(key)]) == 2
    said = capsys.readouterr().err
    assert line in said
    assert said.count("\n") == 1


def openssf(*arguments):
    """OpenSSF's own program, with nothing to reach the network by."""
    block = "import socket, ssl; socket.socket.connect = None; from model_signing._cli import main; main()"
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", block, *arguments], capture_output=True, text=True, check=False
    )


def test_the_bundle_is_what_openssf_verifies_and_the_other_way_round(model, signed, keys, check, tmp_path):
    """model-signing 1.1.1 is the oracle. What its signer left out is told."""
    key = ["--public_key", str(keys["public"])]
    bundle = ["--signature", str(signed / "model.sig")]
    assert openssf("verify", "key", str(model), *bundle, *key).returncode == 0
    (model / ".gitattributes").write_text("")
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    bundle = ["--signature", str(theirs / "model.sig")]
    assert openssf("sign", "key", str(model), *bundle, "--private_key", str(keys["key"])).returncode == 0
    assert run(["verify", str(model), "--key", str(keys["public"]), "--signed", str(theirs)]) == 0
    (model / "weights.bin").write_bytes(b"Weights")
    assert run(["verify", str(model), "--key", str(keys["public"]), "--signed", str(theirs)]) == 1
    assert openssf("verify", "key", str(model), *bundle, *key).returncode != 0


def test_the_envelope_follows_dsse(signed, keys):
    """The signature is over `DSSEv1 SP LEN(type) SP type SP LEN(body) SP body` (DSSE 1.0), checked here by itself."""
    envelope = json.loads((signed / "model.intoto.json").read_text())
    body, kind = base64.b64decode(envelope["payload"]), envelope["payloadType"]
    key = serialization.load_pem_public_key(keys["public"].read_bytes())
    message = f"DSSEv1 {len(kind)} {kind} {len(body)} ".encode() + body
    key.verify(base64.b64decode(envelope["signatures"][0]["sig"]), message, ec.ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        key.verify(base64.b64decode(envelope["signatures"][0]["sig"]), body, ec.ECDSA(hashes.SHA256()))
    said = json.loads(body)
    assert (said["_type"], said["predicateType"]) == ("https://in-toto.io/Statement/v1", "https://cyclonedx.org/bom")
    assert {subject["name"]: subject["digest"] for subject in said["subject"]}["weights.bin"] == {
        "sha256": hashlib.sha256(b"weights").hexdigest()
    }


TABLE = pa.table({"x": [1.5, 2.5, 3.5, 4.5], "label": ["a", "b", "a", "b"], "id": ["p", "q", "r", "s"]})


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "train.csv"
    pyarrow.csv.write_csv(TABLE, path)
    return path


@pytest.fixture
def check_data(table, keys, tmp_path, capsys):
    """Signs the table as it is, writes another in its place, verifies that."""

    def verify(other, *more):
        out = tmp_path / "signed"
        assert run(["sign", "--data", str(table), "--key", str(keys["key"]), "--out", str(out), *more]) == 0
        pyarrow.csv.write_csv(other, table)
        capsys.readouterr()
        status = run(["verify", "--data", str(table), "--key", str(keys["public"]), "--signed", str(out)])
        said = capsys.readouterr()
        return status, (said.out + said.err).splitlines()

    return verify


def test_rows_that_differ_are_named(check_data):
    other = pa.table({"x": [1.5, 2.75, 3.5, 5.5], "label": ["a", "b", "b", "b"], "id": ["p", "q", "r", "t"]})
    status, said = check_data(other)
    assert (status, said[:-1]) == (1, ["row added: t", "row removed: s", "row changed: q", "row relabelled: r"])


def test_the_same_rows_are_verified(check_data):
    status, said = check_data(TABLE)
    assert status == 0
    assert said[0].startswith("verified: data train.csv: 4 rows, root ")


def test_rows_in_another_order_are_another_set(check_data):
    status, said = check_data(TABLE.take([1, 0, 2, 3]))
    assert (status, said[0]) == (1, "changed: train.csv: its rows stand in another order")


@pytest.mark.parametrize(("change", "kind"), [("edit", "changed"), ("unlink", "removed")])
def test_without_the_signed_manifest_rows_are_not_named_but_still_told_to_differ(
    check_data, table, keys, tmp_path, capsys, change, kind
):
    """An attacker who edits rows and their manifest alike is found by the signed root."""
    check_data(TABLE)
    manifest = tmp_path / "signed" / "data.manifest.json"
    pyarrow.csv.write_csv(TABLE.slice(0, 3), table)
    manifest.unlink()
    if change == "edit":
        assert run(["manifest", "write", str(table), "--out", str(manifest)]) == 0
    capsys.readouterr()
    arguments = ["--data", str(table), "--key", str(keys["public"]), "--signed", str(tmp_path / "signed")]
    assert run(["verify", *arguments]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"changed: train.csv: its root is {read(table).merkle_root}")
    assert said[1].startswith(f"{kind}: data.manifest.json")


def test_the_statement_about_a_set_has_its_merkle_root(check_data, tmp_path, table):
    check_data(TABLE)
    payload = json.loads((tmp_path / "signed" / "data.intoto.json").read_text())["payload"]
    subjects = json.loads(base64.b64decode(payload))["subject"]
    assert subjects[0] == {"name": "train.csv", "digest": {"bezoarMerkleRoot": read(table).merkle_root}}


@pytest.fixture
def report(model, tmp_path):
    """A report on one file of the model."""
    file = model / "weights.bin"
    (found,) = scan(file)
    report = unopened(file, found, read("digits"), ModelSettings(), "Not looked at.")
    reporting.write(report, tmp_path / "report", ["json"])
    return tmp_path / "report"


def test_model_data_and_report_are_signed_together(model, table, report, keys, tmp_path, capsys):
    out = tmp_path / "all"
    given = [str(model), "--data", str(table)]
    assert run(["sign", *given, "--report", str(report), "--key", str(keys["key"]), "--out", str(out)]) == 0
    arguments = ["verify", *given, "--key", str(keys["public"]), "--signed", str(out)]
    assert run(arguments) == 0
    bom = (out / "bom.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bom) is None
    assert json.loads((out / "audit.json").read_text()) == json.loads((report / "report.json").read_text())
    (out / "audit.json").write_text((out / "audit.json").read_text().replace("failed", "clean"))
    capsys.readouterr()
    assert run(arguments) == 1
    assert capsys.readouterr().out.splitlines()[0] == "changed: audit.json"


def test_the_bill_of_materials_names_files_training_set_and_audit(model, table, report, keys, tmp_path):
    out = tmp_path / "all"
    given = [str(model), "--data", str(table), "--report", str(report)]
    run(["sign", *given, "--key", str(keys["key"]), "--out", str(out)])
    bom = json.loads((out / "bom.cdx.json").read_text())
    component, (data,) = bom["metadata"]["component"], bom["components"]
    assert component["type"] == "machine-learning-model"
    assert {part["name"] for part in component["components"]} == {".hidden", "part.txt", "part/more.bin", "weights.bin"}
    assert component["modelCard"]["modelParameters"]["datasets"] == [{"ref": data["bom-ref"]}]
    assert {"name": "bezoar:audit", "value": "failed"} in component["properties"]
    assert data["type"] == "data"
    assert {"name": "bezoar:merkle_root", "value": read(table).merkle_root} in data["properties"]
    digest = hashlib.sha256((out / "data.manifest.json").read_bytes()).hexdigest()
    assert data["externalReferences"][0]["hashes"] == [{"alg": "SHA-256", "content": digest}]


@pytest.mark.parametrize(
    "predicate", [{}, {"metadata": 1, "components": []}, {"metadata": {"component": []}, "components": 7}]
)
def test_a_signed_bill_of_another_form_is_one_line(signed, keys, check, predicate):
    """Signed by the right key, so it is read; written by another program, so it is not understood."""
    statement = envelope.Statement(subject=(), predicate_type="https://cyclonedx.org/bom", predicate=predicate)
    envelope.write_envelope(signed / "model.intoto.json", statement, read_private(keys["key"]))
    status, said = check()
    assert (status, len(said)) == (2, 1)


def test_the_card_of_a_network_that_says_what_it_is_goes_into_the_bill(keys, tmp_path):
    network = build("conv", channels=1, classes=2, side=8)
    model = NetworkModel(
        network=network,
        mean=torch.zeros(1),
        std=torch.ones(1),
        recipe=Recipe(architecture="conv"),
        size=(8, 8),
        device=torch.device("cpu"),
    )
    file = saved.save(tmp_path / "model.safetensors", model, ("cat", "dog"))
    run(["sign", str(file), "--key", str(keys["key"]), "--out", str(tmp_path / "out")])
    bom = (tmp_path / "out" / "bom.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bom) is None
    component = json.loads(bom)["metadata"]["component"]
    assert component["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(file.read_bytes()).hexdigest()}]
    assert component["modelCard"]["modelParameters"]["modelArchitecture"] == "conv"
    assert component["modelCard"]["modelParameters"]["outputs"] == [{"format": "log-probabilities of 2 classes"}]


def test_a_report_about_something_else_is_refused(model, table, report, keys, tmp_path, capsys):
    (model / "weights.bin").write_bytes(b"others")
    given = [str(model), "--report", str(report), "--key", str(keys["key"]), "--out", str(tmp_path / "out")]
    assert run(["sign", *given]) == 2
    assert "the report is about another model: weights.bin" in capsys.readouterr().err


def test_a_report_about_another_set_is_refused(table, report, keys, tmp_path, capsys):
    document = reporting.document.load(report)
    reporting.write(dataclasses.replace(document, kind="data", model=None), tmp_path / "of_data", ["json"])
    given = ["--data", str(table), "--report", str(tmp_path / "of_data"), "--key", str(keys["key"])]
    assert run(["sign", *given, "--out", str(tmp_path / "out")]) == 2
    assert "the report is about another data set: digits" in capsys.readouterr().err


def test_verifying_as_json_is_one_object(check, model):
    (model / "config.json").write_text("{}")
    status, said = check("--json")
    assert status == 1
    assert json.loads("\n".join(said))["differences"] == [{"kind": "added", "what": "config.json", "why": ""}]


def test_without_the_extra_it_is_one_line(keys, model):
    """As where cryptography is not installed."""
    probe = (
        "import sys; sys.modules['cryptography'] = None; from bezoar.cli.main import run; sys.exit(run(sys.argv[1:]))"
    )
    arguments = ["verify", str(model), "--key", str(keys["public"])]
    done = subprocess.run([sys.executable, "-c", probe, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'bezoar[signing]'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_verifying_a_model_does_not_import_torch(check, model, keys, signed):
    probe = (
        "import sys; from bezoar.cli.main import run; status = run(sys.argv[1:]);"
        "sys.exit('torch' if 'torch' in sys.modules else status)"
    )
    arguments = ["verify", str(model), "--key", str(keys["public"]), "--signed", str(signed)]
    done = subprocess.run([sys.executable, "-c", probe, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
