# `services.logind` and the units of login sessions.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.services.logind;
  units = import ./lib.nix { inherit lib pkgs; };
  action = types.enum [
    "ignore" "poweroff" "reboot" "halt" "kexec" "suspend" "hibernate" "hybrid-sleep" "suspend-then-hibernate" "sleep" "lock"
  ];
  key = directive: default: {
    inherit directive;
    option = mkOption {
      type = action;
      inherit default;
      description = "What ${directive} does.";
    };
  };
  keys = {
    powerKey = key "HandlePowerKey" "poweroff";
    powerKeyLongPress = key "HandlePowerKeyLongPress" "ignore";
    rebootKey = key "HandleRebootKey" "reboot";
    rebootKeyLongPress = key "HandleRebootKeyLongPress" "poweroff";
    suspendKey = key "HandleSuspendKey" "suspend";
    hibernateKey = key "HandleHibernateKey" "hibernate";
    lidSwitch = key "HandleLidSwitch" "suspend";
    lidSwitchDocked = key "HandleLidSwitchDocked" "ignore";
  };
in
{
  options.services.logind = lib.mapAttrs (_: key: key.option) keys // {
    killUserProcesses = mkOption {
      type = types.bool;
      default = false;
      description = "Whether a user's processes end with the last session.";
    };
    extraConfig = mkOption {
      type = types.lines;
      default = "";
      description = "Text at the end of logind.conf.";
    };
    settings.Login = units.options.section "Directives of the section `[Login]` of logind.conf.";
  };

  config = {
    services.logind.settings.Login =
      { KillUserProcesses = lib.mkDefault cfg.killUserProcesses; }
      // lib.mapAttrs' (name: key: lib.nameValuePair key.directive (lib.mkDefault cfg.${name})) keys;

    environment.etc."systemd/logind.conf".text = "[Login]\n${units.directives cfg.settings.Login}${cfg.extraConfig}";
  };
}
