"""Routes of the identity service, one file a resource."""
