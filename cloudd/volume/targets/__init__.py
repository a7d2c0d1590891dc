"""How a volume of one host is reached by others: an export beside the driver, the same for every driver with a local path."""
