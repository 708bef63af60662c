"""`python -m strands_sqlite_session_manager` is the `strands-sqlite` command."""

from strands_sqlite_session_manager.cli import main

if __name__ == "__main__":
    main()
