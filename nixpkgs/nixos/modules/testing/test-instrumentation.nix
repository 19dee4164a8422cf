# What a machine needs to be observed: quick and loud failures, everything on its console.
{ config, lib, options, pkgs, ... }:
let
  inherit (lib) mkOption types;
  # Of modules that an evaluation may lack.
  declared = path: value: lib.optionalAttrs (lib.hasAttrByPath path options) (lib.setAttrByPath path value);
  console = "ttyS0";
in
{
  options.testing = {
    backdoor = mkOption {
      type = types.bool;
      default = true;
      description = "Harmless: the agent takes commands in every machine, before any unit.";
    };
    initrdBackdoor = mkOption {
      type = types.bool;
      default = false;
      description = "Not supported: there is no systemd in the first stage to be tested.";
    };
  };

  config = lib.mkMerge [
    {
      snowglobe.refused = lib.mkIf config.testing.initrdBackdoor {
        "testing.initrdBackdoor" = "there is no systemd in the first stage";
      };
    }
    # A test that waits for a failing unit should not wait long; one on a slow host not fail early.
    (declared [ "systemd" "settings" "Manager" ] {
      DefaultTimeoutStartSec = 300;
      DefaultDeviceTimeoutSec = 300;
      ShowStatus = false;
    })
    (declared [ "systemd" "user" "settings" "Manager" ] { DefaultTimeoutStartSec = 300; })
    # The driver reads the journal on the console.
    (declared [ "services" "journald" "extraConfig" ] ''
      ForwardToConsole=yes
      TTYPath=/dev/${console}
      MaxLevelConsole=debug
    '')
    (declared [ "services" "displayManager" "logToJournal" ] true)
    (declared [ "boot" "consoleLogLevel" ] 7)
    (declared [ "boot" "kernel" "sysctl" ] {
      "kernel.hung_task_timeout_secs" = 600;
      "vm.panic_on_oom" = lib.mkDefault 2;
    })
    (declared [ "boot" "kernelParams" ] [ "panic=1" "boot.panic_on_fail" ])
    # The way out of the user network is not a default route.
    (declared [ "networking" "defaultGateway" ] (lib.mkOverride 150 null))
    (declared [ "networking" "nameservers" ] (lib.mkOverride 150 [ ]))
    (declared [ "networking" "usePredictableInterfaceNames" ] false)
    # root logs in without a password.
    (declared [ "users" "users" ] { root.hashedPassword = lib.mkOverride 150 ""; })
    (declared [ "services" "logrotate" "enable" ] (lib.mkOverride 150 false))
    (declared [ "system" "stateVersion" ] (lib.mkOverride 1200 lib.trivial.release))
    # For `get_window_names`.
    (declared [ "environment" "systemPackages" ]
      (lib.optional (config.services.xserver.enable or false) pkgs.xorg.xwininfo))
  ];
}
