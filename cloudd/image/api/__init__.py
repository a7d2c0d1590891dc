"""The image API over HTTP."""
