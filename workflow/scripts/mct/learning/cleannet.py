"""CleanNet: whether a label is right, from the distance of a picture to its class.

Lee, He, Zhang, Yang, CVPR 2018. A class is embedded from 32 representative features of the pictures
that were labelled so, a picture from its own feature; both come from a model trained on observed
labels. Clean pictures say which pairs of picture and class belong together. Ours: each clean
picture is paired with its class and with one other, its observed one where that is wrong.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from mct.base.errors import UserError
from mct.learning.losses import MARGIN, verification_loss
from mct.learning.models import are_finite
from mct.learning.optimizer import MomentumSGD
from mct.learning.schedules import rate_scale
from mct.learning.settings import CleanNetSettings

CENTRES = 32
RECONSTRUCTION_WEIGHT = PSEUDO_WEIGHT = 0.1
WEIGHED = 4096
"""Pictures that are weighed at a time."""
COLUMNS = 32
"""Features whose deviations are computed at a time, at least: numpy copies what it is asked for."""


class CleanNet(nn.Module):
    """Embeds classes and pictures from features of size `features`."""

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(features, width), nn.Tanh())
        self.attention = nn.Linear(width, 1)
        self.reference = nn.Linear(width, width)
        self.query = nn.Sequential(nn.Linear(features, width), nn.ReLU(), nn.Linear(width, width))
        self.decoder = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, features))

    def embed_classes(self, references: Tensor) -> Tensor:
        """Return embeddings (K, width) of classes with reference features (K, 32, d)."""
        hidden = self.hidden(references)
        share = torch.softmax(self.attention(hidden), dim=1)
        return self.reference((share * hidden).sum(dim=1))

    def forward(
        self, features: Tensor, labels: Tensor, references: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the cosine of each picture (n, d) and class (n,), and the squared error, (n,) each."""
        query = self.query(features)
        used, place = torch.unique(labels, return_inverse=True)
        cosine = torch.cosine_similarity(query, self.embed_classes(references[used])[place])
        return cosine, (self.decoder(query) - features).square().mean(dim=1)


def find_references(
    features: NDArray[np.floating], observed: NDArray[np.integer], classes: int, seed: int
) -> NDArray[np.float32]:
    """Return k-means centres of each observed class's features (n, d), shape (K, 32, d).

    Of a class with fewer pictures every picture is a centre, repeatedly; one without has zeros.
    """
    from sklearn.cluster import KMeans  # slow to import

    references = np.zeros((classes, CENTRES, features.shape[1]), np.float32)
    for label in np.unique(observed):
        members = features[observed == label]
        if len(members) > CENTRES:
            means = KMeans(CENTRES, n_init=1, random_state=seed, copy_x=False)
            members = means.fit(members).cluster_centers_
        references[label] = np.resize(members, references.shape[1:])
    return references


