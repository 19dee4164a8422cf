# `services.rsyslogd`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf;
  inherit (import ../short.nix { inherit lib; }) option lines enable;
  cfg = config.services.rsyslogd;
  configFile = pkgs.writeText "syslog.conf" ''
    $ModLoad imuxsock
    $SystemLogSocketName /run/systemd/journal/syslog
    $WorkDirectory /var/spool/rsyslog

    ${cfg.defaultConfig}
    ${cfg.extraConfig}
  '';
in
{
  options.services.rsyslogd = {
    enable = enable "rsyslogd, which gets the journal's messages";
    defaultConfig = option types.lines ''
      mail.* -/var/log/mail
      *.=warning;*.=err -/var/log/warn
      *.crit /var/log/warn
      *.*;mail.none;local1.none -/var/log/messages
    '' "What goes where.";
    extraConfig = lines "Further text of the configuration.";
    extraParams = option (types.listOf types.str) [ ] "Further arguments.";
  };

  config = mkIf cfg.enable {
    environment.etc."rsyslog.conf".source = configFile;

    # systemd itself brings syslog.socket, where the journal passes messages on.
    systemd.services.syslog = {
      description = "Syslog Daemon";
      aliases = [ "rsyslog.service" ];
      requires = [ "syslog.socket" ];
      after = [ "syslog.socket" ];
      wantedBy = [ "multi-user.target" ];
      serviceConfig = {
        ExecStart = "${pkgs.rsyslog}/bin/rsyslogd ${toString cfg.extraParams} -f ${configFile} -n";
        ExecStartPre = "${pkgs.coreutils}/bin/mkdir -p /var/spool/rsyslog";
        # What it says about itself must not come back to it.
        StandardOutput = "null";
      };
    };
  };
}
