"""Keys of pictures: how they are stored, in which order and form models see them."""

from typing import Annotated, Literal

from msgspec import Meta

from mct.base.keys import ADDED, Count, Natural, Positive, Settings, Share, quick_start, unit

Augmentation = Literal["none", "flip", "crop", "crop_flip", "random_crop", "resized_crop"]


class ImageSettings(Settings, frozen=True, kw_only=True):
    """What happens to a decoded picture on its way to a model."""

    size: Annotated[int, Meta(ge=8), unit("pixels"), quick_start(8)]
    """Height and width of a model's input. Required unless layout is digits or initial weights are of
    a net of torchvision or timm, whose own size then is the default.
    """
    resize: Annotated[Count | None, unit("pixels")] = None
    """Short side that pictures are resized to before `size` is cropped from them: at a random place
    with augmentation `random_crop`, else, and in evaluation, at the centre. null: 8/7 of a `size`
    above 64 (256 for 224), else `size`.
    """
    augmentation: Augmentation = "crop"
    """Training augmentation: `none`, `flip` (half of the pictures mirrored), `crop` (random crop
    after padding by an eighth), `crop_flip` (both), `random_crop` (a random place of the picture
    whose short side is `resize`, flip), `resized_crop` (random scale and aspect, flip).
    """
    strong_augmentation: Annotated[Share, unit("fraction of full strength")] = 0
    """Strength of what is done to the augmented picture for a model that learns from it: turned,
    sheared, zoomed, other brightness, contrast and colour, and a square cut out; 0 does nothing. A
    teacher in calibration sees the picture without it, for a forward pass more unless averages of
    weights teach anyway; what is selected follows the view that is learned from.
    """
    feature_views: Annotated[Natural, ADDED] = 0
    """Views of each picture of which the frozen part's outputs are computed once and stored; models then
    learn from these features. The first view is that of an evaluation, the others are augmented.
    Needs a frozen part (`model.trainable`). 0 computes it in every step.
    """
    reduced_decoding: bool = False
    """Whether a JPEG at least twice as large as the view of it is decoded at a half, quarter or
    eighth of its size; faster, and slightly other pixels.
    """
    mean: Annotated[
        tuple[float, ...],
        Meta(min_length=3, max_length=3),
        unit("fraction of full scale"),
        quick_start((0.5, 0.5, 0.5)),
    ]
    """Mean of the red, green and blue channel that is subtracted. Required unless layout is digits or
    initial weights are of a net of torchvision or timm, whose own mean then is the default.
    """
    std: Annotated[
        tuple[Positive, ...],
        Meta(min_length=3, max_length=3),
        unit("fraction of full scale"),
        quick_start((0.25, 0.25, 0.25)),
    ]
    """Standard deviation that each channel is divided by. Required unless layout is digits or
    initial weights are of a net of torchvision or timm, whose own deviation then is the default.
    """

    @property
    def stores_features(self) -> bool:
        """Whether models see features, which are stored, in place of pictures."""
        return self.feature_views > 0


class OrderSettings(Settings, frozen=True, kw_only=True):
    """In which order the pictures of a set come."""

    shuffle_window: Annotated[Natural, unit("files")] = 0
    """Shards whose pictures are shuffled together in training, so that an epoch reads few files at
    a time; 0 shuffles the whole set. The order depends on the number of shards, unless 0.
    """
    seed: int


class EncodingSettings(Settings, frozen=True, kw_only=True):
    """In which form shards keep pictures."""

    encoding: Literal["auto", "encoded", "pixels"] = "auto"
    """How shards keep pictures: `encoded` (JPEG or PNG), `pixels` (decoded and resized), `auto`
    (pixels up to 64 x 64, else encoded).
    """


class ShardSettings(EncodingSettings, frozen=True, kw_only=True):
    """How shards keep pictures."""

    short_side: Annotated[Count | None, unit("pixels")] = None
    """Encoded pictures whose short side is longer are resized to it; null keeps all."""
    quality: Annotated[int, Meta(ge=1, le=100)] = 95
    """JPEG quality of pictures that are resized or converted."""
    size: int
