# `services.opensmtpd`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf;
  inherit (import ../short.nix { inherit lib; }) option flag enable package required;
  cfg = config.services.opensmtpd;
  configFile = pkgs.writeText "smtpd.conf" cfg.serverConfiguration;
in
{
  imports = [ (lib.mkRenamedOptionModule [ "services" "opensmtpd" "addSendmailToSystemPath" ] [ "services" "opensmtpd" "setSendmail" ]) ];

  options.services.opensmtpd = {
    enable = enable "the mail server OpenSMTPD";
    package = package "opensmtpd" pkgs.opensmtpd;
    setSendmail = flag true "Whether this is the system's sendmail.";
    extraServerArgs = option (types.listOf types.str) [ ] "Further arguments.";
    serverConfiguration = required types.lines "Text of smtpd.conf.";
    procPackages = option (types.listOf types.package) [ ] "Packages with filters and tables.";
  };

  config = mkIf cfg.enable {
    assertions = [ { assertion = !config.services.postfix.enable; message = "services.opensmtpd and services.postfix exclude each other: Debian's packages do"; } ];
    environment.systemPackages = [ cfg.package ] ++ cfg.procPackages;
    # Debian's names of the users that the program gives its privileges up for.
    users.users.opensmtpd = { description = "OpenSMTPD process user"; uid = config.ids.uids.smtpd; group = "opensmtpd"; home = "/var/empty"; };
    users.users.opensmtpq = { description = "OpenSMTPD queue user"; uid = config.ids.uids.smtpq; group = "opensmtpq"; home = "/var/empty"; };
    users.groups.opensmtpd.gid = config.ids.gids.smtpd;
    users.groups.opensmtpq.gid = config.ids.gids.smtpq;
    security.wrappers =
      let setgid = program: { owner = "root"; group = "opensmtpq"; setuid = false; setgid = true; source = "${cfg.package}/bin/smtpctl"; inherit program; }; in
      { smtpctl = setgid "smtpctl"; } // lib.optionalAttrs cfg.setSendmail { sendmail = setgid "sendmail"; };
    systemd.tmpfiles.rules = [
      "d /var/spool/smtpd 0711 root root -"
      "d /var/spool/smtpd/offline 0770 root opensmtpq -"
      "d /var/spool/smtpd/purge 0700 opensmtpq root -"
      "d /var/spool/smtpd/queue 0700 opensmtpq root -"
      "d /var/spool/mail 1777 root root -"
    ];
    systemd.services.opensmtpd = {
      description = "OpenSMTPD";
      wantedBy = [ "multi-user.target" ];
      after = [ "network.target" ];
      serviceConfig.ExecStart = "${cfg.package}/bin/smtpd -d -f ${configFile} ${toString cfg.extraServerArgs}";
    };
  };
}
