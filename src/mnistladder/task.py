"""The task that every network here learns: images of one shape, ten classes, one measure."""

INPUT_SHAPE: tuple[int, ...] = (1, 28, 28)  # channels, height, width
CLASSES = 10
LEAST_PROBABILITY = 1e-7  # a loss takes no smaller one, as in Keras 1: its logarithm stays finite
