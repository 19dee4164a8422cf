# Families of packages: languages with their modules, data bases with their extensions, kernels,
# desktops.
final: prev:
let
  inherit (prev) lib;
  arguments = {
    inherit final lib;
    row = final.snowglobe.fromRow;
    host = builtins.snowglobe or { };
    # A set that also answers for names that only the archive knows.
    orFromArchive =
      set: debianName:
      if builtins ? snowglobe then
        set
        // {
          __missing =
            name:
            let
              deb = debianName name;
            in
            if deb != null && final.snowglobe.fromArchive deb != null then
              final.snowglobe.fromRow name {
                inherit deb;
                main = null;
              }
            else
              null;
        }
      else
        set;
    # Another version than the one that was asked for: never silently.
    insteadOf =
      asked: package:
      lib.warn "pkgs.${asked} is not in Debian trixie: using ${package.pname} ${package.version}" package;
  };
in
import ./python.nix arguments
// import ./postgresql.nix arguments
// import ./perl.nix arguments
// import ./php.nix arguments
// import ./java.nix arguments
// import ./kernels.nix arguments
// import ./desktops.nix arguments
// import ./npm.nix arguments
// import ./core.nix arguments
