"""Random crops of pictures whose short side is resized: those of torchvision, cheaply read."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from samples import augment, encode, picture_of
from torchvision.transforms import v2

from mct.base.errors import UserError
from mct.data import images
from mct.data.augmentation import DRAWS, Viewer
from mct.data.images import fit, fitted_shape
from mct.data.settings import ImageSettings
from mct.experiment.cautions import cautions
from mct.experiment.configuration import resolve
from mct.experiment.experiment import Experiment

SIZE, RESIZE = 24, 32
SHAPES = [(32, 32), (32, 45), (50, 32), (100, 61), (20, 27), (33, 97)]


def draws_of(seed: int, height: int, width: int, *, mirrored: bool) -> np.ndarray:
    """Return our random numbers where torchvision, seeded alike, crops a resized picture."""
    torch.manual_seed(seed)
    place = v2.RandomCrop(SIZE).make_params([torch.zeros(3, height, width)])
    draws = np.full(DRAWS, 0.5, np.float32)
    draws[0] = (place["top"] + 0.5) / (height - SIZE + 1)
    draws[1] = (place["left"] + 0.5) / (width - SIZE + 1)
    draws[2] = 0.25 if mirrored else 0.75
    return draws


def torchvision_crop(picture: np.ndarray, seed: int, *, mirrored: bool) -> np.ndarray:
    """Return the picture after Resize, RandomCrop and RandomHorizontalFlip."""
    image = torch.from_numpy(picture).permute(2, 0, 1)
    resized = v2.Resize(RESIZE, antialias=True)(image)
    torch.manual_seed(seed)
    cropped = v2.RandomHorizontalFlip(float(mirrored))(v2.RandomCrop(SIZE)(resized))
    return cropped.permute(1, 2, 0).numpy()


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("seed", range(4))
def test_a_random_crop_is_that_of_torchvision(shape, seed, mirrored):
    picture = picture_of(seed, *shape)
    draws = draws_of(seed, *fitted_shape(*shape, SIZE, RESIZE), mirrored=mirrored)
    ours = augment(picture, SIZE, "random_crop", draws, RESIZE).astype(int)
    theirs = torchvision_crop(picture, seed, mirrored=mirrored).astype(int)
    resized = min(shape) != RESIZE
    np.testing.assert_allclose(ours, theirs, atol=1 if resized else 0)


@given(height=st.integers(1, 400), width=st.integers(1, 400), resize=st.integers(1, 300))
def test_pictures_are_resized_to_torchvisions_shape(height, width, resize):
    image = torch.empty(3, height, width, device="meta")
    assert v2.functional.resize(image, [resize]).shape[1:] == fitted_shape(height, width, 8, resize)


def test_crops_reach_every_place_and_no_further():
    picture, last = picture_of(1, 10, 12), 1 - 2**-24
    for down, right in ((0, 0), (0, last), (last, 0), (last, last)):
        draws = np.array([down, right, 0.75, 0.5, 0.5], np.float32)
        top, left = 2 * bool(down), 4 * bool(right)
        view = augment(picture, 8, "random_crop", draws, 10)
        np.testing.assert_array_equal(view, picture[top : top + 8, left : left + 8])


@pytest.mark.parametrize("shape", [(256, 256), (256, 342), (400, 256)], ids=str)
def test_evaluation_crops_the_centre_of_the_same_picture(shape):
    settings = ImageSettings(
        size=224, resize=256, augmentation="random_crop", mean=(0.5,) * 3, std=(0.25,) * 3
    )
    picture = picture_of(2, *shape)
    view = np.zeros((224, 224, 3), np.uint8)
    draws = np.zeros(DRAWS, np.float32)
    Viewer.of(settings, kind="none").write_encoded(encode(picture), "a.png", draws, view)
    expected = v2.functional.center_crop(torch.from_numpy(picture).permute(2, 0, 1), [224, 224])
    np.testing.assert_array_equal(view, expected.permute(1, 2, 0).numpy())
    np.testing.assert_array_equal(fit(picture, 224, 256), view)


def test_a_picture_stored_with_that_short_side_is_not_resized(monkeypatch):
    """Else every picture of every epoch would be."""
    resized = []
    resample = images.resample
    monkeypatch.setattr(
        images, "resample", lambda *given: resized.append(given) or resample(*given)
    )
    for shape, times in (((256, 341), 0), ((300, 341), 1)):
        resized.clear()
        augment(picture_of(3, *shape), 224, "random_crop", np.full(DRAWS, 0.5, np.float32), 256)
        assert len(resized) == times


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"augmentation": "random_crop"}, "random_crop needs images.resize"),
        ({"augmentation": "random_crop", "resize": 8}, "expected more than images.size, 8, got 8"),
        ({"resize": 7}, "expected at least images.size, 8, got 7"),
        ({"resize": 10}, "set images.encoding to encoded"),
    ],
)
def test_sizes_that_do_not_go_together_are_refused(keys, expected):
    with pytest.raises(UserError, match=expected):
        Experiment({"images": keys}).check_paths()


def test_a_random_crop_of_encoded_pictures_is_admitted():
    images = {"augmentation": "random_crop", "resize": 10, "encoding": "encoded"}
    Experiment({"images": images}).check_paths()


def test_pictures_that_are_enlarged_whenever_they_are_read_are_a_warning():
    images = {"resize": 256, "size": 224, "encoding": "encoded"}
    lists = Experiment({}).lists
    lines = [
        cautions(resolve({"images": images, "shards": {"short_side": side}}), lists)
        for side in (240, 256, None)
    ]
    found = [[line for line in each if line.startswith("shards.short_side")] for each in lines]
    assert [len(each) for each in found] == [1, 0, 0]
    assert "enlarged to images.resize, 256" in found[0][0]
