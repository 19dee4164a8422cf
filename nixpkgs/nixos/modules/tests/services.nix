{ lib, pkgs, unit, etc, system, builds, has, lines, directive, folder }:
let
  sshd = extra: (system { services.openssh = { enable = true; } // extra; }).environment.etc."ssh/sshd_config".source.text;
in
{
  sshdUnit = { expr = (folder { services.openssh.enable = true; })."ssh.service"; expected = "sshd.service"; };
  sshdKeys = { expr = lib.filter (lib.hasPrefix "HostKey ") (lines (sshd { })); expected = [ "HostKey /etc/ssh/ssh_host_rsa_key" "HostKey /etc/ssh/ssh_host_ed25519_key" ]; };
  sshdLists = { expr = has "AllowUsers a b\n" (sshd { settings.AllowUsers = [ "a" "b" ]; }); expected = true; };
  sshdAlgorithms = { expr = has "Ciphers " (sshd { settings.Ciphers = null; }); expected = false; };
  sshdRecommended = { expr = has "Macs " (sshd { enableRecommendedAlgorithms = false; }); expected = false; };
  sshdListen = { expr = lib.filter (lib.hasPrefix "ListenAddress ") (lines (sshd { listenAddresses = [ { addr = "::1"; port = 22; } { addr = "[::]"; } { addr = "1.1.1.1"; } ]; })); expected = [ "ListenAddress [::1]:22" "ListenAddress [::]" "ListenAddress 1.1.1.1" ]; };
  sshdSocket = { expr = directive "ListenStream" (unit "sshd.socket" { services.openssh = { enable = true; startWhenNeeded = true; ports = [ 2222 ]; }; }); expected = [ "ListenStream=0.0.0.0:2222" "ListenStream=[::]:2222" ]; };
  sshdOld = { expr = (system { services.openssh.enable = true; services.openssh.permitRootLogin = "yes"; }).services.openssh.settings.PermitRootLogin; expected = "yes"; };
  sshdKeysOnly = { expr = (folder { services.openssh.generateHostKeys = true; }) ? "multi-user.target.wants/sshd-keygen.service"; expected = true; };
  sshdFirewall = { expr = lib.elem 22 (system { services.openssh.enable = true; }).networking.firewall.allowedTCPPorts; expected = true; };
  authorizedKeys = { expr = (system { services.openssh.enable = true; users.users.root.openssh.authorizedKeys.keys = [ "k" ]; }).environment.etc ? "ssh/authorized_keys.d/root"; expected = true; };

  autologin = { expr = has "--autologin alice" (unit "getty@.service" { services.getty.autologinUser = "alice"; }); expected = true; };
  coldplugEarly = { expr = has "--subsystem-match=block" (unit "systemd-udev-trigger.service" { fileSystems."/data" = { device = "/dev/vdb"; fsType = "ext4"; }; }); expected = true; };
  coldplugNone = { expr = (folder { })."systemd-udev-trigger.service"; expected = "/dev/null"; };

  fstab = {
    expr = lines (etc "fstab" {
      fileSystems."/data/sub" = { device = "/dev/vdc"; fsType = "ext4"; autoFormat = true; };
      fileSystems."/data" = { device = "tmpfs"; fsType = "tmpfs"; options = [ "size=1M" ]; };
      swapDevices = [ { device = "/dev/vdd"; priority = 3; } ];
    });
    expected = [
      "tmpfs /data tmpfs size=1M 0 0"
      "/dev/vdc /data/sub ext4 defaults,x-systemd.makefs 0 0"
      "/dev/vdd none swap defaults,pri=3"
    ];
  };
  fileSystemPlan = {
    expr = (system { fileSystems."/data" = { device = "/dev/vdb"; fsType = "ext4"; neededForBoot = true; }; }).snowglobe.system.fileSystems;
    expected = [ { mountPoint = "/data"; device = "/dev/vdb"; fsType = "ext4"; options = [ "defaults" ]; autoFormat = false; neededForBoot = true; } ];
  };
  noDevice = { expr = builds { fileSystems."/data".fsType = "ext4"; }; fails = true; };
  swapFile = { expr = (folder { swapDevices = [ { device = "/var/swap"; size = 10; } ]; }) ? "var-swap.swap.wants/mkswap-var-swap.service"; expected = true; };

  etcMode = {
    expr = (lib.findFirst (entry: entry.target == "a/b") null (system { environment.etc."a/b" = { text = "t"; mode = "0600"; user = "u"; gid = 5; }; }).snowglobe.system.etc).kind;
    expected = { type = "file"; mode = "0600"; user = "u"; group = "+5"; };
  };
  etcOff = { expr = lib.any (entry: entry.target == "a") (system { environment.etc.a = { text = "t"; enable = false; }; }).snowglobe.system.etc; expected = false; };
  etcConflict = { expr = (system { imports = [ { environment.etc.a.source = "/x"; } ]; environment.etc.a.source = "/y"; }).environment.etc.a.source; fails = true; };

  kernelPatches = { expr = builds { boot.kernelPatches = [ { name = "p"; patch = null; } ]; }; fails = true; };
  bootLoader = { expr = builds { boot.loader.systemd-boot.enable = true; }; fails = true; };
  initrdCommands = { expr = has "mkfs" (system { boot.initrd.postDeviceCommands = "mkfs"; }).snowglobe.system.initrdCommands; expected = true; };
  initrdMount = { expr = builds { boot.initrd.postMountCommands = "x"; }; fails = true; };
  kernelModules = { expr = lib.elem "m" (system { boot.kernelModules = [ "m" ]; }).snowglobe.system.kernel.initrdModules; expected = true; };
  supportedFilesystems = { expr = lib.elem pkgs.btrfs-progs (system { boot.supportedFilesystems = [ "btrfs" ]; }).environment.systemPackages; expected = true; };
  tmpfs = { expr = (folder { boot.tmp.useTmpfs = true; }) ? "tmp.mount.d/overrides.conf"; expected = true; };

  timeZone = { expr = (system { time.timeZone = "Europe/Berlin"; }).environment.etc.localtime.source; expected = "/usr/share/zoneinfo/Europe/Berlin"; };
  locale = { expr = lib.elem "locales-all" (system { i18n.defaultLocale = "de_DE.UTF-8"; }).snowglobe.system.debianPackages; expected = true; };
  localeDefault = { expr = lib.elem "locales-all" (system { }).snowglobe.system.debianPackages; expected = false; };
  osRelease = { expr = lib.head (lines (etc "os-release" { })); expected = "NAME=NixOS"; };

  lightdm = { expr = has "autologin-session=none+icewm" (etc "lightdm/lightdm.conf" { services.xserver = { enable = true; windowManager.icewm.enable = true; }; services.displayManager = { autoLogin.user = "a"; defaultSession = "none+icewm"; }; }); expected = true; };
  gdmOldNames = {
    expr = (system { services.xserver = { enable = true; displayManager.gdm.enable = true; desktopManager.gnome.enable = true; displayManager.autoLogin = { enable = true; user = "a"; }; }; }).environment.etc ? "gdm3/daemon.conf";
    expected = true;
  };
  graphicalTarget = { expr = (system { services.xserver.enable = true; }).systemd.defaultUnit; expected = "graphical.target"; };
  docker = { expr = (folder { virtualisation.docker.enable = true; }) ? "multi-user.target.wants/docker.service"; expected = true; };
  cron = { expr = (folder { services.cron.systemCronJobs = [ "* * * * * root true" ]; }) ? "multi-user.target.wants/cron.service"; expected = true; };
  timesyncd = { expr = (folder { services.timesyncd.enable = true; }) ? "sysinit.target.wants/systemd-timesyncd.service"; expected = true; };
  resolved = { expr = (system { services.resolved.enable = true; }).environment.etc."resolv.conf".source; expected = "/run/systemd/resolve/stub-resolv.conf"; };
  polkit = { expr = has "unix-group:wheel" (etc "polkit-1/rules.d/10-nixos.rules" { security.polkit.enable = true; }); expected = true; };
  certificates = { expr = (system { security.pki.certificates = [ "c" ]; }).snowglobe.system.activation != null; expected = true; };

  keaSettings = {
    expr = has "-c /nix/store/" (unit "kea-dhcp4-server.service" { services.kea.dhcp4 = { enable = true; settings.valid-lifetime = 1; }; });
    expected = true;
  };
  keaOwnFile = { expr = has "-c /etc/kea.json" (unit "kea-dhcp6-server.service" { services.kea.dhcp6 = { enable = true; configFile = "/etc/kea.json"; }; }); expected = true; };
  keaNeither = { expr = builds { services.kea.dhcp4.enable = true; }; fails = true; };
  keaBoth = { expr = builds { services.kea.dhcp4 = { enable = true; configFile = "/x"; settings.a = 1; }; }; fails = true; };
  ldapClients = {
    expr = lines (etc "ldap/ldap.conf" { users.ldap = { enable = true; loginPam = false; nsswitch = false; server = "ldap://h"; base = "dc=x"; }; });
    expected = [ "uri ldap://h" "base dc=x" "timelimit 0" ];
  };
  ldapLogins = { expr = builds { users.ldap = { enable = true; server = "ldap://h"; base = "dc=x"; }; }; fails = true; };
  radio = {
    expr = has "/bin/iw phy \"$phy\" interface add wap0 type managed"
      (toString (map (s: s) [ (system { networking.wlanInterfaces = { wlan0.device = "wlan0"; wap0 = { device = "wlan0"; mac = "06:00:00:00:02:00"; }; }; }).systemd.services.wlan-interfaces-wlan0.script ]));
    expected = true;
  };
  portalsAreNotStarted = { expr = (system { services.desktopManager.gnome.enable = true; }).systemd.user.services.xdg-desktop-portal.enable; expected = false; };
  portalsAreStarted = { expr = (system { services.desktopManager.gnome.enable = true; xdg.portal.enable = true; }).systemd.user.services ? xdg-desktop-portal; expected = false; };
  backupHoldsOffSleep = {
    expr = has "systemd-inhibit" (system { services.borgbackup.jobs.a = { paths = "/a"; repo = "/r"; encryption.mode = "none"; inhibitsSleep = true; }; }).systemd.services.borgbackup-job-a.script;
    expected = true;
  };
  backupMounts = { expr = directive "RequiresMountsFor" (unit "borgbackup-job-a.service" { services.borgbackup.jobs.a = { paths = "/a"; repo = "/r"; encryption.mode = "none"; }; }); expected = [ "RequiresMountsFor=/r" ]; };
  descriptionsInTheJournal = { expr = map (file: has "StatusUnitFormat=description" (etc file { })) [ "systemd/system.conf" "systemd/user.conf" ]; expected = [ true true ]; };
}
