let
  nixpkgs = fetchTarball "https://github.com/NixOS/nixpkgs/tarball/nixos-24.11";
  pkgs = import nixpkgs { config = {}; overlays = []; };

  database      = "postgres";
  schema        = "api";
  table         = "todos";
  username      = "authenticator";
  password      = "mysecretpassword";
  postgrestPort = 3000;

  sharedModule = { virtualisation.graphics = false; };
in

pkgs.testers.runNixOSTest {
  name = "postgres-test";
  skipLint = true;

  nodes.server = { config, pkgs, ... }: {
    imports = [ sharedModule ];
    networking.firewall.allowedTCPPorts = [ postgrestPort ];
    services.postgresql = {
      enable = true;
      initialScript = pkgs.writeText "init.sql" ''
        create schema ${schema};
        create table ${schema}.${table} (
          id serial primary key,
          done boolean not null default false,
          task text not null,
          due timestamptz
        );
        insert into ${schema}.${table} (task) values ('finish tutorial');
        create role web_anon nologin;
        grant usage on schema ${schema} to web_anon;
        grant select on ${schema}.${table} to web_anon;
        create role ${username} inherit login password '${password}';
        grant web_anon to ${username};
      '';
    };
    systemd.services.postgrest = {
      wantedBy = [ "multi-user.target" ];
      after = [ "postgresql.service" ];
      script = let
        conf = pkgs.writeText "postgrest.conf" ''
          db-uri = "postgres://${username}:${password}@localhost:${toString config.services.postgresql.settings.port}/${database}"
          db-schema = "${schema}"
          db-anon-role = "${username}"
        '';
      in "${pkgs.haskellPackages.postgrest}/bin/postgrest ${conf}";
      serviceConfig.User = username;
    };
    users.users."${username}".isSystemUser = true;
  };

  nodes.client = { imports = [ sharedModule ]; };

  testScript = ''
    import json
    start_all()
    server.wait_for_open_port(${toString postgrestPort})
    actual = json.loads(
      client.succeed("curl http://server:${toString postgrestPort}/${table}")
    )
    assert actual[0]["task"] == "finish tutorial"
  '';
}
