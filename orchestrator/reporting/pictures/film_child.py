"""The process that replays episodes and draws them side by side.

Its standard input is JSON: the task's settings, its specs, the seed of the episodes, and for each
episode a caption and the actions. The last line of standard error is the error message.
"""

import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from workers.settings.tasks import TASKS
from workers.tasks.registry import make_family

_HEIGHT, _BAND, _GAP = 220, 24, 8
_MOST_FRAMES, _MOST_BYTES = 100, 900_000
_USUAL_FPS, _LAST_MS = 30, 1500


def replay(family: Any, specs: Any, seed: int, actions: Any) -> tuple[list[Any], list[float]]:
    """Replay an episode: its frames, one more than actions, and the return up to each."""
    environment = family.make(specs, 0, render_mode="rgb_array")
    environment.reset(seed=seed)
    frames, returns = [_small(environment.render())], [0.0]
    for action in actions:
        _, reward, *_ = environment.step(family.environment_action(np.asarray(action, np.float32)))
        frames.append(_small(environment.render()))
        returns.append(returns[-1] + float(reward))
    environment.close()
    return frames, returns


def side_by_side(
    takes: Sequence[tuple[str, list[Image.Image], list[float]]], time: int
) -> Image.Image:
    """Draw one picture of all takes; a finished episode keeps its last frame."""
    widths = [frames[0].width for _, frames, _ in takes]
    size = sum(widths) + _GAP * (len(takes) - 1), _HEIGHT + _BAND
    picture = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(13)
    left = 0
    for (caption, frames, returns), width in zip(takes, widths, strict=True):
        now = min(time, len(frames) - 1)
        picture.paste(frames[now], (left, _BAND))
        label = f"{caption}: return {returns[now]:.4g}" + (", over" if now < time else "")
        draw.text((left + 4, 4), label, fill="black", font=font)
        left += width + _GAP
    return picture


def as_webp(pictures: Sequence[Image.Image], fps: float) -> bytes:
    """Encode an animation at the environment's own speed; coarser if it would be large."""
    content = b""
    for quality, thinned in ((70, 1), (50, 1), (40, 2), (30, 4), (10, 12)):
        every = thinned * max(1, round(len(pictures) / _MOST_FRAMES))
        kept, stream = list(pictures[::every]), io.BytesIO()
        kept[0].save(
            stream,
            "WEBP",
            save_all=True,
            append_images=kept[1:],
            duration=[max(20, round(1000 * every / fps))] * (len(kept) - 1) + [_LAST_MS],
            loop=0,
            quality=quality,
        )
        content = stream.getvalue()
        if len(content) <= _MOST_BYTES:
            break
    return content


def main() -> None:
    """Draw the episodes of the script on standard input."""
    script = json.load(sys.stdin)
    task = script["task"]
    family: Any = make_family(TASKS[task["kind"]].model_validate(task))
    specs = {name: np.array(values) for name, values in script["specs"].items()}
    takes = [
        (take["caption"], *replay(family, specs, script["seed"], take["actions"]))
        for take in script["takes"]
    ]
    length = max(len(frames) for _, frames, _ in takes)
    environment = family.make(specs, 0)
    fps = (environment.metadata or {}).get("render_fps") or _USUAL_FPS
    pictures = [side_by_side(takes, time) for time in range(length)]
    Path(sys.argv[1]).write_bytes(as_webp(pictures, fps))


def _small(frame: Any) -> Image.Image:
    picture = Image.fromarray(np.asarray(frame, np.uint8)).convert("RGB")
    return picture.resize((max(1, round(picture.width * _HEIGHT / picture.height)), _HEIGHT))


if __name__ == "__main__":
    main()
