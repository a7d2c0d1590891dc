"""The volume API over HTTP."""
