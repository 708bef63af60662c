"""The contract of a session manager, held against SQLite and, where they share it, against the SDK's managers."""
