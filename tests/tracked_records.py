"""Records of a training that was never made, for what hands records on."""

from foveal.training.fit import Record

SETTINGS = {"training.epochs": 2.0, "seed": 0, "data.images": None}


def records(*updates: int) -> list[Record]:
    """A Record after each of these updates; validation is measured after every even one."""
    return [Record(n, n / 10, 1 / n, 0.5, 0.01, n * 2.0, *((None, None) if n % 2 else (2 / n, 0.25))) for n in updates]


def points(name: str, *updates: int) -> list[tuple[int, float]]:
    """The series that these Records are under a name."""
    values = [(record.update, getattr(record, name)) for record in records(*updates)]
    return [(update, value) for update, value in values if value is not None]
