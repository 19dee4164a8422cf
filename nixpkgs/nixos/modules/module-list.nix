# Every module of NixOS; a machine that uses none of a module pays nearly nothing for it.
# Sorted, one a line, so that several people can add to it.
[
  ./misc/assertions.nix
  ./misc/meta.nix
  ./misc/nixpkgs.nix
]
