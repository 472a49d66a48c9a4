"""Plum on one machine: what `./plum` does beyond its own file. Standard library only: it runs before there is an environment."""
