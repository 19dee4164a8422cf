# All modules of NixOS, loaded once and shared by every machine.
let lib = import ../../lib; in
lib.modules.preloadWith ":nixos" (import ../modules/module-list.nix)
