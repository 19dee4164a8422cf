# Fixed numbers of users and groups. They are NixOS's, so that a test that counts on one of them
# holds; except where Debian's programs were compiled for, or ship files owned by, another number:
# tty (systemd mounts /dev/pts for group 5), shadow, utmp, mail.
{ lib, config, ... }:
{
  options.ids = {
    uids = lib.mkOption {
      type = lib.types.attrsOf lib.types.int;
      internal = true;
      description = "User numbers.";
    };
    gids = lib.mkOption {
      type = lib.types.attrsOf lib.types.int;
      internal = true;
      description = "Group numbers.";
    };
  };

  config.ids = {
    uids = {
      root = 0;
      messagebus = 4;
      polkituser = 28;
      rtkit = 45;
      mpd = 50;
      bind = 53;
      wwwrun = 54;
      nginx = 60;
      chrony = 61;
      smtpd = 63;
      postgres = 71;
      mysql = 84;
      openldap = 99;
      sshd = 2;
      nscd = 13;
      ntp = 3;
      postfix = 73;
      dovecot2 = 46;
      dovenull2 = 47;
      vsftpd = 7;
      ftp = 8;
      avahi = 10;
      atd = 12;
      radvd = 139;
      memcached = 117;
      unbound = 48;
      mosquitto = 246;
      git = 41;
      rabbitmq = 80;
      cups = 36;
      gdm = 132;
      lightdm = 78;
      pulse = 22;
      nfsuser = 301;
      systemd-journal-gateway = 110;
      systemd-network = 152;
      systemd-resolve = 153;
      systemd-timesync = 154;
      systemd-coredump = 151;
      nixbld = 30000;
      nobody = 65534;
    };
    gids = {
      root = 0;
      wheel = 1;
      kmem = 2;
      messagebus = 4;
      tty = 5;
      disk = 6;
      mail = 8;
      avahi = 10;
      atd = 12;
      audio = 17;
      floppy = 18;
      uucp = 19;
      lp = 20;
      cdrom = 24;
      tape = 25;
      video = 26;
      dialout = 27;
      shadow = 42;
      utmp = 43;
      rtkit = 45;
      dovecot2 = 46;
      dovenull2 = 47;
      unbound = 48;
      mpd = 50;
      bind = 53;
      wwwrun = 54;
      adm = 55;
      networkmanager = 57;
      scanner = 59;
      nginx = 60;
      chrony = 61;
      systemd-journal = 62;
      smtpd = 63;
      postgres = 71;
      postfix = 73;
      postdrop = 74;
      lightdm = 78;
      rabbitmq = 80;
      mysql = 84;
      keys = 96;
      openldap = 99;
      users = 100;
      systemd-journal-gateway = 110;
      memcached = 117;
      docker = 131;
      gdm = 132;
      systemd-coredump = 151;
      systemd-network = 152;
      systemd-resolve = 153;
      systemd-timesync = 154;
      input = 174;
      wireshark = 177;
      mosquitto = 246;
      kvm = 302;
      render = 303;
      sgx = 304;
      clock = 305;
      podman = 306;
      nixbld = 30000;
      nogroup = 65534;
    };
  };
}
