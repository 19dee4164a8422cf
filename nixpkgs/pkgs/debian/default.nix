# The packages that come from Debian, and the constructors behind them.
final: prev:
let
  inherit (prev) lib system;
  debian = import ./view.nix { inherit lib system; };
  host = builtins.snowglobe or { };
  table = import ./packages.nix;
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

    # A Debian package that no attribute of the set stands for; null if there is none.
    fromArchive =
      name: if host ? debian && host.debian name != null then debian.fromRow name { } else null;

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
  debianPackages =
    if host ? withFallback then
      host.withFallback { } final.snowglobe.fromArchive
    else
      builtins.mapAttrs (name: _: final.snowglobe.debianPackage name) (
        builtins.listToAttrs (
          map (name: {
            inherit name;
            value = null;
          }) (host.debianNames or [ ])
        )
      );
}
