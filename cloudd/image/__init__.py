"""Images: disks to start servers and volumes from, served as the image API v2."""