def draw_others(
    true: NDArray[np.integer],
    observed: NDArray[np.integer],
    classes: int,
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """Return a wrong class of each clean picture, (n,): its observed one, or a drawn one."""
    drawn = (true + generator.integers(1, classes, len(true))) % classes
    return np.where((observed >= 0) & (observed != true), observed, drawn)


class Scorer:
    """A CleanNet in training, on features that are already extracted and standardised."""

    def __init__(self, references: NDArray[np.float32], settings: CleanNetSettings) -> None:
        torch.manual_seed(settings.seed)
        self._references = torch.from_numpy(references)
        self._net = CleanNet(references.shape[2], settings.width)
        self._optimizer = MomentumSGD(self._net.parameters(), settings.optimizer)
        self._settings = settings
        self._generator = np.random.default_rng(settings.seed)

    def train(
        self,
        clean: tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]],
        noisy: tuple[NDArray[np.float32], NDArray[np.int64]],
    ) -> None:
        """Train on clean features, true and observed labels, drawn with replacement.

        In as many steps as `settings.epochs` passes over them have. Each step has as many noisy
        features with their observed labels, drawn alike. UserError if the training diverges.
        """
        features, true, observed = clean
        size = self._settings.optimizer.batch_size
        steps = self._settings.epochs * -(-len(true) // size)
        start = self._settings.learning_rate * rate_scale(self._settings.optimizer)
        known = "none"
        for step in range(steps):
            chosen = self._generator.integers(0, len(true), size)
            classes = len(self._references)
            others = draw_others(true[chosen], observed[chosen], classes, self._generator)
            drawn = self._generator.integers(0, len(noisy[1]), size)
            rate = start * (1 - step / steps)
            pairs = (np.tile(features[chosen], (2, 1)), np.concatenate([true[chosen], others]))
            loss = self._step(pairs, (noisy[0][drawn], noisy[1][drawn]), rate)
            if not math.isfinite(loss):
                raise UserError(
                    self.divergence(f"loss is not finite at step {step + 1} of {steps}", known)
                )
            known = f"{loss:.6g}"
        if not are_finite(self._net.state_dict()):
            raise UserError(self.divergence(f"weights are not finite after step {steps}", known))

    def divergence(self, what: str, known: str = "") -> str:
        """Return the line about a verification that diverged, and its last finite loss."""
        last = f"last finite loss: {known}; " if known else ""
        return (
            f"cleannet: its verification diverged: the {what}; {last}lower "
            f"baselines.cleannet.learning_rate, which is {self._settings.learning_rate:g}"
        )

    def _step(self, pairs: tuple, unverified: tuple, rate: float) -> float:
        """Make a step and return its loss; the first half of the pairs belong together."""
        for parameter in self._net.parameters():
            parameter.grad = None
        cosine, error = self._compare(*pairs)
        belongs = torch.arange(len(cosine)) < len(cosine) // 2
        free_cosine, free_error = self._compare(*unverified)
        pseudo = verification_loss(free_cosine, free_cosine.detach() >= MARGIN).mean()
        loss = verification_loss(cosine, belongs).mean()
        loss = loss + RECONSTRUCTION_WEIGHT * torch.cat([error, free_error]).mean()
        loss = loss + PSEUDO_WEIGHT * pseudo
        loss.backward()
        self._optimizer.step(rate)
        return loss.item()

    def _compare(self, features: NDArray, labels: NDArray) -> tuple[Tensor, Tensor]:
        return self._net(torch.from_numpy(features), torch.from_numpy(labels), self._references)

    @torch.inference_mode()
    def weigh(
        self, features: NDArray[np.float32], labels: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Return max(0, cos) of each picture (n, d) and its label (n,): its weight, (n,)."""
        parts = [slice(start, start + WEIGHED) for start in range(0, len(labels), WEIGHED)]
        cosines = [self._compare(features[part], labels[part])[0] for part in parts]
        return functional.relu(torch.cat(cosines)).numpy()


def standardise(features: NDArray[np.float32], *others: NDArray[np.float32]) -> None:
    """Bring features (n, d), in place, into units of the first one's standard deviation and mean."""
    columns = np.array_split(features, max(1, features.shape[1] // COLUMNS), axis=1)
    mean = features.mean(axis=0)
    deviation = np.concatenate([part.std(axis=0) for part in columns]) + 1e-6
    for part in (features, *others):
        part -= mean
        part /= deviation


def score_labels(
    noisy: tuple[NDArray[np.float32], NDArray[np.int64]],
    clean: tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]],
    classes: int,
    settings: CleanNetSettings,
) -> NDArray[np.float32]:
    """Return the weight of each noisy picture's observed label, shape (n,).

    `noisy` are features (n, d) and observed labels, `clean` features, true and observed labels (-1
    where unknown). Features are standardised in place: they may be more than memory holds.

    Raises UserError: the verification diverged.
    """
    standardise(noisy[0], clean[0])
    scorer = Scorer(find_references(*noisy, classes, settings.seed), settings)
    scorer.train(clean, noisy)
    weights = scorer.weigh(*noisy)
    if not np.isfinite(weights).all():
        raise UserError(scorer.divergence("weights of labels are not finite"))
    return weights
