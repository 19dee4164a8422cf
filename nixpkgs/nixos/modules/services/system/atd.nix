# `services.atd`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkIf;
  inherit (import ../short.nix { inherit lib; }) flag enable;
  cfg = config.services.atd;
  # Debian's at and atd were compiled for this user.
  user = "daemon";
  spool = "/var/spool/cron";
in
{
  options.services.atd = {
    enable = enable "the daemon of `at`, which runs commands at a given time";
    allowEveryone = flag false "Whether everybody may see and write the directory of jobs, so that it works without setuid programs.";
  };

  config = mkIf cfg.enable {
    environment.systemPackages = [ pkgs.at ];
    security.wrappers = lib.genAttrs [ "at" "atq" "atrm" ] (program: {
      source = "${pkgs.at}/bin/${program}";
      owner = user;
      group = user;
      setuid = true;
      setgid = true;
    });
    security.pam.services.atd = { };

    users.users.${user} = {
      isSystemUser = true;
      description = "atd user";
      home = "/var/empty";
      group = user;
    };
    users.groups.${user} = { };

    systemd.tmpfiles.rules =
      let
        mode = if cfg.allowEveryone then "1777" else "1770";
      in
      [
        "d ${spool} 0755 root root -"
        "d ${spool}/atjobs ${mode} ${user} ${user} -"
        "d ${spool}/atspool ${mode} ${user} ${user} -"
        "f ${spool}/atjobs/.SEQ 0600 ${user} ${user} -"
        "f /etc/at.deny 0640 root ${user} -"
      ];

    systemd.services.atd = {
      description = "Job Execution Daemon (atd)";
      documentation = [ "man:atd(8)" ];
      wantedBy = [ "multi-user.target" ];
      after = [ "systemd-tmpfiles-setup.service" ];
      # Jobs are mailed by what the machine has.
      path = [ pkgs.at ];
      serviceConfig.ExecStart = "${pkgs.at}/bin/atd -f";
    };
  };
}
