# A boot that is short under emulation, where every program that runs costs a tenth of a second and
# every sandbox of a service two.
#
# * systemd's own daemons run without their sandboxes, whose filters are compiled anew at each start,
#   and without watchdogs, which would end them on a busy host. Services of the configuration keep
#   theirs.
# * Work that nothing waits for happens after the machine is up: device events, moving the journal
#   to the disk.
# * Work of one kind happens in one program.
{ config, lib, pkgs, ... }:
let
  bare = ''
    [Service]
    DeviceAllow=
    DevicePolicy=auto
    IPAddressAllow=
    IPAddressDeny=
    LockPersonality=no
    MemoryDenyWriteExecute=no
    NoNewPrivileges=no
    PrivateDevices=no
    PrivateMounts=no
    PrivateNetwork=no
    PrivateTmp=no
    ProtectClock=no
    ProtectControlGroups=no
    ProtectHome=no
    ProtectHostname=no
    ProtectKernelLogs=no
    ProtectKernelModules=no
    ProtectKernelTunables=no
    ProtectProc=default
    ProtectSystem=no
    RestrictAddressFamilies=
    RestrictNamespaces=no
    RestrictRealtime=no
    RestrictSUIDSGID=no
    SystemCallArchitectures=
    SystemCallFilter=
    WatchdogSec=0
  '';

  daemons = [ "systemd-journald" "systemd-logind" "systemd-udevd" "systemd-hostnamed" "systemd-timedated" "systemd-localed" "systemd-networkd" "systemd-resolved" ];

  # Something waits for devices that udev has seen.
  devicesFirst = config.snowglobe.devicesFirst;

  head = description: ''
    [Unit]
    Description=${description}
    DefaultDependencies=no
    Conflicts=shutdown.target
    Before=shutdown.target
  '';
in
{
  config = {
    systemd.units =
      lib.listToAttrs (map (name: lib.nameValuePair "${name}.service.d/zz-light.conf" { text = bare; }) daemons)
      // {
        # Folders, and nodes of devices, in one program.
        "systemd-tmpfiles-setup.service.d/zz-light.conf".text = ''
          [Service]
          ExecStart=
          ExecStart=systemd-tmpfiles --create --remove --boot
        '';

        # Nobody is kept from logging in while the machine boots, so that nobody has to be let in.
        "systemd-user-sessions.service.d/zz-light.conf".text = ''
          [Service]
          ExecStart=
        '';

        "systemd-journal-flush.service" = {
          replace = true;
          text = ''
            ${head "Flush Journal to Persistent Storage"}
            After=systemd-journald.service systemd-tmpfiles-setup.service basic.target
            RequiresMountsFor=/var/log/journal

            [Service]
            Type=oneshot
            RemainAfterExit=yes
            ExecStart=/usr/bin/journalctl --flush
            ExecStop=/usr/bin/journalctl --smart-relinquish-var
          '';
        };
      }
      // lib.optionalAttrs (!devicesFirst) {
        "systemd-udevd.service" = {
          replace = true;
          text = ''
            ${head "Rule-based Manager for Device Events and Files"}
            After=basic.target

            [Service]
            Type=notify-reload
            Sockets=systemd-udevd-control.socket systemd-udevd-kernel.socket
            ExecStart=/usr/lib/systemd/systemd-udevd
            Delegate=pids
            DelegateSubgroup=udev
            OOMScoreAdjust=-1000
            KillMode=mixed
            TasksMax=infinity
            Restart=always
            RestartSec=0
          '';
        };
      };

    systemd.maskedUnits = [ "systemd-tmpfiles-setup-dev.service" ];

    environment.etc = lib.genAttrs [
      # What no machine has: the files that these are about.
      "tmpfiles.d/20-systemd-ssh-generator.conf"
      "tmpfiles.d/20-systemd-shell-extra.conf"
      "tmpfiles.d/20-systemd-stub.conf"
      "tmpfiles.d/journal-nocow.conf"
      "tmpfiles.d/static-nodes-permissions.conf"
      "tmpfiles.d/systemd-nologin.conf"
      "tmpfiles.d/systemd-pstore.conf"
      "tmpfiles.d/uuidd-tmpfiles.conf"
    ] (_: { source = "/dev/null"; mode = "direct-symlink"; });
  };
}
