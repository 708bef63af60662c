"""Measurements of the session manager, side by side with the least work possible and with the SDK's own managers."""
