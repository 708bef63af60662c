"""The race: the same work by this package and by what a user would pick instead, in one run."""
