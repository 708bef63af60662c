"""Mirror sessions from SQLite to S3; this release holds the name and the version, and mirrors nothing yet."""

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("strands-sqlite-s3-mirror")
