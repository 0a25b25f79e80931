"""Pictures inside an HTML page, so that it needs no other file."""

import base64
import io
from html import escape

from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

SHARP = 40  # pixels a side: up to there a PNG is small, and JPEG's traces would show
SIDE = 128  # pixels on the page, of the longer side


def picture(pixels: UInt8[ndarray, "H W C"], alt: str, side: int = SIDE) -> str:
    """An <img> with its content in it, `side` pixels along its longer side, and `alt` for those who do not see it."""
    height, width, channels = pixels.shape
    image = Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
    content = io.BytesIO()
    kind = "png" if max(height, width) <= SHARP else "jpeg"
    image.save(content, kind, **({"quality": 85} if kind == "jpeg" else {"optimize": True}))
    data = base64.b64encode(content.getvalue()).decode()
    scale = side / max(height, width)
    shape = f'width="{round(width * scale)}" height="{round(height * scale)}"'
    return f'<img src="data:image/{kind};base64,{data}" alt="{escape(alt)}" {shape}>'
