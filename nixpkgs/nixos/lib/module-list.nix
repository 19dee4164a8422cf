# The modules of NixOS, as paths.
if builtins.pathExists ../modules/module-list.nix then import ../modules/module-list.nix
else [ ../modules/misc/assertions.nix ../modules/misc/meta.nix ../modules/misc/nixpkgs.nix ]
