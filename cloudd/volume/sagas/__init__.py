"""Long work on volumes."""
