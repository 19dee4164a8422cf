# `environment.systemPackages` and the packages of every system.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.environment;

  core = with pkgs; [
    acl attr bashInteractive bzip2 coreutils-full cpio curl diffutils findutils gawk getent getconf gnugrep gnupatch
    gnused gnutar gzip xz less libcap ncurses netcat mkpasswd procps su time util-linux which zstd
    iproute2 iputils kmod systemd hostname-debian shadow dbus e2fsprogs
    # Only the client: a server is for those who ask for one.
    (snowglobe.debianPackage "openssh-client")
  ];
in
{
  options = {
    environment = {
      systemPackages = mkOption {
        type = types.listOf types.package;
        default = [ ];
        example = lib.literalExpression "[ pkgs.firefox ]";
        description = "Packages that every user sees, in /run/current-system/sw.";
      };
      corePackages = mkOption {
        type = types.listOf types.package;
        default = core;
        defaultText = "the basic commands of a NixOS system";
        description = "Packages without which a system is hardly usable.";
      };
      defaultPackages = mkOption {
        type = types.listOf types.package;
        default = [ pkgs.perl pkgs.rsync pkgs.strace ];
        defaultText = lib.literalExpression "[ pkgs.perl pkgs.rsync pkgs.strace ]";
        description = "Packages that a small system can do without.";
      };
      pathsToLink = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [ "/" ];
        description = "Folders of packages that appear in /run/current-system/sw.";
      };
      extraOutputsToInstall = mkOption {
        type = types.listOf types.str;
        default = [ ];
        description = "Without effect: Debian packages have one, so that documentation comes along anyway.";
      };
      extraSetup = mkOption {
        type = types.lines;
        default = "";
        description = "Not supported: /run/current-system/sw is assembled without running a program.";
      };
    };
  };

  config = {
    snowglobe.refused = lib.optionalAttrs (cfg.extraSetup != "") {
      "environment.extraSetup" = "/run/current-system/sw is assembled without running a program";
    };

    environment.systemPackages = lib.mkMerge [
      cfg.corePackages
      cfg.defaultPackages
    ];

    environment.pathsToLink = [
      "/bin"
      "/sbin"
      "/lib"
      "/libexec"
      "/etc/xdg"
      "/etc/gtk-2.0"
      "/etc/gtk-3.0"
      "/share"
    ];

    system.path = pkgs.buildEnv {
      name = "system-path";
      paths = cfg.systemPackages;
      inherit (cfg) pathsToLink;
      ignoreCollisions = true;
    };
  };
}
