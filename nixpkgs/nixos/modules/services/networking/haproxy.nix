# `services.haproxy`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf;
  inherit (import ../short.nix { inherit lib; }) option enable package maybe confinement;
  cfg = config.services.haproxy;
  # The first lines are ours: the process belongs to systemd.
  configFile = pkgs.writeText "haproxy.conf" ''
    global
      log /dev/log local0
      stats socket /run/haproxy/haproxy.sock mode 600 expose-fd listeners level user

    ${cfg.config}
  '';
in
{
  options.services.haproxy = {
    enable = enable "HAProxy, a reliable, high performance TCP/HTTP load balancer";
    package = package "haproxy" pkgs.haproxy;
    user = option types.str "haproxy" "User that the server runs as.";
    group = option types.str "haproxy" "Group that the server runs as.";
    config = maybe types.lines "The configuration.";
  };

  config = mkIf cfg.enable {
    assertions = [
      {
        assertion = cfg.config != null;
        message = "services.haproxy.config is not set";
      }
    ];
    environment.etc."haproxy.cfg".source = configFile;

    systemd.services.haproxy = {
      description = "HAProxy";
      after = [ "network.target" ];
      wantedBy = [ "multi-user.target" ];
      serviceConfig = confinement // {
        User = cfg.user;
        Group = cfg.group;
        Type = "notify";
        ExecStartPre = [
          # Later reloads go through this link, so that they use the new program.
          "${pkgs.coreutils}/bin/ln -sf ${lib.getExe cfg.package} /run/haproxy/haproxy"
          "/run/haproxy/haproxy -c -f /etc/haproxy.cfg"
        ];
        ExecStart = "/run/haproxy/haproxy -Ws -f /etc/haproxy.cfg -p /run/haproxy/haproxy.pid";
        ExecReload = [
          "${lib.getExe cfg.package} -c -f /etc/haproxy.cfg"
          "${pkgs.coreutils}/bin/ln -sf ${lib.getExe cfg.package} /run/haproxy/haproxy"
          "${pkgs.coreutils}/bin/kill -USR2 $MAINPID"
        ];
        KillMode = "mixed";
        SuccessExitStatus = "143";
        Restart = "always";
        RuntimeDirectory = "haproxy";
        AmbientCapabilities = [ "CAP_NET_BIND_SERVICE" ];
        RestrictAddressFamilies = [ "AF_INET" "AF_INET6" "AF_UNIX" ];
      };
    };

    users.users = mkIf (cfg.user == "haproxy") {
      haproxy = {
        group = cfg.group;
        isSystemUser = true;
      };
    };
    users.groups = mkIf (cfg.group == "haproxy") { haproxy = { }; };
  };
}
