# How long machines have run, and on what power: `services.tuptime` and `services.apcupsd`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf;
  inherit (import ../short.nix { inherit lib; }) option flag enable;
  inherit (config.services) tuptime apcupsd;
  events = [
    "annoyme" "battattach" "battdetach" "changeme" "commfailure" "commok" "doreboot" "doshutdown" "emergency" "failing" "killpower"
    "loadlimit" "mainsback" "onbattery" "offbattery" "powerout" "remotedown" "runlimit" "timeout" "startselftest" "endselftest"
  ];
  # Debian's program for events, with hooks beside it; its samples, which mail root, are left out.
  scripts = "/etc/apcupsd";
  configFile = pkgs.writeText "apcupsd.conf" ''
    ## apcupsd.conf v1.1 ##
    ${apcupsd.configText}
    SCRIPTDIR ${scripts}
  '';
in
{
  options.services = {
    tuptime = {
      enable = enable "tuptime, which counts how long the machine has run";
      timer.enable = flag true "Whether it also counts while the machine runs.";
      timer.period = option types.str "*:0/5" "How often, as systemd says it.";
    };
    apcupsd = {
      enable = enable "the daemon of APC's uninterruptible power supplies";
      configText = option types.lines ''
        UPSTYPE usb
        NISIP 127.0.0.1
        BATTERYLEVEL 50
        MINUTES 5
      '' "Text of apcupsd.conf.";
      hooks = option (types.attrsOf types.lines) { } "Commands for events, by the event's name.";
    };
  };

  config = lib.mkMerge [
    (mkIf tuptime.enable {
      environment.systemPackages = [ pkgs.tuptime ];
      users.groups._tuptime.members = [ "_tuptime" ];
      users.users._tuptime = { isSystemUser = true; group = "_tuptime"; description = "tuptime database owner"; };
      systemd.services.tuptime = {
        description = "The total uptime service";
        documentation = [ "man:tuptime(1)" ];
        after = [ "time-sync.target" ];
        wantedBy = [ "multi-user.target" ];
        serviceConfig = {
          StateDirectory = "tuptime";
          Type = "oneshot";
          User = "_tuptime";
          RemainAfterExit = true;
          ExecStart = "${pkgs.tuptime}/bin/tuptime -q";
          ExecStop = "${pkgs.tuptime}/bin/tuptime -qg";
        };
      };
      systemd.services.tuptime-sync = mkIf tuptime.timer.enable {
        description = "Tuptime scheduled sync service";
        serviceConfig = { Type = "oneshot"; User = "_tuptime"; ExecStart = "${pkgs.tuptime}/bin/tuptime -q"; };
      };
      systemd.timers.tuptime-sync = mkIf tuptime.timer.enable {
        description = "Tuptime scheduled sync timer";
        wantedBy = [ "tuptime.service" "timers.target" ];
        partOf = [ "tuptime.service" ];
        timerConfig = { OnBootSec = "1min"; OnCalendar = tuptime.timer.period; Unit = "tuptime-sync.service"; };
      };
    })

    (mkIf apcupsd.enable {
      assertions = [
        {
          assertion = lib.all (name: lib.elem name events) (lib.attrNames apcupsd.hooks);
          message = "services.apcupsd.hooks: there is no event ${lib.concatStringsSep ", " (lib.subtractLists events (lib.attrNames apcupsd.hooks))}";
        }
      ];
      environment.systemPackages = [ pkgs.apcupsd ];
      environment.etc = {
        "apcupsd/apcupsd.conf".source = configFile;
        "apcupsd/apccontrol".source = "${pkgs.apcupsd}/etc/apcupsd/apccontrol";
      }
      // lib.mapAttrs' (name: commands: lib.nameValuePair "apcupsd/${name}" { mode = "0755"; text = "#!${pkgs.runtimeShell}\n${commands}"; }) apcupsd.hooks;
      systemd.services.apcupsd = {
        description = "APC UPS Daemon";
        documentation = [ "man:apcupsd(8)" ];
        wantedBy = [ "multi-user.target" ];
        preStart = "mkdir -p /run/apcupsd";
        serviceConfig = { ExecStart = "${pkgs.apcupsd}/bin/apcupsd -b -f ${configFile} -d1"; TimeoutStopSec = 5; };
      };
      systemd.services.apcupsd-killpower = {
        description = "APC UPS Kill Power";
        after = [ "shutdown.target" ];
        before = [ "final.target" ];
        wantedBy = [ "shutdown.target" ];
        unitConfig = { ConditionPathExists = "/run/apcupsd/powerfail"; DefaultDependencies = "no"; };
        serviceConfig = {
          Type = "oneshot";
          ExecStart = "${pkgs.apcupsd}/bin/apcupsd --killpower -f ${configFile}";
          TimeoutSec = "infinity";
          StandardOutput = "tty";
          RemainAfterExit = "yes";
        };
      };
    })
  ];
}
