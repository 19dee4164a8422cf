# The packages that the set makes by other means than the table, described as its rows are.
{
  pkgs ? import ../../. { },
}:
let
  inherit (pkgs) lib;
  describe =
    package:
    let
      view = builtins.fromJSON (builtins.unsafeDiscardStringContext package.drvAttrs.debian);
    in
    {
      inherit (view) install files;
      links = view.links or { };
      main = package.meta.mainProgram or null;
      dev = [ ];
    };
  ofDebian = name: package: lib.isDerivation package && package ? drvAttrs && package.drvAttrs ? debian;
  family =
    name: set:
    let
      usable = lib.filterAttrs (
        member: package: (builtins.tryEval (ofDebian member package)).value or false == true
      ) set;
    in
    lib.mapAttrs' (member: package: lib.nameValuePair "${name}.${member}" (describe package)) usable;
in
family "python3Packages" pkgs.python3Packages
// family "postgresqlPackages" pkgs.postgresqlPackages
// family "perlPackages" pkgs.perlPackages
// family "xorg" pkgs.xorg
// family "gnome" pkgs.gnome
// family "kdePackages" pkgs.kdePackages
// family "xfce" pkgs.xfce
// family "gst_all_1" pkgs.gst_all_1
// family "gnomeExtensions" pkgs.gnomeExtensions
// family "unixtools" pkgs.unixtools
// family "pkgsStatic" pkgs.pkgsStatic
// family "linuxPackages" pkgs.linuxPackages
// family "core" (lib.listToAttrs (map (p: lib.nameValuePair p.pname p) pkgs.snowglobe.corePackages))
// family "pkgs" {
  inherit (pkgs)
    python3
    postgresql
    perl
    php
    jdk
    jre
    jdk25
    linux
    glibcLocales
    nix
    shadow
    iana-etc
    mailcap
    ;
  su = pkgs.shadow.su;
  gcc = pkgs.gcc.cc;
  phpFull = pkgs.php.withExtensions ({ all, ... }: builtins.attrValues all);
}
