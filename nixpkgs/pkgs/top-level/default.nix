# From the arguments of `import nixpkgs` to the package set.
#
# The set is a fixed point of layers, each a function `final: prev: attributes`. Importing it
# costs one thunk per attribute; a package is worked out when something uses it.
{
  system ? null,
  localSystem ? null,
  crossSystem ? null,
  config ? { },
  overlays ? [ ],
  crossOverlays ? [ ],
  stdenvStages ? null,
}@args:

let
  lib = import ../../lib;

  systemName = value: if builtins.isString value then value else value.system;

  buildSystem =
    if system != null then
      systemName system
    else if localSystem != null then
      systemName localSystem
    else
      builtins.currentSystem;

  checkedSystem =
    if buildSystem != "x86_64-linux" then
      throw "Snowglobe's package set exists for x86_64-linux; it was imported with system = \"${buildSystem}\""
    else if crossSystem != null && systemName crossSystem != buildSystem then
      throw "Snowglobe's package set does not cross-compile: import it without crossSystem"
    else if crossOverlays != [ ] then
      throw "Snowglobe's package set does not cross-compile: import it without crossOverlays"
    else if stdenvStages != null then
      throw "Snowglobe's package set has one standard environment: import it without stdenvStages"
    else
      buildSystem;

  givenConfig =
    if builtins.isFunction config then config { inherit lib pkgs; } else if builtins.isPath config then import config else config;

  fullConfig = import ./config.nix { inherit lib; } givenConfig;

  overlayList =
    if builtins.isList overlays then
      overlays
    else
      throw "the argument 'overlays' of the package set must be a list of functions 'final: prev: { … }'";

  # Layers of our own, lowest first. A function here is called once for each package set.
  layers = [
    (import ./basis.nix {
      inherit lib args;
      system = checkedSystem;
      config = fullConfig;
      overlays = overlayList;
    })
    (import ../stdenv)
    (import ../build-support)
    (import ../formats)
    (import ../debian)
    (import ../sets)
    (import ./aliases.nix)
    (final: prev: fullConfig.packageOverrides prev)
  ];

  extend = self: base: layer: base // layer self base;

  pkgs = fallback (builtins.foldl' (extend pkgs) { } (layers ++ map callOverlay overlayList));

  # `extends` for overlays of either form: `final: prev: {}` or `final: { … }`.
  callOverlay = overlay: final: prev: let applied = (if builtins.isPath overlay then import overlay else overlay) final; in
    if builtins.isFunction applied then applied prev else applied;

  # Every other Debian package under its own name, where the evaluator asks `__missing` for
  # attributes that a set does not have.
  fallback = set: if builtins ? snowglobe then set // { __missing = pkgs.snowglobe.fromArchive; } else set;
in
builtins.seq checkedSystem pkgs
