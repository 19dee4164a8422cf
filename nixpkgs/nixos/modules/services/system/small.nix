# Core services that are a few lines each.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  flag = default: description: mkOption {
    type = types.bool;
    inherit default description;
  };
  timesyncd = config.services.timesyncd;
  units = import ../../system/boot/systemd/lib.nix { inherit lib pkgs; };
in
{
  options = {
    services.nscd = {
      enable = flag false "Not supported: glibc finds Debian's name service modules by itself, so that no cache is needed. (On by default upstream, for that reason.)";
      enableNsncd = flag true "Harmless: unused without nscd, which is not run.";
      user = mkOption { type = types.str; default = "nscd"; description = "Harmless: unused without nscd, which is not run."; };
      group = mkOption { type = types.str; default = "nscd"; description = "Harmless: unused without nscd, which is not run."; };
      config = mkOption { type = types.lines; default = ""; description = "Harmless: unused without nscd, which is not run."; };
    };
    services.timesyncd = {
      enable = flag false "Whether the clock is set over the network. (On by default upstream, off in its tests.)";
      servers = mkOption { type = types.nullOr (types.listOf types.str); default = config.networking.timeServers; description = "Time servers."; };
      fallbackServers = mkOption { type = types.nullOr (types.listOf types.str); default = null; description = "Time servers when there are no others."; };
      extraConfig = mkOption { type = types.lines; default = ""; description = "Text of timesyncd.conf's section `[Time]`."; };
    };
    networking.timeServers = mkOption {
      type = types.listOf types.str;
      default = [ "0.nixos.pool.ntp.org" "1.nixos.pool.ntp.org" "2.nixos.pool.ntp.org" "3.nixos.pool.ntp.org" ];
      description = "Time servers.";
    };
    services.qemuGuest = {
      enable = flag false "Without effect: Snowglobe's agent is in every machine.";
      package = mkOption { type = types.package; default = pkgs.hello; defaultText = "none"; description = "Unused."; };
    };
    networking.proxy = {
      default = mkOption { type = types.nullOr types.str; default = null; description = "Proxy for everything."; };
      noProxy = mkOption { type = types.nullOr types.str; default = null; description = "Hosts that are reached directly."; };
      envVars = mkOption { type = types.attrsOf types.unspecified; default = { }; internal = true; description = "Variables of proxies."; };
    }
    // lib.genAttrs [ "httpProxy" "httpsProxy" "ftpProxy" "rsyncProxy" "allProxy" ] (
      name:
      mkOption {
        type = types.nullOr types.str;
        default = config.networking.proxy.default;
        description = "Proxy: ${name}.";
      }
    );
    zramSwap = {
      enable = flag false "Whether there is compressed swap in memory.";
      algorithm = mkOption { type = types.str; default = "zstd"; description = "Compression."; };
      memoryPercent = mkOption { type = types.int; default = 50; description = "Size, in percent of memory."; };
      memoryMax = mkOption { type = types.nullOr types.int; default = null; description = "Largest size in bytes."; };
      priority = mkOption { type = types.int; default = 5; description = "Priority."; };
      swapDevices = mkOption { type = types.int; default = 1; description = "How many devices."; };
      writebackDevice = mkOption { type = types.nullOr types.path; default = null; description = "Device for what cannot be compressed."; };
    };
  };

  config = lib.mkMerge [
    {
      snowglobe.refused = lib.optionalAttrs config.services.nscd.enable {
        "services.nscd.enable" = "glibc finds Debian's name service modules by itself, so that no cache is needed";
      };
    }
    (lib.mkIf timesyncd.enable {
      snowglobe.system.debianPackages = [ "systemd-timesyncd" ];
      environment.etc."systemd/timesyncd.conf".text = "[Time]\n${
        lib.optionalString (timesyncd.servers != null) "NTP=${toString timesyncd.servers}\n"
      }${lib.optionalString (timesyncd.fallbackServers != null) "FallbackNTP=${toString timesyncd.fallbackServers}\n"}${timesyncd.extraConfig}";
      systemd.units."systemd-timesyncd.service" = {
        overrideStrategy = "asDropin";
        wantedBy = [ "sysinit.target" ];
        aliases = [ "dbus-org.freedesktop.timesync1.service" ];
      };
    })
    {
      networking.proxy.envVars =
        let
          cfg = config.networking.proxy;
          set = lib.filterAttrs (_: value: value != null) {
            all_proxy = cfg.allProxy;
            http_proxy = cfg.httpProxy;
            https_proxy = cfg.httpsProxy;
            ftp_proxy = cfg.ftpProxy;
            rsync_proxy = cfg.rsyncProxy;
            no_proxy = cfg.noProxy;
          };
        in
        set;
      environment.sessionVariables = config.networking.proxy.envVars;
    }
    (lib.mkIf config.zramSwap.enable {
      snowglobe.system.debianPackages = [ "systemd-zram-generator" ];
      boot.kernelModules = [ "zram" ];
      environment.etc."systemd/zram-generator.conf".text = lib.concatMapStrings (
        i:
        "[zram${toString i}]\n"
        + units.directives (
          {
            zram-size =
              let
                size = "${toString (config.zramSwap.memoryPercent * 1.0 / 100 / config.zramSwap.swapDevices)} * ram";
              in
              if config.zramSwap.memoryMax == null then size else "min(${size}, ${toString (config.zramSwap.memoryMax / 1024 / 1024)})";
            compression-algorithm = config.zramSwap.algorithm;
            swap-priority = config.zramSwap.priority;
          }
          // lib.optionalAttrs (config.zramSwap.writebackDevice != null) { writeback-device = config.zramSwap.writebackDevice; }
        )
      ) (lib.range 0 (config.zramSwap.swapDevices - 1));
    })
  ];
}
