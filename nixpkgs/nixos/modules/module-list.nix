# The modules of every system. Kept as one list, section by section, so that two people seldom
# change the same lines.
[
  # Snowglobe's own
  ./snowglobe/plan.nix

  # config
  ./config/fonts.nix
  ./config/i18n.nix
  ./config/ldap.nix
  ./config/resolvconf.nix
  ./config/shells-environment.nix
  ./config/sysctl.nix
  ./config/system-environment.nix
  ./config/system-path.nix
  ./config/users-groups.nix

  # misc
  ./misc/assertions.nix
  ./misc/harmless.nix
  ./misc/ids.nix
  ./misc/meta.nix
  ./misc/nixpkgs.nix
  ./misc/refused.nix
  ./misc/version.nix

  # programs
  ./programs/bash.nix
  ./programs/basic.nix
  ./programs/environment.nix
  ./programs/gnupg.nix
  ./programs/shadow.nix
  ./programs/shells.nix
  ./programs/ssh.nix

  # security
  ./security/ca.nix
  ./security/doas.nix
  ./security/pam.nix
  ./security/polkit.nix
  ./security/sudo.nix
  ./security/wrappers.nix

  # services
  ./services/applications.nix
  ./services/hardware/udev.nix
  ./services/networking/dhcpcd.nix
  ./services/networking/firewall.nix
  ./services/networking/nat.nix
  ./services/networking/kea.nix
  ./services/networking/radvd.nix
  ./services/networking/ssh/sshd.nix
  ./services/networking/wireguard.nix
  ./services/system/dbus.nix
  ./services/system/periodic.nix
  ./services/system/small.nix
  ./services/ttys/getty.nix
  ./services/x11/xserver.nix

  # system
  ./system/activation/activation-script.nix
  ./system/activation/specialisation.nix
  ./system/activation/switchable-system.nix
  ./system/activation/toplevel.nix
  ./system/boot/kernel.nix
  ./system/boot/networkd.nix
  ./system/boot/resolved.nix
  ./system/boot/systemd
  ./system/etc/etc.nix

  # tasks
  ./tasks/filesystems.nix
  ./tasks/lvm.nix
  ./tasks/network-interfaces.nix

  # virtualisation
  ./virtualisation/containers.nix
]
