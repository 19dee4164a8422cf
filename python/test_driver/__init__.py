"""What the script of a NixOS VM test can use."""
