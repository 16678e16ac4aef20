"""The names of a run's pictures in its folder."""

#: Folder of the pictures of single tasks, and the beginning of their names.
FOLDER, TASK = "pictures", "task-"
#: A film of episodes, or a line with the reason why there is none.
ANIMATION, NO_ANIMATION = f"{FOLDER}/episode.webp", f"{FOLDER}/episode.txt"
