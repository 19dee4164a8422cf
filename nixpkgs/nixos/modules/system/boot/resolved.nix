# `services.resolved`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.services.resolved;
  text = type: default: description: mkOption { inherit type default description; };
in
{
  options.services.resolved = {
    enable = text types.bool false "Whether systemd-resolved looks up names.";
    fallbackDns = text (types.nullOr (types.listOf types.str)) null "DNS servers when there are no others.";
    domains = mkOption { type = types.listOf types.str; default = config.networking.search; description = "Domains in which names are looked for."; };
    llmnr = text (types.enum [ "true" "resolve" "false" ]) "true" "Whether names are looked up by LLMNR.";
    dnssec = text (types.enum [ "true" "allow-downgrade" "false" ]) "false" "Whether DNSSEC is checked.";
    dnsovertls = text (types.enum [ "true" "opportunistic" "false" ]) "false" "Whether questions go over TLS.";
    extraConfig = text types.lines "" "Text at the end of resolved.conf.";
  };

  config = lib.mkIf cfg.enable {
    snowglobe.system.debianPackages = [ "systemd-resolved" "libnss-resolve" ];
    environment.systemPackages = [ (pkgs.snowglobe.debianPackage "systemd-resolved") ];
    networking.resolvconf.enable = false;
    system.nssDatabases.hosts = lib.mkOrder 501 [ "resolve [!UNAVAIL=return]" ];

    environment.etc = {
      "resolv.conf" = { source = "/run/systemd/resolve/stub-resolv.conf"; mode = "direct-symlink"; };
      "systemd/resolved.conf".text = ''
        [Resolve]
        ${lib.optionalString (config.networking.nameservers != [ ]) "DNS=${toString config.networking.nameservers}"}
        ${lib.optionalString (cfg.fallbackDns != null) "FallbackDNS=${toString cfg.fallbackDns}"}
        ${lib.optionalString (cfg.domains != [ ]) "Domains=${toString cfg.domains}"}
        LLMNR=${cfg.llmnr}
        DNSSEC=${cfg.dnssec}
        DNSOverTLS=${cfg.dnsovertls}
        ${cfg.extraConfig}
      '';
    };

    systemd.units."systemd-resolved.service" = {
      overrideStrategy = "asDropin";
      wantedBy = [ "sysinit.target" ];
      aliases = [ "dbus-org.freedesktop.resolve1.service" ];
    };
  };
}
