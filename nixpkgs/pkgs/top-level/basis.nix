# What the package set says about itself, and the ways to change it.
{
  lib,
  args,
  system,
  config,
  overlays,
}:
final: prev:
let
  reimport = changes: import ./. (removeAttrs args [ "crossSystem" "crossOverlays" ] // changes);
  absent = name: reason: throw "pkgs.${name} is not supported: ${reason}";
  cross = name: absent name "Snowglobe's packages come ready-built from Debian for x86_64-linux with glibc";
in
{
  inherit lib system config overlays;
  path = ../..;

  pkgs = final;
  __splicedPackages = final;
  buildPackages = final;
  targetPackages = final;
  pkgsBuildBuild = final;
  pkgsBuildHost = final;
  pkgsBuildTarget = final;
  pkgsHostHost = final;
  pkgsHostTarget = final;
  pkgsTargetTarget = final;
  pkgsLinux = final;

  extend = overlay: final.appendOverlays [ overlay ];
  appendOverlays = more: if more == [ ] then final else reimport { overlays = overlays ++ more; };

  pkgsMusl = cross "pkgsMusl";
  pkgsLLVM = cross "pkgsLLVM";
  pkgsi686Linux = cross "pkgsi686Linux";
  pkgsx86_64Darwin = cross "pkgsx86_64Darwin";
  pkgsCross = cross "pkgsCross";

  newScope = extra: lib.callPackageWith (final // extra);
  callPackage = lib.callPackageWith final;
  callPackages = lib.callPackagesWith final;
  makeScopeWithSplicing' = { otherSplices, keep ? (_: { }), extra ? (_: { }), f }: lib.makeScope final.newScope f;
  generateSplicesForMkScope = _: { };

  inherit (lib) recurseIntoAttrs dontRecurseIntoAttrs;

  fetchpatch = absent "fetchpatch" "packages are not rebuilt, so that there is nothing to patch; use fetchurl";
  fetchpatch2 = final.fetchpatch;
}
