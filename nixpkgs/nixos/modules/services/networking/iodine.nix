# `services.iodine`: IP over DNS.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf optionalString;
  inherit (import ../short.nix { inherit lib; }) option flag;
  cfg = config.services.iodine;
  text = option types.str "";
  home = path: lib.hasPrefix "/root" path || lib.hasPrefix "/home" path;
  common = file: {
    ProtectSystem = "strict";
    ProtectHome = if home file then "read-only" else "true";
    PrivateTmp = true;
    ReadWritePaths = "/dev/net/tun";
    PrivateDevices = false;
    ProtectKernelTunables = true;
    ProtectKernelModules = true;
    ProtectControlGroups = true;
    NoNewPrivileges = true;
    LockPersonality = true;
    RestrictRealtime = true;
    PrivateMounts = true;
    MemoryDenyWriteExecute = true;
  };
  # The password is read as a terminal would give it.
  password = file: optionalString (file != "") "< \"${file}\"";
in
{
  imports = map (name: lib.mkRenamedOptionModule [ "services" "iodined" name ] [ "services" "iodine" "server" name ]) [ "enable" "domain" "ip" "extraConfig" ];

  options.services.iodine = {
    clients = option (types.attrsOf (types.submodule {
      options = {
        server = text "Domain of the server.";
        relay = text "DNS server that requests go through.";
        extraConfig = text "Further arguments.";
        passwordFile = text "File with the password.";
      };
    })) { } "Clients, by name; each is a unit iodine-NAME.";
    server = {
      enable = flag false "Whether to run the server, iodined.";
      ip = text "Its address in the tunnel, with the bits of the network.";
      domain = text "Domain that is its.";
      extraConfig = text "Further arguments.";
      passwordFile = text "File with the password.";
    };
  };

  config = mkIf (cfg.server.enable || cfg.clients != { }) {
    environment.systemPackages = [ pkgs.iodine ];
    boot.kernelModules = [ "tun" ];
    users.users.iodined = { uid = config.ids.uids.iodined; group = "iodined"; description = "Iodine daemon user"; };
    users.groups.iodined.gid = config.ids.gids.iodined;
    systemd.services = lib.mapAttrs' (name: client: lib.nameValuePair "iodine-${name}" {
      description = "iodine client - ${name}";
      after = [ "network.target" ];
      wantedBy = [ "multi-user.target" ];
      path = [ pkgs.nettools pkgs.iproute2 ];
      script = "exec ${pkgs.iodine}/bin/iodine -f -u iodined ${client.extraConfig} ${password client.passwordFile} ${client.relay} ${client.server}";
      serviceConfig = { RestartSec = "30s"; Restart = "always"; } // common client.passwordFile;
    }) cfg.clients
    // {
      iodined = mkIf cfg.server.enable {
        description = "iodine, ip over dns server daemon";
        after = [ "network.target" ];
        wantedBy = [ "multi-user.target" ];
        path = [ pkgs.nettools pkgs.iproute2 ];
        script = "exec ${pkgs.iodine}/bin/iodined -f -u iodined ${cfg.server.extraConfig} ${password cfg.server.passwordFile} ${cfg.server.ip} ${cfg.server.domain}";
        serviceConfig = common cfg.server.passwordFile;
      };
    };
  };
}
