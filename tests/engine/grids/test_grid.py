"""What a person may ask for, and how a mistake is told."""

import pytest

from bezoar.core.errors import InputError, ParameterError, UsageError
from bezoar.engine.grids.grid import make_grid, read_grid


def written(tmp_path, text):
    path = tmp_path / "grid.yaml"
    path.write_text(text)
    return path


def test_names_come_with_or_without_hyperparameters(tmp_path):
    grid = read_grid(
        written(
            tmp_path,
            "data: [digits]\nattacks:\n- none\n- badnets: {size: 5}\n- blended:\nrates: [.01, 0.1]\nseeds: 3\n"
            "detectors: [{knn_disagreement: {k: 5}}, audit]\nrecipe: {epochs: 2}\n",
        )
    )
    assert [(each.name, dict(each.settings)) for each in grid.attacks] == [
        ("none", {}),
        ("badnets", {"size": 5}),
        ("blended", {}),
    ]
    assert [(each.name, dict(each.settings)) for each in grid.detectors] == [
        ("knn_disagreement", {"k": 5}),
        ("audit", {}),
    ]
    assert grid.rates == (0.01, 0.1)
    assert grid.seeds == (0, 1, 2)


def test_flags_go_before_the_file(tmp_path):
    path = written(tmp_path, "data: [digits]\nattacks: [badnets]\nseeds: [4, 9]\n")
    assert read_grid(path).seeds == (4, 9)
    assert read_grid(path, {"seeds": 2}).seeds == (0, 1)


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("data: [digits]\nattack: [badnets]\n", UsageError, "no key 'attack'. Did you mean attacks?"),
        ("data: [digits]\n", ParameterError, "`attacks`: field required."),
        ("data: [digits]\nattacks: []\n", ParameterError, "`attacks`: "),
        ("data: [digits]\nattacks: [badnets]\nrates: [1.5]\n", ParameterError, "`rates.0`: .* Got '1.5'"),
        ("data: [digits]\nattacks: [badnets]\nrates: [0]\n", ParameterError, "`rates.0`: .* Got '0'"),
        ("data: [digits]\nattacks: [badnets]\nseeds: 0\n", ParameterError, "`seeds`: must be a number of seeds"),
        ("data: [digits]\nattacks: [badnets]\nseeds: [-1]\n", ParameterError, "`seeds.0`: "),
        ("data: [digits]\nattacks: [{badnets: 5}]\n", ParameterError, "`attacks.0`: must be a name"),
        ("data: [digits]\nattacks: [{a: {}, b: {}}]\n", ParameterError, "`attacks.0`: must be a name"),
        ("data: &d [digits]\nattacks: *d\n", InputError, "YAML aliases are not taken"),
        ("- digits\n", InputError, "must hold keys"),
        ("", InputError, "must hold keys"),
        ("data: [", InputError, "not YAML"),
        ("data: !!python/object/apply:os.system [true]\n", InputError, "not YAML"),
        ("[" * 500_000, InputError, "not a grid: nested more than 10 deep"),
        ("\x00", InputError, "not YAML"),
        ("x" * (2**20 + 1), InputError, "1,048,577 bytes is over the limit"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_file(tmp_path, text, error, said):
    path = written(tmp_path, text)
    with pytest.raises(error, match=rf"grid\.yaml: {said}") as raised:
        read_grid(path)
    assert len(str(raised.value).splitlines()) == 1


def test_flags_that_do_not_fit_are_told_likewise():
    with pytest.raises(ParameterError, match=r"^options: `rates.0`: .* Got 'much'\.$"):
        make_grid({"data": ["digits"], "attacks": ["badnets"], "rates": ["much"]}, where="options")
