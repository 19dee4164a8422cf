# `fileSystems` and `swapDevices`.
{ config, lib, pkgs, utils, ... }:
let
  inherit (lib) mkOption types;

  fileSystem = { name, config, ... }: {
    options = {
      enable = mkOption {
        type = types.bool;
        default = true;
        description = "Whether it is mounted.";
      };
      mountPoint = mkOption {
        type = types.nonEmptyStr;
        default = name;
        description = "Where.";
      };
      device = mkOption {
        type = types.nullOr types.nonEmptyStr;
        default = null;
        description = "What: a device or the source of a special file system.";
      };
      label = mkOption {
        type = types.nullOr types.nonEmptyStr;
        default = null;
        description = "Label of what is mounted.";
      };
      fsType = mkOption {
        type = types.nonEmptyStr;
        default = "auto";
        description = "Type.";
      };
      options = mkOption {
        type = types.listOf types.nonEmptyStr;
        default = [ "defaults" ];
        description = "Mount options.";
      };
      depends = mkOption {
        type = types.listOf types.nonEmptyStr;
        default = [ ];
        description = "Mount points that must be there first.";
      };
      noCheck = mkOption {
        type = types.bool;
        default = false;
        description = "Whether the file system is not checked.";
      };
      autoFormat = mkOption {
        type = types.bool;
        default = false;
        description = "Whether a blank device gets a file system.";
      };
      formatOptions = mkOption {
        type = types.nullOr types.str;
        default = null;
        visible = false;
        description = "Not supported.";
      };
      autoResize = mkOption {
        type = types.bool;
        default = false;
        description = "Whether the file system grows with its device.";
      };
      neededForBoot = mkOption {
        type = types.bool;
        default = false;
        description = "Whether it is mounted before systemd runs.";
      };
      encrypted = mkOption {
        type = types.unspecified;
        default = null;
        description = "Not supported.";
      };
      overlay = {
        lowerdir = mkOption { type = types.nullOr (types.nonEmptyListOf types.str); default = null; description = "Lower folders of an overlay."; };
        upperdir = mkOption { type = types.nullOr types.str; default = null; description = "Upper folder of an overlay."; };
        workdir = mkOption { type = types.nullOr types.str; default = null; description = "Work folder of an overlay."; };
        useStage1BaseDirectories = mkOption { type = types.bool; default = true; internal = true; description = "Unused."; };
      };
    };
    config = {
      device = lib.mkIf (config.label != null) (lib.mkDefault "/dev/disk/by-label/${config.label}");
      options = lib.mkMerge [
        (lib.mkIf config.autoResize [ "x-systemd.growfs" ])
        (lib.mkIf (config.overlay.lowerdir != null) (
          [ "lowerdir=${lib.concatStringsSep ":" config.overlay.lowerdir}" ]
          ++ lib.optionals (config.overlay.upperdir != null) [ "upperdir=${config.overlay.upperdir}" "workdir=${config.overlay.workdir}" ]
        ))
      ];
    };
  };

  swap = { config, ... }: {
    options = {
      device = mkOption { type = types.nonEmptyStr; description = "Device or file."; };
      label = mkOption { type = types.nullOr types.str; default = null; description = "Label of the device."; };
      size = mkOption { type = types.nullOr types.int; default = null; description = "Size in MiB of a file that is made."; };
      priority = mkOption { type = types.nullOr types.int; default = null; description = "Priority."; };
      options = mkOption { type = types.listOf types.nonEmptyStr; default = [ "defaults" ]; description = "Options."; };
      randomEncryption = mkOption { type = types.unspecified; default = false; description = "Not supported."; };
      discardPolicy = mkOption {
        type = types.nullOr (types.enum [ "once" "pages" "both" ]);
        default = null;
        description = "Which blocks are discarded.";
      };
      realDevice = mkOption { type = types.path; internal = true; description = "The device itself."; };
      deviceName = mkOption { type = types.str; internal = true; description = "The device's name as a unit."; };
    };
    config = {
      device = lib.mkIf (config.label != null) (lib.mkDefault "/dev/disk/by-label/${config.label}");
      realDevice = config.device;
      deviceName = (import ../system/boot/systemd/escape.nix { inherit lib; }).path config.device;
    };
  };

  # Parents come before children.
  depth = path: lib.length (lib.filter (part: part != "") (lib.splitString "/" path));
  remote = [ "cifs" "nfs" "nfs4" "ceph" "glusterfs" "fuse.sshfs" ];
  all = lib.filter (fs: fs.enable && fs.mountPoint != "/") (lib.attrValues config.fileSystems);
  ordered = lib.sort (
    a: b:
    if lib.elem a.mountPoint b.depends then
      true
    else if lib.elem b.mountPoint a.depends then
      false
    else if depth a.mountPoint != depth b.mountPoint then
      depth a.mountPoint < depth b.mountPoint
    else
      a.mountPoint < b.mountPoint
  ) all;

  field = lib.replaceStrings [ " " "\t" ] [ "\\040" "\\011" ];
  bootPaths = [ "/" "/nix" "/nix/store" "/var" "/var/log" "/var/lib" "/var/lib/nixos" "/etc" "/usr" ];
  neededForBoot = fs: fs.neededForBoot || lib.elem fs.mountPoint bootPaths;
  # systemd formats and checks before it mounts.
  options = fs:
    fs.options
    ++ lib.optional fs.autoFormat "x-systemd.makefs"
    ++ map (other: "x-systemd.requires-mounts-for=${other}") fs.depends;
  unchecked = [ "tmpfs" "overlay" "9p" "virtiofs" "nfs" "nfs4" "cifs" "auto" "none" "fuse" "vboxsf" "btrfs" ];
  isBind = fs: lib.elem "bind" fs.options || lib.elem "rbind" fs.options;
  passOf = fs: if fs.noCheck || isBind fs || lib.elem fs.fsType unchecked || fs.autoFormat then "0" else "2";

  swapOptions =
    swap:
    lib.concatStringsSep "," (
      swap.options
      ++ lib.optional (swap.priority != null) "pri=${toString swap.priority}"
      ++ lib.optional (swap.discardPolicy != null) "discard${lib.optionalString (swap.discardPolicy != "both") "=${toString swap.discardPolicy}"}"
    );
  swapFiles = lib.filter (swap: swap.size != null) config.swapDevices;
