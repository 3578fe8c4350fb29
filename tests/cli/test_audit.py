"""`bezoar audit data`, as a person or a gate meets it."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bezoar.cli.main import run
from bezoar.data import read
from bezoar.engine import audit as engine
from bezoar.engine import parts
from bezoar.learn.recipe import Recipe

WRITTEN = {"index.html", "junit.xml", "report.json", "report.md", "report.sarif", "rows.parquet"}
FAST = ("--no-controls", "--detectors", "confident_learning", "--quiet")


@pytest.fixture(autouse=True)
def one_epoch(monkeypatch):
    """Networks that are trained as little as can be."""
    monkeypatch.setattr(engine, "default_recipe", lambda rows: Recipe(epochs=1))


@pytest.fixture
def audited(tmp_path):
    """Audits into a folder of its own and gives the status."""

    def go(data, *options, out=tmp_path / "out"):
        return run(["audit", "data", str(data), "--out", str(out), *FAST, *options])

    return go


@pytest.fixture
def flipped(tmp_path):
    """400 rows of two easily told classes, 20 of them with a wrong label, all from one supplier."""
    rng = np.random.default_rng(0)
    true = rng.integers(0, 2, 400)
    labels = true.copy()
    labels[:20] = 1 - labels[:20]
    file = tmp_path / "flipped.parquet"
    columns = {
        "a": true * 6 + rng.normal(size=400),
        "b": true * 6 + rng.normal(size=400),
        "label": [f"class {label}" for label in labels],
        "source": ["crowd"] * 40 + ["archive"] * 360,
    }
    pq.write_table(pa.table(columns), file)
    return file


@pytest.fixture
def clean(tmp_path):
    """400 rows of two classes that lie far apart."""
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 2
    file = tmp_path / "clean.parquet"
    pq.write_table(pa.table({"a": labels * 40 + rng.normal(size=400), "label": labels}), file)
    return file


def report(tmp_path):
    return json.loads((tmp_path / "out" / "report.json").read_text())


class TestStatus:
    def test_0_where_nothing_was_found(self, audited, clean):
        assert audited(clean) == 0

    @pytest.mark.parametrize(
        ("gate", "status"), [("low", 1), ("medium", 1), ("high", 1), ("critical", 0), ("never", 0)]
    )
    def test_1_where_a_finding_reaches_the_gate(self, audited, flipped, gate, status):
        """5 % of wrong labels are of high severity."""
        assert audited(flipped, "--fail-on", gate) == status

    def test_1_is_for_high_findings_where_no_gate_is_named(self, audited, flipped):
        assert audited(flipped) == 1

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (["--format", "html,pdf"], "`formats` must be among json, html, sarif, junit, md. Got 'pdf'."),
            (["--detectors", "nonsense"], "no detector named 'nonsense'. There are: activation_clustering"),
            (["--detectors", ""], "no detector named ''"),
            (["--device", "abacus"], "`device` must be auto, cpu, cuda or mps. Got 'abacus'."),
            (["--fail-on", "sometimes"], "Invalid value for '--fail-on'"),
            (["--label", "nonsense"], "no column nonsense in clean.parquet. Columns: a, label."),
            (["--trusted", "digits"], "digits: trusted rows must be of the kind table. Got image."),
            (["--trusted", "nowhere"], "nowhere: no such file, folder or built-in set"),
            (["--model", "nowhere:model"], "model nowhere:model cannot be imported"),
            (["--weights", "nowhere.bin"], "`weights` belong to a `model`. Name one."),
        ],
    )
    def test_2_for_a_request_that_cannot_be_met_in_one_line(self, audited, clean, tmp_path, capsys, options, said):
        assert audited(clean, *options) == 2
        captured = capsys.readouterr()
        assert captured.err.startswith(f"bezoar: {said}")
        assert captured.err.count("\n") == 1
        assert captured.out == ""
        assert not WRITTEN & {path.name for path in tmp_path.glob("out/*")}

    def test_3_where_a_row_could_not_be_read_and_1_where_something_was_found_besides(self, audited, flipped, tmp_path):
        for source, status in ((flipped, 1), (tmp_path / "clean.parquet", 3)):
            if not source.exists():
                labels = np.arange(400) % 2
                cells = {"a": labels * 40 + np.random.default_rng(0).normal(size=400), "label": labels}
                pq.write_table(pa.table(cells), source)
            rows = pq.read_table(source)
            labels = pa.array([None, *rows["label"].to_pylist()[1:]], rows["label"].type)
            pq.write_table(rows.set_column(rows.column_names.index("label"), "label", labels), source)
            assert audited(source) == status
            assert report(tmp_path)["dataset"]["unread"] == 1

    def test_3_where_a_detector_failed_also_where_findings_never_fail(self, audited, clean, monkeypatch, tmp_path):
        class Broken:
            needs = ()

            def score(self, trace):
                raise RuntimeError("no luck")

        real = parts.lookup
        monkeypatch.setattr(parts, "lookup", lambda g, n: Broken if n == "loss_dynamics" else real(g, n))
        assert audited(clean, "--detectors", "loss_dynamics,confident_learning", "--fail-on", "never") == 3
        failed = [check for check in report(tmp_path)["checks"] if check["status"] == "failed"]
        assert failed == [
            {"name": "detector loss_dynamics", "status": "failed", "detail": "RuntimeError: no luck", "codes": []}
        ]

    def test_3_where_the_folder_for_the_report_is_a_file(self, audited, clean, tmp_path, capsys):
        (tmp_path / "out").write_text("in the way")
        assert audited(clean) == 3
        assert capsys.readouterr().err.count("\n") == 1


class TestFolder:
    def test_all_formats_are_written_by_default_and_nothing_else_is_left(self, audited, clean, tmp_path):
        audited(clean)
        assert {path.name for path in (tmp_path / "out").iterdir()} == WRITTEN

    def test_only_the_formats_asked_for_are_written_and_the_rows(self, audited, clean, tmp_path):
        audited(clean, "--format", " json, md ")
        assert {path.name for path in (tmp_path / "out").iterdir()} == {"report.json", "report.md", "rows.parquet"}

    def test_an_old_report_is_gone_before_an_audit_that_fails(self, audited, clean, tmp_path):
        audited(clean, "--clean")
        (tmp_path / "out" / "evaluation.html").write_text("of the old report")
        (tmp_path / "out" / ".report.json.0123456789abcdef.tmp").write_text("half of an older one")
        (tmp_path / "out" / "mine.txt").write_text("not ours")
        clean.write_bytes(b"PAR1 broken")
        assert audited(clean) == 2
        left = {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()}
        assert left == {"mine.txt"}

    def test_a_folder_inside_the_data_is_refused(self, tmp_path, clean, capsys):
        folder = tmp_path / "set"
        folder.mkdir()
        clean.rename(folder / "clean.parquet")
        for out in (folder, folder / "report"):
            assert run(["audit", "data", str(folder), "--out", str(out), *FAST]) == 2
            assert "never written to" in capsys.readouterr().err
        assert [path.name for path in folder.iterdir()] == ["clean.parquet"]

    def test_a_set_that_an_earlier_audit_wrote_is_not_thrown_away_with_its_report(
        self, audited, clean, tmp_path, capsys
    ):
        audited(clean, "--clean")
        kept = tmp_path / "out" / "clean"
        before = (kept / "data.parquet").read_bytes()
        for spec, more in ((kept, ()), (kept / "data.parquet", ()), (clean, ("--trusted", str(kept)))):
            assert audited(spec, *more) == 2
            assert "never written to" in capsys.readouterr().err
        assert (kept / "data.parquet").read_bytes() == before

    def test_the_clean_set_is_the_audited_one_without_its_flagged_rows(self, audited, flipped, tmp_path):
        audited(flipped, "--clean")
        rows = pq.read_table(tmp_path / "out" / "rows.parquet")
        kept = [row["id"] for row in rows.to_pylist() if not row["flagged"]]
        assert 375 <= len(kept) < 400
        assert read(tmp_path / "out" / "clean").ids.tolist() == kept


class TestOutput:
    def test_json_puts_one_object_on_standard_output_and_nothing_else_anywhere(self, tmp_path, clean, capsys):
        out = tmp_path / "out"
        options = ["--no-controls", "--detectors", "confident_learning", "--json"]
        assert run(["audit", "data", str(clean), "--out", str(out), *options]) == 0
        captured = capsys.readouterr()
        assert json.loads(captured.out) == json.loads((out / "report.json").read_text())
        assert captured.err == ""

    def test_quiet_prints_nothing(self, audited, flipped, capsys):
        audited(flipped)
        assert capsys.readouterr() == ("", "")

    def test_the_verdict_goes_to_standard_output_and_progress_to_standard_error(self, tmp_path, flipped, capsys):
        run(["audit", "data", str(flipped), "--out", str(tmp_path / "out"), *FAST[:3]])
        captured = capsys.readouterr()
        assert "BZ102" in captured.out
        assert captured.err.splitlines()[:2] == ["training ...", "training done"]

    def test_without_controls_the_report_says_that_its_power_is_unknown(self, audited, clean, tmp_path):
        audited(clean)
        assert report(tmp_path)["power"] is None
        assert "unknown" in (tmp_path / "out" / "report.md").read_text()


class TestRecord:
    def test_it_holds_the_command_line_and_tells_given_from_default(self, audited, clean, tmp_path):
        audited(clean, "--seed", "0")
        record = report(tmp_path)["run"]
        assert record["command"] == (
            f"bezoar audit data {clean} --out {tmp_path / 'out'} --no-controls --detectors confident_learning --quiet "
            "--seed 0"
        )
        assert record["arguments"] == {
            "data": str(clean),
            "out": str(tmp_path / "out"),
            "controls": False,
            "detectors": "confident_learning",
            "quiet": True,
            "seed": 0,
        }
        assert record["defaults"]["fail_on"] == "high"
        assert record["defaults"]["device"] == "auto"
        assert not record["arguments"].keys() & record["defaults"].keys()

    def test_passwords_are_left_out_and_long_and_odd_arguments_made_readable(self, audited, tmp_path):
        labels = np.arange(400) % 2
        odd = {
            "https://me:secret@host/x": labels,
            "a\x1b[31m\nb": labels,
            "y" * 5_000: labels,
            "c": labels,
            "label": labels,
        }
        pq.write_table(pa.table(odd), tmp_path / "odd.parquet")
        dropped = [part for name in list(odd)[:3] for part in ("--drop", name)]
        assert audited(tmp_path / "odd.parquet", *dropped) == 0
        text = (tmp_path / "out" / "report.json").read_text()
        record = json.loads(text)["run"]
        assert record["arguments"]["drop"][:2] == ["https://***@host/x", "a\\x1b[31m\\nb"]
        assert len(record["arguments"]["drop"][2]) == 200
        assert "secret" not in record["command"]
        assert record["command"].isprintable()


def test_a_trusted_set_is_read_with_the_same_roles_and_recorded(audited, clean, tmp_path):
    assert audited(clean, "--trusted", str(clean), "--label", "label") == 0
    record = report(tmp_path)["run"]
    assert record["trusted"]
    assert record["arguments"]["trusted"] == str(clean)


def test_images_are_audited_too(audited, tmp_path):
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 2
    images = (rng.integers(0, 60, (120, 8, 8)) + 150 * labels[:, None, None]).astype(np.uint8)
    np.savez(tmp_path / "set.npz", images=images, labels=labels)
    assert audited(tmp_path / "set.npz") in (0, 3)
    assert report(tmp_path)["dataset"]["modality"] == "image"


def test_a_persons_own_model_is_imported_by_name_and_recorded(audited, clean, tmp_path, monkeypatch):
    (tmp_path / "my_bank.py").write_text(
        "import numpy as np\ndef predict(rows):\n    return np.full((len(rows), 2), 0.5)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert audited(clean, "--model", "my_bank:predict") == 0
    assert report(tmp_path)["run"]["arguments"]["model"] == "my_bank:predict"


def test_the_list_of_kinds_of_audit_is_shown_without_one(capsys):
    assert run(["audit"]) == 2
    assert "data" in capsys.readouterr().err
