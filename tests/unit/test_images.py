"""Fitting and augmenting against slow references and pictures with known results."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from samples import augment, picture_of

from mct.data.augmentation import (
    DRAWS,
    padded_crop,
)
from mct.data.images import EVALUATION_RATIO, fit

LAST_DRAW = np.float32(1 - 2**-24)
"""The largest float32 that a generator draws."""
DRAWN = st.integers(0, 2**24 - 1).map(lambda n: np.float32(n / 2**24))
ROWS = st.lists(DRAWN, min_size=DRAWS, max_size=DRAWS).map(np.array)


def row(**changes: float) -> np.ndarray:
    """Return draws of a half each, some of them changed by their name."""
    names = ("down", "right", "flip", "area", "aspect")
    return np.array([changes.get(name, 0.5) for name in names], np.float32)


def test_a_picture_of_the_right_size_is_left_alone():
    picture = picture_of(0)
    np.testing.assert_array_equal(fit(picture, 8), picture)


@pytest.mark.parametrize(("height", "width"), [(8, 12), (12, 8), (8, 9), (9, 8)])
def test_short_side_of_the_right_size_is_only_cropped_at_the_centre(height, width):
    picture = picture_of(0, height, width)
    top, left = (height - 8) // 2, (width - 8) // 2
    np.testing.assert_array_equal(fit(picture, 8), picture[top : top + 8, left : left + 8])


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([8, 20, 70]))
def test_any_picture_fits_any_size_and_a_plain_one_stays_plain(height, width, size):
    plain = np.full((height, width, 3), (10, 20, 30), np.uint8)
    np.testing.assert_array_equal(fit(plain, size), np.full((size, size, 3), (10, 20, 30)))


def test_large_pictures_keep_a_margin_around_the_crop():
    """A picture of 256 pixels is cropped to its inner 224, as is usual."""
    side = round(224 * EVALUATION_RATIO)
    assert side == 256
    picture = picture_of(0, side, side)
    np.testing.assert_array_equal(fit(picture, 224), picture[16:240, 16:240])


@given(st.sampled_from([8, 16, 20, 64]), ROWS)
def test_crop_is_that_of_a_picture_padded_by_an_eighth(size, draws):
    picture, margin = picture_of(1, size, size), size // 8
    padded = np.pad(picture, ((margin, margin), (margin, margin), (0, 0)))
    top, left = (int(float(draw) * (2 * margin + 1)) for draw in draws[:2])
    expected = padded[top : top + size, left : left + size]
    np.testing.assert_array_equal(padded_crop(picture, draws), expected)


def test_crops_reach_both_borders_of_the_padding():
    picture = picture_of(1)
    first, last = (padded_crop(picture, row(down=d, right=d)) for d in (0, LAST_DRAW))
    np.testing.assert_array_equal(first, np.pad(picture, ((1, 0), (1, 0), (0, 0)))[:8, :8])
    np.testing.assert_array_equal(last, np.pad(picture, ((0, 1), (0, 1), (0, 0)))[1:, 1:])


def test_middle_draws_leave_a_picture_as_it_is():
    np.testing.assert_array_equal(augment(picture_of(2), 8, "crop", row()), picture_of(2))


@pytest.mark.parametrize("kind", ["flip", "crop_flip", "resized_crop"])
@given(draws=ROWS)
def test_half_of_all_views_are_mirrored(kind, draws):
    picture = picture_of(3, 12, 12)
    straight, mirrored = (
        augment(
            picture, 12, kind, np.concatenate([draws[:2], [flip], draws[3:]]).astype(np.float32)
        )
        for flip in (0.5, 0.4999)
    )
    np.testing.assert_array_equal(straight, mirrored[:, ::-1])


def test_crop_alone_never_mirrors():
    np.testing.assert_array_equal(augment(picture_of(2), 8, "crop", row(flip=0)), picture_of(2))


@pytest.mark.parametrize("kind", ["none", "flip", "crop", "crop_flip", "resized_crop"])
@given(draws=ROWS, height=st.integers(1, 30), width=st.integers(1, 30))
def test_every_view_has_the_size_and_a_plain_picture_no_new_colour(kind, draws, height, width):
    view = augment(np.full((height, width, 3), 200, np.uint8), 8, kind, draws)
    assert view.shape == (8, 8, 3)
    assert view.dtype == np.uint8
    black = {0} if "crop" in kind and kind != "resized_crop" else set()
    assert set(np.unique(view)) - black == {200}


def test_a_flip_alone_crops_nothing():
    straight, mirrored = (
        augment(picture_of(2), 8, "flip", row(down=0, flip=f)) for f in (LAST_DRAW, 0)
    )
    np.testing.assert_array_equal(straight, picture_of(2))
    np.testing.assert_array_equal(mirrored, picture_of(2)[:, ::-1])


def test_no_augmentation_is_fitting():
    picture = picture_of(4, 10, 14)
    np.testing.assert_array_equal(augment(picture, 8, "none", row(down=0)), fit(picture, 8))


def test_a_resized_crop_of_the_whole_picture_is_the_picture():
    picture = picture_of(5, 16, 16)
    # The largest area; an aspect of 1 is the middle of its logarithm.
    whole = row(area=1, aspect=0.5)
    np.testing.assert_array_equal(augment(picture, 16, "resized_crop", whole), picture)


@given(DRAWN, DRAWN)
@example(LAST_DRAW, np.float32(0))
def test_a_resized_crop_takes_the_drawn_place(down, right):
    """The smallest area of 40 x 40 pixels is a square of 11: nothing is resized for size 11."""
    picture = picture_of(5, 40, 40)
    top, left = int(float(down) * 30), int(float(right) * 30)
    view = augment(picture, 11, "resized_crop", row(area=0, down=down, right=right))
    np.testing.assert_array_equal(view, picture[top : top + 11, left : left + 11])


@pytest.fixture
def every_warning() -> Iterator[None]:
    """Let torch warn again of what it has warned of before."""
    before = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    yield
    torch.set_warn_always(before)


@pytest.mark.usefixtures("every_warning")
def test_augmenting_a_stored_picture_neither_changes_it_nor_warns(recwarn):
    picture = picture_of(6)
    picture.setflags(write=False)
    for kind in ("none", "flip", "crop", "crop_flip", "resized_crop"):
        augment(picture, 8, kind, row(flip=0))
    np.testing.assert_array_equal(picture, picture_of(6))
    assert [str(warning.message) for warning in recwarn] == []
