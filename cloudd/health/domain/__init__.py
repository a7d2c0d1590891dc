"""What no single service can say of the cloud."""
