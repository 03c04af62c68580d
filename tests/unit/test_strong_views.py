"""Strong views by hand: what each random number does to a picture."""

import math

import numpy as np
import pytest
import torch

from mct.data.augmentation import STRONG_DRAWS
from mct.learning.strong_views import BRIGHTNESS, CONTRAST, signed, strong_views

TURN, ACROSS, DOWN, ZOOM, BRIGHT, HARD, COLOUR, ROW, COLUMN = range(STRONG_DRAWS)
NEVER = 0.5
"""The number that leaves a picture alone."""


def pictures(count: int = 1, size: int = 16) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(count, 3, size, size, generator=generator, dtype=torch.float64)
    return images.contiguous(memory_format=torch.channels_last)


def draws_of(count: int = 1, **drawn: float) -> torch.Tensor:
    """Return numbers that change nothing but what is named; the square lies outside of its corner."""
    draws = torch.full((count, STRONG_DRAWS), NEVER, dtype=torch.float64)
    draws[:, ROW:] = -10.0
    for name, value in drawn.items():
        draws[:, globals()[name.upper()]] = value
    return draws


def test_half_of_the_numbers_change_nothing_and_the_rest_are_uniform():
    draws = torch.linspace(0, 1, 100_001)
    sizes = signed(draws)
    assert (sizes == 0).double().mean() == pytest.approx(0.5, abs=1e-4)
    assert sizes[[0, -1]].tolist() == [-1, 1]
    assert sizes.abs()[sizes != 0].mean() == pytest.approx(0.5, abs=1e-3)
    torch.testing.assert_close(sizes, -sizes.flip(0), rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [16, 17])
def test_numbers_in_the_middle_leave_a_picture_alone(size):
    images = pictures(2, size)
    torch.testing.assert_close(strong_views(images, draws_of(2), 1.0), images)


def test_no_strength_is_the_picture_itself():
    images = pictures(2)
    assert strong_views(images, torch.rand(2, STRONG_DRAWS), 0.0) is images
    assert strong_views(images[:0], torch.rand(0, STRONG_DRAWS), 1.0).shape == (0, 3, 16, 16)


def test_a_picture_is_turned_by_up_to_thirty_degrees_times_the_strength():
    """Three turns by thirty degrees take a bright point from the right to the top or the bottom."""
    image = torch.zeros(1, 3, 33, 33, dtype=torch.float64)
    image[..., 15:18, 26:29] = 1
    for _ in range(3):
        image = strong_views(image, draws_of(turn=1.0), 1.0)
    rows, columns = np.nonzero(image[0, 0].numpy() > 0.3)
    assert abs(columns.mean() - 16) < 1
    assert abs(abs(rows.mean() - 16) - 11) < 1


def test_a_shear_moves_rows_against_each_other_and_keeps_the_middle_one():
    image = torch.zeros(1, 3, 33, 33, dtype=torch.float64)
    image[..., 16] = 1
    view = strong_views(image, draws_of(across=1.0), 1.0)[0, 0]
    columns = view.argmax(dim=1)
    assert columns[16] == 16
    assert abs(int(columns[0]) - int(columns[32])) == pytest.approx(0.3 * 32, abs=1)


def test_a_zoom_is_the_same_in_both_directions():
    image = torch.zeros(1, 3, 64, 64, dtype=torch.float64)
    image[..., 16:48, 16:48] = 1
    view = strong_views(image, draws_of(zoom=1.0), 1.0)
    expected = 32 * math.exp(-0.25)
    for axis in (2, 3):
        assert (view[0, 0].amax(dim=axis - 2) > 0.5).sum() == pytest.approx(expected, abs=1)


def test_brightness_and_contrast_are_those_of_the_formula():
    images = pictures()
    bright = strong_views(images, draws_of(bright=1.0), 0.5)
    torch.testing.assert_close(bright, images + 0.5 * BRIGHTNESS)
    hard = strong_views(images, draws_of(hard=0.0), 0.5)
    torch.testing.assert_close(hard, images * math.exp(-0.5 * CONTRAST))


def test_colour_leaves_grey_alone_and_the_mean_of_the_channels():
    grey = pictures()[:, :1].expand(-1, 3, -1, -1)
    torch.testing.assert_close(strong_views(grey, draws_of(colour=0.0), 1.0), grey.contiguous())
    images = pictures()
    view = strong_views(images, draws_of(colour=0.0), 1.0)
    torch.testing.assert_close(view.mean(dim=1), images.mean(dim=1))
    assert view.std(dim=1).mean() < 0.2 * images.std(dim=1).mean()


@pytest.mark.parametrize(("strength", "side"), [(1.0, 8), (0.5, 4)])
def test_a_square_of_half_the_side_times_the_strength_is_cut_out(strength, side):
    images = pictures() + 100
    view = strong_views(images, draws_of(row=0.5, column=0.5), strength)
    cut = (view[0] == 0).all(dim=0)
    assert cut.sum() == side**2
    first = (16 - side) // 2
    assert cut[first : first + side, first : first + side].all()


def test_a_square_at_the_border_is_cut_off():
    view = strong_views(pictures() + 100, draws_of(row=0.0, column=1.0), 1.0)
    assert (view[0] == 0).all(dim=0).sum() == 4 * 4


def test_a_row_depends_on_its_own_picture_and_numbers_alone():
    images = pictures(4)
    draws = torch.rand(4, STRONG_DRAWS, generator=torch.Generator().manual_seed(1))
    together = strong_views(images, draws, 0.7)
    assert together.is_contiguous(memory_format=torch.channels_last)
    for place in range(4):
        alone = strong_views(images[place : place + 1], draws[place : place + 1], 0.7)
        torch.testing.assert_close(alone, together[place : place + 1], rtol=1e-12, atol=1e-12)
    assert not torch.allclose(together, images)
