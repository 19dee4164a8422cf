# Formats the root disk: here a machine's root disk always has a file system of its own.
{ ... }: { }
