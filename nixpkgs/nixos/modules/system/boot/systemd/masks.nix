# Which units of the base system a test machine does without, and why. Every program that runs
# while a machine boots costs a tenth of a second under emulation.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.systemd;

  never = [
    # Done by the first process, by system calls instead of programs: loading modules, kernel file
    # systems, device nodes, the remounting of the root.
    "kmod-static-nodes.service"
    "systemd-modules-load.service"
    "systemd-remount-fs.service"
    "systemd-udev-load-credentials.service"
    "systemd-tmpfiles-setup-dev-early.service"
    "sys-kernel-debug.mount"
    "sys-kernel-tracing.mount"
    "sys-kernel-config.mount"
    "sys-fs-fuse-connections.mount"
    "dev-hugepages.mount"
    "dev-mqueue.mount"
    "run-lock.mount"
    "modprobe@configfs.service"
    "modprobe@drm.service"
    "modprobe@efi_pstore.service"
    "modprobe@fuse.service"
    "modprobe@dm_mod.service"
    "modprobe@loop.service"
    # Settled when the system layer was made.
    "ldconfig.service"
    "systemd-firstboot.service"
    "systemd-hwdb-update.service"
    "systemd-journal-catalog-update.service"
    "systemd-sysusers.service"
    "systemd-update-done.service"
    "systemd-machine-id-commit.service"
    # Machines have none of these: saved entropy that matters, TPM, hibernation, EFI variables, a
    # hardware clock that drifts, a Debian package manager that works in the background.
    "systemd-random-seed.service"
    "systemd-tpm2-setup.service"
    "systemd-tpm2-setup-early.service"
    "systemd-pcrmachine.service"
    "systemd-pcrphase.service"
    "systemd-pcrphase-sysinit.service"
    "systemd-pcrextend.socket"
    "systemd-pcrlock.socket"
    "systemd-hibernate-clear.service"
    "systemd-pstore.service"
    "systemd-bsod.service"
    "hwclock.service"
    "apt-daily.timer"
    "apt-daily-upgrade.timer"
    "dpkg-db-backup.timer"
    "fstrim.timer"
    "systemd-initctl.socket"
    "systemd-sysext.socket"
    "systemd-creds.socket"
    "getty-static.service"
    "systemd-ask-password-console.path"
    "systemd-ask-password-wall.path"
  ];
in
{
  options.systemd.maskedUnits = mkOption {
    type = types.listOf types.str;
    default = [ ];
    internal = true;
    description = "Units of the base system that this system does without.";
  };

  config.systemd = {
    maskedUnits =
      never
      ++ lib.optional (!config.boot.tmp.useTmpfs) "tmp.mount"
      # The journal is kept in /run until it is asked for.
      ++ lib.optional (config.boot.binfmtIsUnused or true) "proc-sys-fs-binfmt_misc.automount"
      ++ lib.optional (config.boot.binfmtIsUnused or true) "systemd-binfmt.service";

    # These would make units of what Debian, not the configuration, says.
    generators = lib.genAttrs [
      "systemd-getty-generator"
      "systemd-gpt-auto-generator"
      "systemd-hibernate-resume-generator"
      "systemd-rc-local-generator"
      "systemd-ssh-generator"
      "systemd-system-update-generator"
      "systemd-sysv-generator"
      "systemd-tpm2-generator"
    ] (_: lib.mkDefault "/dev/null");
  };
}