in
{
  options = {
    fileSystems = mkOption {
      type = types.attrsOf (types.submodule fileSystem);
      default = { };
      example = lib.literalExpression ''{ "/data" = { device = "/dev/vdb"; fsType = "ext4"; }; }'';
      description = "File systems, by mount point.";
    };
    swapDevices = mkOption {
      type = types.listOf (types.submodule swap);
      default = [ ];
      description = "Swap space.";
    };
    boot.specialFileSystems = mkOption {
      type = types.attrsOf types.unspecified;
      default = { };
      internal = true;
      description = "Not supported: the first process mounts the kernel's file systems.";
    };
  };

  config = {
    assertions = map (fs: {
      assertion = fs.device != null || lib.elem fs.fsType [ "tmpfs" "overlay" "none" "proc" "sysfs" ];
      message = "fileSystems.\"${fs.mountPoint}\" has no device.";
    }) all;

    snowglobe.refused =
      lib.optionalAttrs (lib.any (fs: fs.formatOptions != null) all) { "fileSystems.<name>.formatOptions" = "file systems are made with the usual options"; }
      // lib.optionalAttrs (lib.any (fs: fs.encrypted != null && fs.encrypted.enable or true) all) { "fileSystems.<name>.encrypted" = "encrypted disks are not opened"; }
      // lib.optionalAttrs (lib.any (swap: swap.randomEncryption != false && swap.randomEncryption.enable or true) config.swapDevices) { "swapDevices.<name>.randomEncryption" = "encrypted swap is not set up"; };

    snowglobe.system.fileSystems = map (fs: {
      inherit (fs) mountPoint fsType autoFormat;
      device = if fs.device == null then fs.fsType else fs.device;
      options = fs.options;
      neededForBoot = neededForBoot fs;
    }) ordered;

    boot.supportedFilesystems = lib.listToAttrs (map (fs: lib.nameValuePair fs.fsType (lib.mkDefault true)) all);

    # Whoever waits for remote file systems finds their target reached by the boot itself.
    systemd.targets.remote-fs = lib.mkIf (lib.any (fs: lib.elem fs.fsType remote) all) {
      wantedBy = [ "multi-user.target" ];
      overrideStrategy = "asDropin";
    };

    environment.etc.fstab.text =
      lib.concatMapStrings (
        fs:
        "${field (if fs.device == null then fs.fsType else fs.device)} ${field fs.mountPoint} ${fs.fsType} ${
          field (lib.concatStringsSep "," (lib.unique (options fs)))
        } 0 ${passOf fs}\n"
      ) ordered
      + lib.concatMapStrings (swap: "${field swap.device} none swap ${swapOptions swap}\n") config.swapDevices;

    systemd.services = lib.listToAttrs (
      map (
        swap:
        lib.nameValuePair "mkswap-${swap.deviceName}" {
          description = "Initialisation of swap file ${swap.device}";
          wantedBy = [ "${swap.deviceName}.swap" ];
          before = [ "${swap.deviceName}.swap" "shutdown.target" ];
          conflicts = [ "shutdown.target" ];
          path = [ pkgs.util-linux pkgs.e2fsprogs ];
          unitConfig.RequiresMountsFor = [ (dirOf swap.device) ];
          unitConfig.DefaultDependencies = false;
          serviceConfig.Type = "oneshot";
          serviceConfig.RemainAfterExit = true;
          script = ''
            if [ "$(stat -c %s ${lib.escapeShellArg swap.device} 2>/dev/null || echo 0)" != ${toString (swap.size * 1048576)} ]; then
              mkdir -p "$(dirname ${lib.escapeShellArg swap.device})"
              rm -f ${lib.escapeShellArg swap.device}
              fallocate -l ${toString swap.size}M ${lib.escapeShellArg swap.device}
              chmod 0600 ${lib.escapeShellArg swap.device}
              mkswap ${lib.escapeShellArg swap.device}
            fi
          '';
        }
      ) swapFiles
    );
  };
}
