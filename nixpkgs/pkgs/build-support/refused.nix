# What nixpkgs has and this package set does not, by name.
{ final, lib, simple }:
let
  absent = what: reason: throw "pkgs.${what} is not supported: ${reason}";
  family = name: reason: members: lib.genAttrs members (member: absent "${name}.${member}" reason);
in
{
  dockerTools = family "dockerTools" "container images are not built; in a test, make them with 'docker build' or 'docker import'" [
    "buildImage"
    "buildLayeredImage"
    "streamLayeredImage"
    "pullImage"
    "exportImage"
    "buildImageWithNixDb"
    "buildLayeredImageWithNixDb"
    "shadowSetup"
    "examples"
    "mergeImages"
    "buildNixShellImage"
    "streamNixShellImage"
    "binSh"
    "usrBinEnv"
    "caCertificates"
    "fakeNss"
  ];
  vmTools = family "vmTools" "builds do not run in virtual machines" [
    "runInLinuxVM"
    "runInLinuxImage"
    "makeImageFromDebDist"
    "diskImages"
    "createEmptyImage"
  ];
  ociTools = family "ociTools" "container images are not built" [ "buildContainer" ];
  appimageTools = family "appimageTools" "AppImages are not unpacked" [ "wrapType2" "extractType2" ];
  buildFHSEnv = _: absent "buildFHSEnv" "machines have Debian's file hierarchy";
  buildFHSUserEnv = final.buildFHSEnv;
  makeInitrd = _: absent "makeInitrd" "the initrd is Snowglobe's own";
  makeInitrdNG = _: absent "makeInitrdNG" "the initrd is Snowglobe's own";
  buildGoModule = _: absent "buildGoModule" "Go programs are not built; take Debian's package";
  buildNpmPackage = _: absent "buildNpmPackage" "npm packages are not built";
  rustPlatform = family "rustPlatform" "Rust programs are not built; take Debian's package" [
    "buildRustPackage"
    "fetchCargoVendor"
    "importCargoLock"
  ];
  nixosTests = throw "pkgs.nixosTests is not supported: nixpkgs' own tests are not part of Snowglobe; run their files with 'snowglobe run'";
  srcOnly = _: absent "srcOnly" "packages come ready-built from Debian, without their source";
  releaseTools = family "releaseTools" "packages are not released" [ "aggregate" "channel" "sourceTarball" ];
  buildMaven = _: absent "buildMaven" "Java programs are not built";
}
