# `import <nixpkgs/nixos> { configuration = …; }`.
{ configuration ? throw "nixos: give the argument `configuration'", system ? builtins.currentSystem, specialArgs ? { } }:
let
  evaluated = import ./lib/eval-config.nix {
    inherit system specialArgs;
    modules = [ configuration ];
  };
in
{
  inherit (evaluated) pkgs config options;
  system = evaluated.config.system.build.toplevel;
}
