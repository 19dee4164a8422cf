# `services.memcached`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf;
  inherit (import ../short.nix { inherit lib; }) option flag enable confinement;
  cfg = config.services.memcached;
in
{
  options.services.memcached = {
    enable = enable "Memcached";
    user = option types.str "memcached" "User that the server runs as.";
    listen = option types.str "127.0.0.1" "Address.";
    port = option types.port 11211 "Port.";
    enableUnixSocket = flag false "Whether to listen at /run/memcached/memcached.sock instead of a port.";
    maxMemory = option types.ints.unsigned 64 "Memory in MiB.";
    maxConnections = option types.ints.unsigned 1024 "Most connections at a time.";
    extraOptions = option (types.listOf types.str) [ ] "Further arguments.";
  };

  config = mkIf cfg.enable {
    users.users = mkIf (cfg.user == "memcached") {
      memcached = {
        description = "Memcached server user";
        isSystemUser = true;
        group = "memcached";
      };
    };
    users.groups = mkIf (cfg.user == "memcached") { memcached = { }; };
    environment.systemPackages = [ pkgs.memcached ];

    systemd.services.memcached = {
      description = "Memcached server";
      wantedBy = [ "multi-user.target" ];
      after = [ "network.target" ];
      serviceConfig = confinement // {
        ExecStart = "${pkgs.memcached}/bin/memcached ${
          if cfg.enableUnixSocket then "-s /run/memcached/memcached.sock" else "-l ${cfg.listen} -p ${toString cfg.port}"
        } -m ${toString cfg.maxMemory} -c ${toString cfg.maxConnections} ${lib.escapeShellArgs cfg.extraOptions}";
        User = cfg.user;
        RuntimeDirectory = "memcached";
        CapabilityBoundingSet = "";
        RestrictAddressFamilies = [ "AF_INET" "AF_INET6" "AF_UNIX" ];
      };
    };
  };
}
