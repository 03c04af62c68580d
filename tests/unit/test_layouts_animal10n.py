"""ANIMAL-10N: labels in file names, and a clean set from the test pictures."""

import pytest
from samples import dataset_settings
from trees import write_animal10n

from mct.base.errors import UserError
from mct.data.catalogue import build_catalogue, source_digest
from mct.data.layouts.animal10n import Animal10N


def animals(root, **changes: object) -> Animal10N:
    return Animal10N(dataset_settings(layout="animal10n", root=str(root), **changes))


def test_training_is_noisy_and_testing_divided(tmp_path):
    layout = animals(write_animal10n(tmp_path), clean_fraction=0.2)
    rows = {row.key: row for row in layout.rows()}
    assert rows["training/7_001.jpg"][2:8] == (7, -1, True, False, False, False)
    held_out = [row for row in rows.values() if row.key.startswith("testing/")]
    assert all(row.clean + row.validation + row.test == 1 for row in held_out)
    assert all((row.observed, row.true) == (-1, int(row.key[8])) for row in held_out)
    assert layout.sizes() == {"noisy": 20, "clean": 6, "validation": 12, "test": 12}
    members = build_catalogue(layout).members
    assert {name: int(member.sum()) for name, member in members.items()} == layout.sizes()
    assert (len(layout.class_names()), layout.class_names()[9]) == (10, "guinea pig")


def test_a_tenth_of_testing_is_clean_and_the_seed_decides_which(tmp_path):
    root = write_animal10n(tmp_path)
    assert animals(root).sizes()["clean"] == 3
    clean = [
        {row.key for row in animals(root, seed=seed).rows() if row.clean} for seed in (0, 0, 1)
    ]
    assert clean[0] == clean[1] != clean[2]


def test_a_new_picture_changes_the_digest(tmp_path):
    root = write_animal10n(tmp_path)
    before = source_digest(animals(root))
    assert source_digest(animals(root)) == before
    (root / "training/3_new.jpg").write_bytes(b"")
    assert source_digest(animals(root)) != before


@pytest.mark.parametrize("name", ["training/cat.jpg", "testing/10_1.jpg", "training/²_1.jpg"])
def test_a_name_without_label_is_refused(tmp_path, name):
    root = write_animal10n(tmp_path)
    (root / name).write_bytes(b"")
    with pytest.raises(UserError, match=f"{name}: expected a name `<label 0 to 9>_"):
        list(animals(root).rows())


def test_a_missing_folder_is_refused(tmp_path):
    (tmp_path / "training").mkdir()
    with pytest.raises(UserError, match="testing: cannot be listed: No such file"):
        animals(tmp_path).sizes()
