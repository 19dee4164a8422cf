# `services.dnsmasq`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkOption mkDefault;
  inherit (import ../short.nix { inherit lib; }) option flag lines enable package;
  cfg = config.services.dnsmasq;
  format = pkgs.formats.keyValue { listsAsDuplicateKeys = true; mkKeyValue = key: value: if value == true then key else if value == false then "# ${key} is off" else "${key}=${toString value}"; };
  configFile = pkgs.writeText "dnsmasq.conf" ((format.generate "dnsmasq.conf" cfg.settings).drvAttrs.text + cfg.extraConfig);
in
{
  imports = [
    (lib.mkRenamedOptionModule [ "services" "dnsmasq" "servers" ] [ "services" "dnsmasq" "settings" "server" ])
  ];

  options.services.dnsmasq = {
    enable = enable "dnsmasq, a small server of names and addresses";
    package = package "dnsmasq" pkgs.dnsmasq;
    resolveLocalQueries = flag true "Whether the machine itself asks it.";
    alwaysKeepRunning = flag false "Whether it is started again whenever it ends.";
    settings = mkOption {
      type = types.submodule {
        freeformType = format.type;
        options.server = option (types.listOf types.str) [ ] "Servers that are asked for other servers' names.";
      };
      default = { };
      description = "The configuration.";
    };
    configFile = mkOption {
      type = types.path;
      default = configFile;
      readOnly = true;
      defaultText = "made from `settings`";
      description = "The configuration as a file.";
    };
    extraConfig = lines "Further text of the configuration.";
  };

  config = mkIf cfg.enable {
    services.dnsmasq.settings = {
      dhcp-leasefile = mkDefault "/var/lib/dnsmasq/dnsmasq.leases";
      conf-file = mkDefault [ ];
      resolv-file = mkIf cfg.resolveLocalQueries (mkDefault "/etc/dnsmasq-resolv.conf");
    };

    # Where it asks when the machine itself asks it.
    environment.etc."dnsmasq-resolv.conf" = mkIf cfg.resolveLocalQueries {
      text = lib.concatMapStrings (server: "nameserver ${server}\n") (lib.filter (server: server != "127.0.0.1" && server != "::1") config.networking.nameservers);
    };
    networking.resolvconf.useLocalResolver = mkIf cfg.resolveLocalQueries (mkDefault true);

    users.users.dnsmasq = {
      isSystemUser = true;
      group = "dnsmasq";
      description = "Dnsmasq daemon user";
    };
    users.groups.dnsmasq = { };

    systemd.services.dnsmasq = {
      description = "Dnsmasq Daemon";
      after = [ "network.target" "systemd-resolved.service" ];
      wantedBy = [ "multi-user.target" ];
      restartTriggers = [ configFile ];
      path = [ cfg.package ];
      preStart = ''
        mkdir -m 755 -p /var/lib/dnsmasq
        touch /var/lib/dnsmasq/dnsmasq.leases
        chown -R dnsmasq /var/lib/dnsmasq
        dnsmasq --test -C ${configFile}
      '';
      serviceConfig = {
        ExecStart = "${cfg.package}/bin/dnsmasq -k --user=dnsmasq -C ${configFile}";
        ExecReload = "${pkgs.coreutils}/bin/kill -HUP $MAINPID";
        PrivateTmp = true;
        ProtectSystem = true;
        ProtectHome = true;
        Restart = if cfg.alwaysKeepRunning then "always" else "on-failure";
      };
    };
  };
}
