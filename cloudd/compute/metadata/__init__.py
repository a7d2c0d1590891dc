"""What a server is told about itself: the metadata service's tree and the config drive, from one set of facts."""
