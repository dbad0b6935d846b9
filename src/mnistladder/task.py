"""The task that every network here learns: images of one shape, ten classes."""

INPUT_SHAPE: tuple[int, ...] = (1, 28, 28)  # channels, height, width
CLASSES = 10
