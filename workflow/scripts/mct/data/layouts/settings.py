"""Keys of what a catalogue is made from; each layout names those that it uses."""

from typing import Annotated, Literal

from msgspec import Meta

from mct.base.keys import Natural, ProperShare, Settings, unit
from mct.labels.settings import NoiseSettings


class DatasetSettings(Settings, frozen=True, kw_only=True):
    """What the catalogue is made from."""

    root: str | None = None
    """Folder of the data set; null for the digits, which ship with scikit-learn."""
    measuring_labels: str | None = None
    """File of lines `key label` with true labels that are used to measure (purity of a selection)
    and never to train, tune or select; `builtin` takes those that cifar_n, table, image_folder,
    parquet or webdataset bring themselves; null if there is none.
    """
    archives: bool = False
    """Whether listed paths like `pictures.tar/a/b.jpg` or `x.zip/a.jpg` are read from the archive
    (plain .tar, .zip); for clothing1m, webvision, food101n and table.
    """
    clean_fraction: Annotated[Annotated[float, Meta(gt=0, le=1)] | None, unit("fraction")] = None
    """Share that is drawn by seed for the clean set: of the pictures with a true label in training
    (cifar_n, table), of the held-out pictures (webvision, animal10n, image_folder); parquet and
    webdataset are like table where training has true labels, else like image_folder. null is the
    layout's own: 0.1; all of table's; none of image_folder's.
    """
    validation_fraction: Annotated[float, Meta(gt=0, lt=1), unit("fraction")] = 0.1
    """Share of training that cifar_n holds out for validation, drawn by seed."""
    clean_root: str | None = None
    """Folder `<synset>/*.JPEG` of webvision's clean set, as ILSVRC's; null draws the clean set from
    the validation pictures.
    """
    test_root: str | None = None
    """Folder of Food-101, whose test pictures are food101n's test set."""
    subset: Literal["all", "mini"] = "all"
    """WebVision's classes, `all` or `mini` (the first 50, pictures of Google only)."""
    label_set: Literal[
        "worse_label",
        "aggre_label",
        "random_label1",
        "random_label2",
        "random_label3",
        "noisy_label",
    ] = "worse_label"
    """Human labels that are cifar_n's observed ones, by their name in CIFAR-10_human.pt;
    `noisy_label` is that of CIFAR-100_human.pt.
    """
    table: str = "table.csv"
    """File below the root that lists the pictures of layout table: text in columns, separated by
    commas, semicolons or tabs.
    """
    classes: Annotated[tuple[str | int, ...], Meta(min_length=2)] | str | None = None
    """The classes of layouts table, image_folder, parquet and webdataset in the order of their
    numbers: a list of names (`NA`, `no` and the like in quotes), or a file with a name a line. Any
    other name is an error. null takes those in the metadata of parquet, else the names that are
    there, sorted.
    """
    label_column: str | None = None
    """Column of parquet, or key in the JSON files of webdataset, that has the labels. null is
    `label`; of parquet else the only column of labels, of webdataset the .cls files first.
    """
    synthetic_noise_rate: Annotated[ProperShare, unit("fraction")] = 0.4
    """Share of labels that the digits layout makes wrong where `synthetic_noise` has no kind. A wrong
    label is the next digit, for a 9 it is 0.
    """
    synthetic_clean_fraction: Annotated[float, Meta(gt=0, le=1), unit("fraction")] = 0.036
    """Share of the digits' training pictures whose true label is known. Classes have equally many, or
    one more or less, as far as their pictures go.
    """
    seed: Natural = 0
    """Seed of synthetic noise and of sets that are drawn."""
    synthetic_noise: NoiseSettings = NoiseSettings()
    layout: str
