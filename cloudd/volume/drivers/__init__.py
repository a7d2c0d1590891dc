"""What makes and keeps the bytes of a volume: one driver a kind of storage."""
