"""Compute the features of a shard's pictures: what the frozen part of a net hands on to what learns."""

from pathlib import Path

from mct.data.feature_files import write_features
from mct.data.shards import open_shard
from mct.learning.precision import with_measured
from mct.learning.settings import EvaluationSettings
from mct.learning.spread import Spread
from mct.learning.stored_features import FeatureExtractor, set_of_shard
from mct.stage import entry
from mct.stage.session import OPTIONS, Session


def main() -> None:
    arguments = entry.options(__doc__, **OPTIONS, classes=int, shard=Path, initial=tuple)
    settings = entry.read_settings(EvaluationSettings, arguments.settings)
    settings = with_measured(settings, arguments.precision)
    inputs = [arguments.shard, *arguments.initial]
    with Session(arguments, Path(__file__), inputs, settings.model.precision) as session:
        shard, spread = open_shard(arguments.shard), session.own(Spread(session))
        net = FeatureExtractor(
            settings, arguments.classes, arguments.initial, session.execution, session.compute
        )
        batches = spread.pieces(set_of_shard(shard), net.features)
        if session.world.rank == 0:
            row = (settings.images.feature_views, *net.shape)
            write_features(arguments.output, shard, batches, row)


if __name__ == "__main__":
    entry.run(main)
