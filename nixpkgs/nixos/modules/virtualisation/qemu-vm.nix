# `virtualisation.*`: the hardware of a machine, and what of nixpkgs' virtual machines has no
# meaning here. `snowglobe.hardware` is `plan::Hardware`.
{ config, lib, options, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.virtualisation;

  internal = type: default: description: mkOption {
    inherit type default description;
    internal = true;
  };
  option = type: default: description: mkOption { inherit type default description; };

  # -- words of a command line, as a shell would split them -------------------------------------

  splitWords = text:
    let
      step = state: c:
        if state.escaped then add (state // { escaped = false; }) c
        else if state.quote == "'" then (if c == "'" then state // { quote = null; } else add state c)
        else if c == "\\" then state // { escaped = true; started = true; }
        else if c == "$" || c == "`" then
          throw "virtualisation.qemu.options: `${text}' has shell variables or commands, which are not supported: QEMU is not started by a shell."
        else if state.quote == "\"" then (if c == "\"" then state // { quote = null; } else add state c)
        else if c == "'" || c == "\"" then state // { quote = c; started = true; }
        else if c == " " || c == "\n" || c == "\t" then
          (if state.started then { words = state.words ++ [ state.word ]; word = ""; started = false; quote = null; escaped = false; } else state)
        else add state c;
      add = state: c: state // { word = state.word + c; started = true; };
      end = lib.foldl' step { words = [ ]; word = ""; started = false; quote = null; escaped = false; }
        (lib.stringToCharacters text);
    in
    map (lib.addContextFrom text) (end.words ++ lib.optional end.started end.word);

  # -- options without meaning ------------------------------------------------------------------

  loader = "machines are started with their kernel directly, without firmware or boot loader";
  refusedOptions = [
    { path = [ "useBootLoader" ]; type = types.bool; default = false; reason = loader; }
    { path = [ "installBootLoader" ]; type = types.bool; default = false; reason = loader; }
    { path = [ "useEFIBoot" ]; type = types.bool; default = false; reason = loader; }
    { path = [ "useSecureBoot" ]; type = types.bool; default = false; reason = loader; }
    { path = [ "useBIOSBoot" ]; type = types.bool; default = false; reason = loader; }
    { path = [ "directBoot" "enable" ]; type = types.bool; default = true; reason = loader; }
    { path = [ "directBoot" "initrd" ]; type = types.nullOr types.raw; default = null; reason = "the first stage is the program's own"; }
    { path = [ "bios" ]; type = types.nullOr types.raw; default = null; reason = loader; }
    { path = [ "bootPartition" ]; type = types.nullOr types.str; default = null; reason = loader; }
    { path = [ "bootLoaderDevice" ]; type = types.str; default = "/dev/disk/by-id/virtio-root"; reason = loader; }
    { path = [ "efi" "OVMF" ]; type = types.raw; default = null; reason = loader; }
    { path = [ "efi" "firmware" ]; type = types.raw; default = null; reason = loader; }
    { path = [ "efi" "variables" ]; type = types.raw; default = null; reason = loader; }
    { path = [ "efi" "keepVariables" ]; type = types.bool; default = false; reason = loader; }
    { path = [ "tpm" "enable" ]; type = types.bool; default = false; reason = "machines have no TPM"; }
    { path = [ "tpm" "package" ]; type = types.raw; default = null; reason = "machines have no TPM"; }
    { path = [ "tpm" "deviceModel" ]; type = types.raw; default = null; reason = "machines have no TPM"; }
    { path = [ "tpm" "provisioning" ]; type = types.nullOr types.str; default = null; reason = "machines have no TPM"; }
    { path = [ "diskImage" ]; type = types.nullOr types.str; default = "./machine.qcow2"; reason = "the disk lies in the run folder"; }
    { path = [ "rootDevice" ]; type = types.nullOr types.path; default = "/dev/disk/by-label/nixos"; reason = "the root file system is layers over the machine's own disk"; }
    { path = [ "useDefaultFilesystems" ]; type = types.bool; default = true; reason = "the root file system is layers over the machine's own disk"; }
    { path = [ "useHostCerts" ]; type = types.bool; default = false; reason = "machines do not depend on the host's files"; }
    { path = [ "credentials" ]; type = types.attrsOf types.raw; default = { }; reason = "system credentials are not passed to machines yet"; }
    { path = [ "qemu" "diskInterface" ]; type = types.enum [ "virtio" "scsi" "ide" ]; default = "virtio"; reason = "disks are virtio"; }
    { path = [ "qemu" "drives" ]; type = types.listOf types.raw; default = [ ]; reason = "use `virtualisation.emptyDiskImages'"; }
    { path = [ "qemu" "networkingOptions" ]; type = types.listOf types.str; default = [ ]; reason = "the user network is the program's own; use `virtualisation.forwardPorts'"; }
  ];
  refusedName = entry: "virtualisation.${lib.concatStringsSep "." entry.path}";
  declareRefused = entry: lib.setAttrByPath entry.path (mkOption {
    inherit (entry) type default;
    description = "Not supported besides its default: ${entry.reason}.";
  });
  refused = lib.filter (entry: lib.getAttrFromPath entry.path cfg != entry.default) refusedOptions;

  # Options that may say anything, since what they choose between makes no difference here.
  harmless = {
    additionalPaths = option (types.listOf types.path) [ ] "Store paths that are in the machine, although nothing refers to them.";
    mountHostNixStore = option types.bool false "Harmless: a machine's store holds what its system needs, however it is set.";
    useNixStoreImage = option types.bool true "Harmless: a machine's store is always an image.";
    writableStore = option types.bool true "Harmless: the store is always writable, over the image.";
    writableStoreUseTmpfs = option types.bool false "Harmless: what is written to the store is on the machine's disk.";
    msize = option types.ints.positive 16384 "Harmless: a tuning of shared directories.";
    restrictNetwork = option types.bool false "Harmless: a machine reaches nothing outside of the test, however it is set.";
    host.pkgs = option types.raw pkgs "Harmless: the host's programs are the driver's own.";
  };
  harmlessQemu = {
    package = mkOption {
      type = types.raw;
      default = pkgs.qemu_test or pkgs.qemu;
      defaultText = lib.literalExpression "pkgs.qemu_test";
      description = "Harmless: machines run in the driver's own QEMU.";
    };
    consoles = option (types.listOf types.str) [ "tty0" "ttyS0,115200n8" ] "Harmless: consoles of the kernel are the serial line and the screen.";
    guestAgent.enable = option types.bool true "Harmless: QEMU's guest agent is not used.";
    virtioKeyboard = option types.bool true "Harmless: a machine with a screen has a keyboard.";
    enableSharedMemory = option types.bool false "Harmless: memory is set up as snapshots need it.";
    forceAccel = option types.bool false "Harmless in a machine: it is the test's `qemu.forceAccel` that counts.";
  };

  # -- what there is ----------------------------------------------------------------------------

  port = default: description: mkOption ({ type = types.port; inherit description; } // lib.optionalAttrs (default != null) { inherit default; });
  forward = types.submodule {
    options = {
      from = option (types.enum [ "host" "guest" ]) "host" "Which side connects.";
      proto = option (types.enum [ "tcp" "udp" ]) "tcp" "The protocol.";
      host.address = option types.str "" "The host's address.";
      host.port = port null "The host's port.";
      guest.address = option types.str "" "The machine's address.";
      guest.port = port null "The machine's port.";
    };
  };

  disk = types.coercedTo types.ints.positive (size: { inherit size; }) (types.submodule {
    options = {
      size = mkOption {
        type = types.ints.positive;
        description = "MiB.";
      };
      driveConfig = mkOption {
        default = { };
        description = "How the disk appears.";
        type = types.submodule {
          options = {
            name = option (types.nullOr types.str) null "Not supported: a name of the drive in QEMU.";
            driveExtraOpts = option (types.attrsOf types.str) { } "Not supported: options of the drive.";
            deviceExtraOpts = option (types.attrsOf types.str) { } "Options of the device; `serial` is known.";
          };
        };
      };
    };
  });
  planDisk = entry: {
    sizeMib = entry.size;
    serial = entry.driveConfig.deviceExtraOpts.serial or null;
  };
  badDisk = entry: entry.driveConfig.driveExtraOpts != { } || removeAttrs entry.driveConfig.deviceExtraOpts [ "serial" ] != { };

  desktop = config.services.desktopManager.gnome.enable or config.services.xserver.desktopManager.gnome.enable or false;
in
{
  imports = [ ./guest-networking-options.nix ];

  options = {
    virtualisation = lib.foldl' lib.recursiveUpdate
      (harmless // {
        qemu = harmlessQemu // {
          options = mkOption {
            type = types.listOf types.str;
            default = [ ];
            example = [ "-cpu max" ];
            description = "Further arguments to QEMU, in words as a shell splits them.";
          };
        };
        memorySize = mkOption {
          type = types.ints.positive;
          default = if desktop then 2048 else 1024;
          defaultText = lib.literalExpression "1024, with a desktop 2048";
          description = "MiB of memory.";
        };
        cores = mkOption {
          type = types.ints.positive;
          default = if desktop then 2 else 1;
          defaultText = lib.literalExpression "1, with a desktop 2";
          description = "Number of processors.";
        };
        diskSize = mkOption {
          type = types.either types.ints.positive (types.enum [ "auto" ]);
          default = 8192;
          apply = size: if size == "auto" then 8192 else size;
          description = "MiB of the machine's disk; only what is written takes place on the host.";
        };
        emptyDiskImages = mkOption {
          type = types.listOf disk;
          default = [ ];
          example = [ 512 ];
          description = "Blank disks, by their size in MiB: /dev/vdb, /dev/vdc, …";
        };
        graphics = option types.bool true "Whether the machine has a screen, a keyboard and a tablet.";
        resolution = mkOption {
          type = types.submodule {
            options = {
              x = option types.ints.positive 1024 "Width in pixels.";
              y = option types.ints.positive 768 "Height in pixels.";
            };
          };
          default = { };
          apply = size: { inherit (size) x y; };
          description = "Size of the screen.";
        };
        forwardPorts = mkOption {
          type = types.listOf forward;
          default = [ ];
          example = [{ from = "host"; host.port = 2222; guest.port = 22; }];
          description = "Ports of the host that lead into the machine, or the other way.";
        };
        sharedDirectories = mkOption {
          type = types.attrsOf (types.submodule {
            options = {
              source = mkOption { type = types.str; description = "Folder on the host."; };
              target = mkOption { type = types.path; description = "Where it is in the machine."; };
              securityModel = option (types.enum [ "passthrough" "mapped-xattr" "mapped-file" "none" ]) "mapped-xattr"
                "Harmless: how owners and modes are kept on the host.";
            };
          });
          default = { };
          description = "Folders of the host in the machine, by tag.";
        };
        snapshot.enable = option types.bool true "Whether the machine is booted once, saved, and restored by later runs; otherwise every run boots it.";
        fileSystems = mkOption {
          type = if options ? fileSystems then options.fileSystems.type else types.attrsOf types.raw;
          default = { };
          description = "File systems of the machine, in place of those of `fileSystems`.";
        };
      })
      (map declareRefused refusedOptions);

    snowglobe = {
      hardware = internal types.raw { } "`plan::Hardware`.";
      interfaces = internal (types.listOf types.raw) [ ] "`plan::Interface`, by name.";
      snapshot.refused = mkOption {
        type = types.nullOr types.str;
        default = null;
        internal = true;
        description = "Why the machine may not be restored from a snapshot.";
      };
    };
  };

  config = lib.mkMerge [
    {
      snowglobe.hardware = {
        memoryMib = cfg.memorySize;
        inherit (cfg) cores graphics resolution;
        diskMib = cfg.diskSize;
        emptyDisks = map planDisk cfg.emptyDiskImages;
        qemuOptions = lib.concatMap splitWords cfg.qemu.options;
        userNetwork = {
          forwards = map
            (f: {
              inherit (f) from proto;
              hostAddress = f.host.address;
              hostPort = f.host.port;
              guestAddress = f.guest.address;
              guestPort = f.guest.port;
            })
            cfg.forwardPorts;
        };
        sharedDirectories = lib.mapAttrsToList (tag: share: { inherit tag; inherit (share) source target; }) cfg.sharedDirectories;
      };

      snowglobe.refused = lib.listToAttrs
        (map (entry: lib.nameValuePair (refusedName entry) entry.reason) refused)
      // lib.optionalAttrs (lib.any badDisk cfg.emptyDiskImages) {
        "virtualisation.emptyDiskImages.*.driveConfig" = "besides `deviceExtraOpts.serial' nothing of a drive can be chosen";
      };

      assertions = [
        {
          assertion = lib.all (f: f.from == "host" || f.proto == "tcp") cfg.forwardPorts;
          message = "virtualisation.forwardPorts: from the guest only TCP can be forwarded.";
        }
        {
          assertion = lib.all (f: f.from == "host" || f.guest.address == "" || lib.hasPrefix "10.0.2." f.guest.address) cfg.forwardPorts;
          message = "virtualisation.forwardPorts: a guest address of a connection from the guest must be in 10.0.2.0/24.";
        }
      ];

      virtualisation.fileSystems = lib.mapAttrs'
        (tag: share: lib.nameValuePair share.target {
          device = tag;
          fsType = "9p";
          neededForBoot = true;
          options = [ "trans=virtio" "version=9p2000.L" "msize=${toString cfg.msize}" ];
        })
        cfg.sharedDirectories;

      snowglobe.snapshot.refused = lib.mkIf (!cfg.snapshot.enable) "virtualisation.snapshot.enable is false";

      services = lib.optionalAttrs (options.services or { } ? timesyncd) { timesyncd.enable = false; };
      swapDevices = lib.mkIf (options ? swapDevices) (lib.mkVMOverride [ ]);
    }
    (lib.optionalAttrs (options ? fileSystems) { fileSystems = lib.mkVMOverride cfg.fileSystems; })
    (lib.optionalAttrs (options.system or { } ? extraDependencies) { system.extraDependencies = cfg.additionalPaths; })
    (lib.optionalAttrs (options.networking or { } ? dhcpcd) { networking.dhcpcd.extraConfig = "noarp"; })
  ];
}
