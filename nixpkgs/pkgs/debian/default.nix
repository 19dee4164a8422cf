# The packages that come from Debian, and the constructors behind them.
final: prev:
let
  inherit (prev) lib system;
  debian = import ./view.nix { inherit lib system; };
  host = builtins.snowglobe or { };
  table = import ./packages.nix;
  notPackages = [
    "__functor"
    "__toString"
    "_module"
    "_type"
    "config"
    "drvPath"
    "meta"
    "options"
    "outPath"
    "override"
    "overrideDerivation"
    "outputSpecified"
    "recurseForDerivations"
    "type"
  ];
in
builtins.mapAttrs debian.fromRow table
// {
  snowglobe = {
    inherit (debian) lookUp upstreamVersion package fromRow view;
    inherit table;
    allRows = builtins.mapAttrs debian.describe (lib.filterAttrs (_: row: row != null) table);

    # What NixOS has on every machine's PATH.
    corePackages = with final; [
      acl
      attr
      bashInteractive
      bzip2
      coreutils-full
      cpio
      curl
      diffutils
      findutils
      gawk
      getent
      getconf
      gnugrep
      gnupatch
      gnused
      gnutar
      gzip
      xz
      less
      libcap
      ncurses
      netcat
      mkpasswd
      procps
      su
      time
      util-linux
      which
      zstd
      perl
      rsync
      strace
    ];

    # One Debian package by its own name.
    debianPackage = name: debian.fromRow name { };

    # A Debian package that no attribute of the set stands for; null if there is none. Names that
    # are asked of every set mean no package.
    fromArchive =
      name:
      if builtins.elem name notPackages || !(host ? debian) || host.debian name == null then
        null
      else
        debian.fromRow name { };

    text =
      {
        name,
        text,
        destination ? "",
        executable ? false,
        extra ? { },
      }:
      derivation (
        {
          inherit name system text destination;
          builder = "builtin:text";
          executable = if executable then "1" else "";
        }
        // extra
      );

    tree =
      { name, entries }:
      derivation {
        inherit name system;
        builder = "builtin:tree";
        entries = builtins.toJSON entries;
      };
  };

  # Any Debian package by its own name: `pkgs.debianPackages.sl`.
  debianPackages.__missing = final.snowglobe.fromArchive;
}
