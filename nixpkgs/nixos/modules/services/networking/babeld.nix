# `services.babeld`: routing by Babel.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf;
  inherit (import ../short.nix { inherit lib; }) option lines enable;
  cfg = config.services.babeld;
  words = set: lib.concatStringsSep " " (lib.mapAttrsToList (key: value: "${key} ${if lib.isBool value then lib.boolToString value else toString value}") set);
  configFile = pkgs.writeText "babeld.conf" (
    "skip-kernel-setup true\n"
    + lib.optionalString (cfg.interfaceDefaults != null) "default ${words cfg.interfaceDefaults}\n"
    + lib.concatStrings (lib.mapAttrsToList (name: set: "interface ${name} ${words set}\n") cfg.interfaces)
    + cfg.extraConfig
  );
in
{
  options.services.babeld = {
    enable = enable "the routing daemon babeld";
    interfaceDefaults = option (types.nullOr (types.attrsOf types.unspecified)) null "What holds for all interfaces.";
    interfaces = option (types.attrsOf (types.attrsOf types.unspecified)) { } "Interfaces, by name.";
    extraConfig = lines "Further text of the configuration.";
  };

  config = mkIf cfg.enable {
    boot.kernel.sysctl = {
      "net.ipv6.conf.all.forwarding" = 1;
      "net.ipv6.conf.all.accept_redirects" = 0;
      "net.ipv4.conf.all.forwarding" = 1;
      "net.ipv4.conf.all.rp_filter" = 0;
    }
    // lib.mapAttrs' (name: _: lib.nameValuePair "net.ipv4.conf.${name}.rp_filter" (lib.mkDefault 0)) cfg.interfaces;
    systemd.services.babeld = {
      description = "Babel routing daemon";
      after = [ "network.target" ];
      wantedBy = [ "multi-user.target" ];
      serviceConfig = {
        ExecStart = "${pkgs.babeld}/bin/babeld -c ${configFile} -I /run/babeld/babeld.pid -S /var/lib/babeld/state";
        AmbientCapabilities = [ "CAP_NET_ADMIN" ];
        CapabilityBoundingSet = [ "CAP_NET_ADMIN" ];
        DynamicUser = true;
        NoNewPrivileges = true;
        ProtectSystem = "strict";
        RestrictAddressFamilies = [ "AF_NETLINK" "AF_INET6" "AF_INET" ];
        RuntimeDirectory = "babeld";
        StateDirectory = "babeld";
      };
    };
  };
}
