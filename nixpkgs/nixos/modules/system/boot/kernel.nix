# `boot.*`: the kernel, its parameters and modules, and what runs before the system.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.boot;

  strings = description: mkOption {
    type = types.listOf types.str;
    default = [ ];
    inherit description;
  };
  lines = description: mkOption {
    type = types.lines;
    default = "";
    inherit description;
  };
  flag = default: description: mkOption {
    type = types.bool;
    inherit default description;
  };

  refuse = option: set: reason: lib.optionalAttrs set { ${option} = reason; };
  oneKernel = "every machine runs Debian's kernel";
in
{
  options.boot = {
    kernelPackages = mkOption {
      type = types.raw;
      default = pkgs.linuxPackages;
      defaultText = lib.literalExpression "pkgs.linuxPackages";
      description = "Harmless: there is one kernel, Debian's; a set of another version cannot be named.";
    };
    kernelPatches = mkOption {
      type = types.listOf types.attrs;
      default = [ ];
      description = "Not supported: the kernel is Debian's.";
    };
    extraModulePackages = mkOption {
      type = types.listOf types.package;
      default = [ ];
      description = "Not supported: modules that are not part of Debian's kernel.";
    };
    kernelParams = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Parameters of the kernel's command line.";
    };
    consoleLogLevel = mkOption {
      type = types.int;
      default = 4;
      description = "Least urgent level of kernel messages on the console.";
    };
    kernelModules = strings "Modules that are loaded when the machine boots.";
    blacklistedKernelModules = strings "Modules that are not loaded by themselves.";
    extraModprobeConfig = lines "Text of a file in /etc/modprobe.d.";
    supportedFilesystems = mkOption {
      type = types.coercedTo (types.listOf types.str) (names: lib.genAttrs names (_: true)) (types.attrsOf types.bool);
      default = { };
      description = "Types of file systems whose tools are there.";
    };
    tmp = {
      useTmpfs = flag false "Whether /tmp is in memory.";
      tmpfsSize = mkOption {
        type = types.oneOf [ types.str types.ints.positive ];
        default = "50%";
        description = "Largest size of /tmp in memory.";
      };
      tmpfsHugeMemoryPages = mkOption {
        type = types.enum [ "never" "always" "within_size" "advise" ];
        default = "never";
        description = "Whether /tmp in memory uses large pages.";
      };
      cleanOnBoot = flag false "Whether /tmp is emptied when the machine boots.";
      useZram = mkOption {
        type = types.bool;
        default = false;
        description = "Not supported.";
      };
    };
    initrd = {
      enable = flag true "Whether there is an initrd: always.";
      kernelModules = strings "Modules that are loaded before anything is mounted.";
      availableKernelModules = strings "Harmless: all modules of Debian's kernel can be loaded before anything is mounted.";
      supportedFilesystems = mkOption {
        type = types.coercedTo (types.listOf types.str) (names: lib.genAttrs names (_: true)) (types.attrsOf types.bool);
        default = { };
        description = "Types of file systems that can be mounted by the first process.";
      };
      includeDefaultModules = flag true "Harmless: all modules of Debian's kernel are available.";
      checkJournalingFS = flag true "Harmless: the disks of a machine are made for the test, and checked as `noCheck` of a file system says.";
      preDeviceCommands = lines "Shell commands before devices are there.";
      postDeviceCommands = lines "Shell commands when devices are there, before anything is mounted.";
      postResumeCommands = lines "Shell commands before anything is mounted.";
      preLVMCommands = lines "Shell commands before anything is mounted.";
      preFailCommands = lines "Not supported.";
      postMountCommands = lines "Not supported: shell commands after file systems were mounted.";
      extraUtilsCommands = lines "Not supported.";
      extraFiles = mkOption { type = types.attrsOf types.unspecified; default = { }; description = "Not supported."; };
      secrets = mkOption { type = types.attrsOf (types.nullOr types.path); default = { }; description = "Not supported."; };
      verbose = flag true "Whether the first process says what it does: to the report.";
      compressor = mkOption { type = types.unspecified; default = null; description = "Not supported: one initrd serves all machines."; };
      network = {
        enable = flag false "Not supported: network in the initrd.";
        ssh.enable = flag false "Not supported.";
      };
      systemd = {
        enable = flag false "Not supported: systemd in the initrd.";
        emergencyAccess = mkOption { type = types.unspecified; default = false; description = "Not supported."; };
      };
      luks.devices = mkOption {
        type = types.attrsOf types.unspecified;
        default = { };
        description = "Not supported: encrypted disks opened before the system runs.";
      };
      services = mkOption { type = types.attrsOf types.unspecified; default = { }; description = "Not supported."; };
    };
    postBootCommands = lines "Shell commands before systemd runs.";
    loader = mkOption {
      type = types.submodule {
        freeformType = types.attrsOf types.unspecified;
        options = {
          grub.enable = flag false "Whether GRUB is installed: not supported.";
          grub.device = mkOption { type = types.str; default = ""; description = "Harmless: there is no boot loader."; };
          grub.devices = strings "Harmless: there is no boot loader.";
          timeout = mkOption { type = types.nullOr types.int; default = 5; description = "Harmless: there is no boot loader."; };
          systemd-boot.enable = flag false "Not supported.";
          efi.canTouchEfiVariables = flag false "Harmless: there is no boot loader.";
          initScript.enable = flag false "Not supported.";
          generic-extlinux-compatible.enable = flag false "Not supported.";
        };
      };
      default = { };
      description = "Boot loaders: machines are started without one.";
    };
    isContainer = flag false "Whether this system runs in a container: no, in a machine.";
    hardwareScan = flag true "Harmless: a virtual machine has the cards that its configuration names.";
    growPartition = flag false "Not supported.";
    plymouth.enable = flag false "Not supported.";
    swraid.enable = flag false "Whether software RAID arrays are assembled when the machine boots.";
    kernel.enable = mkOption { type = types.bool; default = true; internal = true; description = "Always."; };
    vesa = flag false "Harmless: it has no meaning in upstream any more.";
    zfs = mkOption {
      type = types.submodule { freeformType = types.attrsOf types.unspecified; };
      default = { };
      description = "Not supported: Debian has no ZFS in its kernel.";
    };
    bcache.enable = flag false "Not supported.";
    binfmt = {
      emulatedSystems = strings "Not supported.";
      registrations = mkOption { type = types.attrsOf types.unspecified; default = { }; description = "Not supported."; };
    };
  };

  config = {
    snowglobe.refused =
      lib.optionalAttrs (config.boot.extraModulePackages != [ ]) { "boot.extraModulePackages" = "modules are those of Debian's kernel"; } //
      refuse "boot.kernelPatches" (cfg.kernelPatches != [ ]) oneKernel
      // refuse "boot.initrd.systemd.enable" cfg.initrd.systemd.enable "the first process is Snowglobe's agent"
      // refuse "boot.initrd.network.enable" (cfg.initrd.network.enable || cfg.initrd.network.ssh.enable) "there is no network before systemd runs"
      // refuse "boot.initrd.luks.devices" (cfg.initrd.luks.devices != { }) "encrypted disks are not opened before systemd runs"
      // refuse "boot.initrd.secrets" (cfg.initrd.secrets != { }) "one initrd serves all machines"
      // refuse "boot.initrd.extraFiles" (cfg.initrd.extraFiles != { }) "one initrd serves all machines"
      // refuse "boot.initrd.services" (cfg.initrd.services != { }) "there are no services before systemd runs"
      // refuse "boot.initrd.extraUtilsCommands" (cfg.initrd.extraUtilsCommands != "") "one initrd serves all machines"
      // refuse "boot.initrd.postMountCommands" (cfg.initrd.postMountCommands != "") "use systemd services or system.activationScripts"
      // refuse "boot.loader.systemd-boot.enable" cfg.loader.systemd-boot.enable "machines are started without a boot loader"
      // refuse "boot.loader.grub.enable" (cfg.loader.grub.enable == true) "machines are started without a boot loader"
      // refuse "boot.loader.initScript.enable" cfg.loader.initScript.enable "machines are started without a boot loader"
      // refuse "boot.loader.generic-extlinux-compatible.enable" cfg.loader.generic-extlinux-compatible.enable "machines are started without a boot loader"
      // refuse "boot.isContainer" cfg.isContainer "every node is a virtual machine"
      // refuse "boot.growPartition" cfg.growPartition "the disk has no partitions"
      // refuse "boot.plymouth.enable" cfg.plymouth.enable "nobody watches the boot"
      // refuse "boot.zfs" (cfg.zfs != { }) "Debian has no ZFS in its kernel"
      // refuse "boot.bcache.enable" cfg.bcache.enable "it is not set up"
      // refuse "boot.binfmt" (cfg.binfmt.emulatedSystems != [ ] || cfg.binfmt.registrations != { }) "programs of other systems cannot be run"
      // refuse "boot.tmp.useZram" cfg.tmp.useZram "use boot.tmp.useTmpfs";

    boot.kernelParams = [ "loglevel=${toString cfg.consoleLogLevel}" ];

    boot.kernelModules = lib.mkIf cfg.swraid.enable [ "md_mod" "raid0" "raid1" "raid456" ];

    snowglobe.system.kernel = {
      params = cfg.kernelParams;
      # All are loaded by the first process, which needs no program for it.
      initrdModules = cfg.initrd.kernelModules ++ cfg.kernelModules;
    };

    snowglobe.system.initrdCommands = lib.mkMerge [
      cfg.initrd.preDeviceCommands
      cfg.initrd.preLVMCommands
      cfg.initrd.postDeviceCommands
      cfg.initrd.postResumeCommands
    ];

    environment.etc = {
      "modprobe.d/nixos.conf" = lib.mkIf (cfg.blacklistedKernelModules != [ ] || cfg.extraModprobeConfig != "") {
        text = lib.concatMapStrings (name: "blacklist ${name}\n") cfg.blacklistedKernelModules + cfg.extraModprobeConfig;
      };
      "modules-load.d/nixos.conf".text = lib.concatLines cfg.kernelModules;
    };

    systemd.units."tmp.mount" = lib.mkIf cfg.tmp.useTmpfs {
      overrideStrategy = "asDropin";
      wantedBy = [ "local-fs.target" ];
      text = "[Mount]\nOptions=mode=1777,strictatime,rw,nosuid,nodev,size=${toString cfg.tmp.tmpfsSize},huge=${cfg.tmp.tmpfsHugeMemoryPages}\n";
    };
    systemd.tmpfiles.rules = lib.optional cfg.tmp.cleanOnBoot "D! /tmp 1777 root root";

    system.activationScripts.postBoot = lib.mkIf (cfg.postBootCommands != "") { text = cfg.postBootCommands; };

    # The root file system is ext4.
    boot.supportedFilesystems.ext4 = lib.mkDefault true;

    environment.systemPackages =
      let
        tools = {
          btrfs = [ pkgs.btrfs-progs ];
          xfs = [ pkgs.xfsprogs ];
          ext4 = [ pkgs.e2fsprogs ];
          vfat = [ pkgs.dosfstools ];
          ntfs = [ pkgs.ntfs3g ];
          nfs = [ pkgs.nfs-utils ];
          nfs4 = [ pkgs.nfs-utils ];
          cifs = [ pkgs.cifs-utils ];
          f2fs = [ pkgs.f2fs-tools ];
          exfat = [ pkgs.exfatprogs ];
          jfs = [ pkgs.jfsutils ];
          erofs = [ pkgs.erofs-utils ];
          squashfs = [ pkgs.squashfsTools ];
          sshfs = [ pkgs.sshfs ];
        };
        wanted = lib.attrNames (lib.filterAttrs (_: enabled: enabled) cfg.supportedFilesystems);
      in
      lib.concatMap (name: tools.${name} or [ ]) wanted;
  };
}
