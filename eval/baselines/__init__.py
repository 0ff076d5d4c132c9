"""What can be reached in each scene: references are built and kept here."""
