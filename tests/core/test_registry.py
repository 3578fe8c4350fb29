"""Methods by name."""

from bezoar.core.registry import names


def test_a_plugin_is_seen_as_soon_as_its_folder_is_on_the_path(tmp_path, monkeypatch):
    info = tmp_path / "tally-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tally\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[bezoar.detectors]\ntally_of_rows = tally:Tally\n")
    assert "tally_of_rows" not in names("detectors")
    with monkeypatch.context() as change:
        change.syspath_prepend(tmp_path)
        assert names("detectors")["tally_of_rows"] == "tally:Tally"
    assert "tally_of_rows" not in names("detectors")
