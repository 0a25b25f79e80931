"""Pictures of one's own: a folder with one sub-folder a class is all that foveal needs.

This draws circles, squares and triangles in several sizes and colours into ./shapes, trains on them, and asks what a
picture shows that the network has never seen.

    python examples/own_images.py
"""

import random
from pathlib import Path

from PIL import Image, ImageDraw

import foveal

SHAPES = ("circle", "square", "triangle")
drawn = random.Random(0)


def draw(shape: str) -> Image.Image:
    """One shape in a random colour, size and place on a dark background."""
    side = drawn.choice((32, 40, 48))
    picture = Image.new("RGB", (side, side), (20, 20, 30))
    colour = tuple(drawn.randint(100, 255) for _ in range(3))
    radius = drawn.randint(side // 5, side // 3)
    x, y = (drawn.randint(radius, side - radius) for _ in range(2))
    pen = ImageDraw.Draw(picture)
    if shape == "circle":
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    elif shape == "square":
        pen.rectangle((x - radius, y - radius, x + radius, y + radius), fill=colour)
    else:
        pen.polygon(((x, y - radius), (x - radius, y + radius), (x + radius, y + radius)), fill=colour)
    return picture


for shape in SHAPES:
    folder = Path("shapes", shape)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(60):
        draw(shape).save(folder / f"{number:02}.png")

run = foveal.train("shapes", epochs=15)  # left out, epochs are as many as the preset's floor of updates needs
report = foveal.evaluate(run)
print(f"accuracy {report.scores.accuracy:.0%} of {report.scores.n} pictures that were held out")

draw("triangle").save("new.png")
classifier = foveal.load(run.classifier)
for prediction in foveal.predict(classifier, ["new.png"]):
    print(f"{prediction.source}: {prediction.label} ({prediction.probability:.0%})")
