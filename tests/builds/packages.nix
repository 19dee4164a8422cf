# The packages that tests of NixOS name most, built together: each evaluates, has a name and a version, and its main program is
# there to be run. `large` is gigabytes, and in no run of tests: `snowglobe build tests/builds/packages.nix -A large`.
{ pkgs ? import <nixpkgs> { } }:
let
  inherit (pkgs) lib;

  get = name: lib.getAttrFromPath (lib.splitString "." name) pkgs;

  # What nixpkgs says is the main program of each; null: none.
  main = {
    apacheHttpd = "httpd"; atop = "atop"; bash = "bash"; caddy = "caddy"; coreutils = null;
    cryptsetup = "cryptsetup"; curl = "curl"; diffutils = "diff"; docker = "docker"; dosfstools = null; e2fsprogs = null;
    file = "file"; git = "git"; gnused = "sed"; groff = "groff"; gzip = "gzip"; hello = "hello"; htop = "htop"; httpie = "http";
    iproute2 = "ip"; iptables = "iptables"; jq = "jq"; minica = "minica"; mosquitto = "mosquitto"; msmtp = "msmtp"; netcat = "nc"; nginx = "nginx";
    openssh = "ssh"; openssl = "openssl"; parted = "parted"; perl = "perl"; php = "php"; python3 = "python3"; restic = "restic";
    rrdtool = "rrdtool"; socat = "socat"; sshpass = "sshpass"; sudo = "sudo"; syncthing = "syncthing"; tcpdump = "tcpdump";
    unbound-full = "unbound"; util-linux = null; valgrind = "valgrind"; wget = "wget"; wireguard-tools = "wg"; xclip = "xclip"; xdotool = "xdotool";
    xterm = "xterm"; zsh = "zsh";
  };

  check =
    name:
    let
      package = get name;
      program = package.meta.mainProgram or null;
      named = lib.isString package.pname && package.pname != "" && lib.isString package.version && lib.match "[0-9].*" package.version != null;
    in
    assert lib.assertMsg named "pkgs.${name} has no name or version";
    assert lib.assertMsg (!(main ? ${name}) || main.${name} == program) "pkgs.${name}: the main program is ${toString program}, not ${toString main.${name}}";
    ''
      [ -n "$(ls -A ${package})" ] || { echo "pkgs.${name} is empty"; bad=1; }
    ''
    + lib.optionalString (program != null) ''
      [ -x ${lib.getExe package} ] || { echo "pkgs.${name} has no ${lib.getExe package}"; bad=1; }
    '';

  group = name: names: pkgs.runCommand "packages-${name}" { } ''
    bad=
    ${lib.concatMapStrings check names}
    [ -z "$bad" ]
    echo ${toString (lib.length names)} packages >"$out"
  '';
in
{
  tools = group "tools" [
    "python3" "coreutils" "openssl" "jq" "curl" "xdotool" "netcat" "git" "hello" "e2fsprogs" "iptables" "systemd" "openssh" "parted" "tcpdump" "bash"
    "cryptsetup" "gnutls" "util-linux" "utillinux" "xfsprogs" "wget" "diffutils" "restic" "atop" "shadow" "alsa-utils" "apparmor-bin-utils" "bind" "btrfs-progs"
    "busybox" "dig" "dnsutils" "dosfstools" "file" "gnused" "groff" "grub2" "gzip" "htop" "httpie" "inetutils" "iproute2" "iputils"
    "krb5" "libcap" "libxml2" "mesa-demos" "minica" "monitoring-plugins" "mpc_cli" "msmtp" "pass" "perl" "php" "procps" "python3Packages.pytest"
    "python3Packages.coverage" "python3Packages.secretstorage" "rrdtool" "socat" "sound-theme-freedesktop" "sshpass" "sudo" "syncthing" "valgrind"
    "wayland-utils" "wireguard-tools" "xclip" "xorg.xwininfo" "xterm" "zsh" "miniupnpc_2" "tigervnc" "OVMF"
  ];
  servers = group "servers" [
    "openldap" "mariadb" "mysql" "dovecot" "dovecot_pigeonhole" "knot-dns" "postgresql" "opensmtpd" "docker" "docker-client" "nginx" "nginxUnstable" "powerdns"
    "prometheus-pushgateway" "apacheHttpd" "caddy" "cgit" "cups" "glusterfs" "mosquitto" "unbound-full" "zookeeper"
  ];
  large = group "large" [
    "dokuwiki" "roundcube" "imagemagickBig" "mumble" "chromium" "ceph" "gnome.gnome-shell" "kdePackages.elisa" "qemu_test" "linuxPackages.kernel" "linuxPackages_latest.kernel"
  ];
}
