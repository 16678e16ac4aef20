"""Tasks from .npz files, one file each."""
