# `services.pgbouncer`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkOption;
  inherit (import ../short.nix { inherit lib; }) option flag maybe enable package;
  cfg = config.services.pgbouncer;
  format = pkgs.formats.ini { };
  configFile = format.generate "pgbouncer.ini" (lib.mapAttrs (_: lib.filterAttrs (_: value: value != null)) cfg.settings);
  set = [ "services" "pgbouncer" "settings" ];
  renamed = lib.mapAttrsToList (old: new: lib.mkRenamedOptionModule ([ "services" "pgbouncer" ] ++ lib.splitString "." old) (set ++ [ "pgbouncer" new ])) {
    listenAddress = "listen_addr";
    listenPort = "listen_port";
    poolMode = "pool_mode";
    authType = "auth_type";
    authFile = "auth_file";
    adminUsers = "admin_users";
  };
  words = option (types.attrsOf types.str) { };
in
{
  imports = renamed ++ map (name: lib.mkRenamedOptionModule [ "services" "pgbouncer" name ] (set ++ [ name ])) [ "databases" ];

  options.services.pgbouncer = {
    enable = enable "PgBouncer, which keeps connections to PostgreSQL";
    package = package "pgbouncer" pkgs.pgbouncer;
    openFirewall = flag false "Whether the firewall lets the port through.";
    settings = mkOption {
      default = { };
      description = "Settings of pgbouncer.ini, section by section.";
      type = types.submodule {
        freeformType = format.type;
        options = {
          pgbouncer = {
            listen_port = option types.port 6432 "Port.";
            listen_addr = maybe types.commas "Addresses, or `*`; default: the Unix socket alone.";
            pool_mode = option (types.enum [ "session" "transaction" "statement" ]) "session" "When a connection is free for others.";
            max_client_conn = option types.int 100 "Most clients.";
            default_pool_size = option types.int 20 "Connections of a user and a data base.";
            max_db_connections = option types.int 0 "Most connections of a data base; 0: no limit.";
            max_user_connections = option types.int 0 "Most connections of a user; 0: no limit.";
            ignore_startup_parameters = maybe types.commas "Parameters that clients may send and that mean nothing.";
          };
          databases = words "Data bases, by name.";
          users = words "Settings of users, by name.";
          peers = words "Other poolers, by number.";
        };
      };
    };
    openFilesLimit = option types.int 65536 "Most open files.";
    user = option types.str "pgbouncer" "User that it runs as.";
    group = option types.str "pgbouncer" "Group that it runs as.";
    homeDir = option types.path "/var/lib/pgbouncer" "Home of that user.";
  };

  config = mkIf cfg.enable {
    users.groups.${cfg.group} = { };
    users.users.${cfg.user} = { description = "PgBouncer service user"; inherit (cfg) group; home = cfg.homeDir; createHome = true; isSystemUser = true; };
    environment.etc."pgbouncer/pgbouncer.ini".source = configFile;
    services.pgbouncer.settings.pgbouncer.unix_socket_dir = lib.mkDefault "/run/pgbouncer";
    networking.firewall.allowedTCPPorts = mkIf cfg.openFirewall [ cfg.settings.pgbouncer.listen_port ];
    systemd.services.pgbouncer = {
      description = "PgBouncer - PostgreSQL connection pooler";
      wants = [ "network-online.target" ];
      after = [ "network-online.target" ];
      wantedBy = [ "multi-user.target" ];
      reloadTriggers = [ configFile ];
      serviceConfig = {
        Type = "notify-reload";
        User = cfg.user;
        Group = cfg.group;
        ExecStart = "${lib.getExe cfg.package} /etc/pgbouncer/pgbouncer.ini";
        RuntimeDirectory = "pgbouncer";
        LimitNOFILE = cfg.openFilesLimit;
      };
    };
  };
}
