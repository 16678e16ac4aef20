"""The names of a run's pictures in its folder."""

#: The pictures of single tasks are in this folder; each name begins so.
FOLDER, TASK = "pictures", "task-"
#: A film of episodes, or a line that says why there is none.
ANIMATION, NO_ANIMATION = f"{FOLDER}/episode.webp", f"{FOLDER}/episode.txt"
