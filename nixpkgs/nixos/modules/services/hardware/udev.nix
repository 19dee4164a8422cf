# `services.udev` and which devices are looked at when a machine boots.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.services.udev;

  # Debian's rules lie in /usr/lib/udev; those of other packages are joined.
  foreign = lib.filter (package: package.builder or "" != "builtin:debian") cfg.packages;
  joined = pkgs.buildEnv {
    name = "udev-rules";
    ignoreCollisions = true;
    paths = foreign ++ [
      (pkgs.linkFarm "extra-udev-rules" (
        lib.optional (cfg.extraRules != "") {
          name = "lib/udev/rules.d/99-local.rules";
          path = pkgs.writeText "99-local.rules" cfg.extraRules;
        }
      ))
    ];
    pathsToLink = [ "/lib/udev/rules.d" "/etc/udev/rules.d" ];
  };

  trigger = subsystems: "/usr/bin/udevadm trigger --type=devices --action=add ${lib.concatMapStringsSep " " (name: "--subsystem-match=${name}") subsystems}";

  disks =
    config.snowglobe.system.fileSystems != [ ]
    || config.swapDevices != [ ]
    || (config.virtualisation.emptyDiskImages or [ ]) != [ ]
    || (config.virtualisation.qemu.drives or [ ]) != [ ];

  needed = lib.unique (config.snowglobe.devices ++ lib.optional disks "block");
  later = lib.subtractLists needed [ "net" "block" "input" "drm" "graphics" "sound" "misc" "mem" "hidraw" "virtio-ports" ];
in
{
  options = {
    services.udev = {
      enable = mkOption { type = types.bool; default = true; description = "Whether udev runs."; };
      packages = mkOption { type = types.listOf types.path; default = [ ]; apply = map lib.getBin; description = "Packages with rules of udev."; };
      path = mkOption { type = types.listOf types.path; default = [ ]; description = "Packages whose programs rules use."; };
      extraRules = mkOption { type = types.lines; default = ""; description = "Rules of udev."; };
      extraHwdb = mkOption { type = types.lines; default = ""; description = "Not supported: entries of the hardware database."; };
    };
    hardware.firmware = mkOption { type = types.listOf types.unspecified; default = [ ]; description = "Harmless: virtual machines need no firmware."; };
    hardware.enableRedistributableFirmware = mkOption { type = types.bool; default = false; description = "Harmless: virtual machines need no firmware."; };
    hardware.enableAllFirmware = mkOption { type = types.bool; default = false; description = "Harmless: virtual machines need no firmware."; };
    snowglobe.devicesFirst = mkOption {
      type = types.bool;
      default = needed != [ ];
      internal = true;
      description = "Whether udev runs before services do.";
    };
    snowglobe.devices = mkOption {
      type = types.listOf types.str;
      default = [ ];
      internal = true;
      description = "Subsystems of the kernel whose devices udev must know before services start.";
    };
  };

  config = lib.mkIf cfg.enable {
    snowglobe.refused = lib.optionalAttrs (cfg.extraHwdb != "") { "services.udev.extraHwdb" = "the hardware database is Debian's"; };

    environment.etc."udev/rules.d" = lib.mkIf (foreign != [ ] || cfg.extraRules != "") { source = "${joined}/lib/udev/rules.d"; };
    environment.etc."udev/udev.conf".text = "udev_log=err\n";
    system.toplevelLinks = lib.listToAttrs (lib.imap0 (i: package: lib.nameValuePair "udev/${toString i}" package) cfg.packages);

    # Debian's unit has udev look at every device, and load a module for each. A virtual machine's
    # modules are known: only devices that something waits for are looked at before services start,
    # the others when all services run.
    systemd.maskedUnits = lib.optional (needed == [ ]) "systemd-udev-trigger.service";
    systemd.services = {
      systemd-udev-trigger = lib.mkIf (needed != [ ]) {
        serviceConfig.ExecStart = [ "" "-${trigger needed}" ];
      };
      snowglobe-coldplug = {
        description = "Remaining devices";
        wantedBy = [ "multi-user.target" ];
        after = [ "multi-user.target" ];
        serviceConfig = {
          # The boot is over without it.
          Type = "exec";
          RemainAfterExit = true;
          ExecStart = "-${trigger later}";
        };
      };
      # Kernels that are booted without a boot loader have no text on the screen before its driver is there. Nothing that
      # was asked for waits for it.
      snowglobe-screen = lib.mkIf (config.virtualisation.graphics or false) {
        description = "Text on the screen";
        wantedBy = [ "multi-user.target" ];
        after = [ "multi-user.target" ];
        serviceConfig = {
          Type = "exec";
          RemainAfterExit = true;
          CPUSchedulingPolicy = "idle";
        };
        # What the kernel says about it would stand in the middle of the login prompt.
        script = ''
          read -r level rest </proc/sys/kernel/printk
          echo 4 >/proc/sys/kernel/printk
          /usr/sbin/modprobe virtio_gpu || true
          echo "$level" >/proc/sys/kernel/printk
        '';
      };
      systemd-udevd = lib.mkIf (cfg.path != [ ]) { path = cfg.path; };
    };
  };
}
