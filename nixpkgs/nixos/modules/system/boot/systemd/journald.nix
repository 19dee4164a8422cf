# `services.journald`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.services.journald;
  units = import ./lib.nix { inherit lib pkgs; };
  o = units.options;
in
{
  options.services.journald = {
    console = mkOption {
      type = types.str;
      default = "";
      description = "Terminal that messages are copied to; empty: none.";
    };
    rateLimitInterval = mkOption {
      type = types.str;
      default = "30s";
      description = "Over which time messages of a service are counted.";
    };
    rateLimitBurst = mkOption {
      type = types.int;
      default = 10000;
      description = "How many messages a service may write in that time.";
    };
    storage = mkOption {
      type = types.enum [ "persistent" "volatile" "auto" "none" ];
      default = "persistent";
      description = "Where the journal is kept.";
    };
    audit = mkOption {
      type = types.nullOr types.bool;
      default = null;
      description = "Whether the kernel's audit messages are collected; null: as it is.";
    };
    forwardToSyslog = mkOption {
      type = types.bool;
      default = config.services.rsyslogd.enable or false || config.services.syslog-ng.enable or false;
      defaultText = "whether a syslog service is enabled";
      description = "Whether messages are passed on to the syslog socket.";
    };
    extraConfig = mkOption {
      type = types.lines;
      default = "";
      description = "Text at the end of journald.conf.";
    };
    settings.Journal = o.section "Directives of the section `[Journal]` of journald.conf.";
    enableHttpGateway = mkOption {
      type = types.bool;
      default = false;
      description = "Whether the journal can be read over HTTP, at port 19531.";
    };
  };

  config = lib.mkMerge [
    {
      services.journald.settings.Journal = {
        Storage = lib.mkDefault cfg.storage;
        RateLimitInterval = lib.mkDefault cfg.rateLimitInterval;
        RateLimitBurst = lib.mkDefault cfg.rateLimitBurst;
        Audit = lib.mkIf (cfg.audit != null) (lib.mkDefault cfg.audit);
        ForwardToSyslog = lib.mkDefault cfg.forwardToSyslog;
        ForwardToConsole = lib.mkIf (cfg.console != "") (lib.mkDefault true);
        TTYPath = lib.mkIf (cfg.console != "") (lib.mkDefault cfg.console);
      };

      environment.etc."systemd/journald.conf".text = "[Journal]\n${units.directives cfg.settings.Journal}${cfg.extraConfig}";
      # Debian forwards to a syslog daemon unless told otherwise.
      environment.etc."systemd/journald.conf.d/syslog.conf" = { source = "/dev/null"; mode = "direct-symlink"; };

      users.groups.systemd-journal.gid = config.ids.gids.systemd-journal;
    }
    (lib.mkIf cfg.enableHttpGateway {
      snowglobe.system.debianPackages = [ "systemd-journal-remote" ];
      users.users.systemd-journal-gateway = {
        uid = config.ids.uids.systemd-journal-gateway;
        isSystemUser = true;
        group = "systemd-journal-gateway";
      };
      users.groups.systemd-journal-gateway.gid = config.ids.gids.systemd-journal-gateway;
      systemd.units."systemd-journal-gatewayd.socket" = {
        overrideStrategy = "asDropin";
        wantedBy = [ "sockets.target" ];
      };
    })
  ];
}
