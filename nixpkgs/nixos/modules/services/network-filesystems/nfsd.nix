# `services.nfs.server`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf optionalString;
  inherit (import ../short.nix { inherit lib; }) option flag maybe lines enable;
  cfg = config.services.nfs.server;
  ini = pkgs.formats.ini { };
  settings = config.services.nfs.settings;
in
{
  options.services.nfs = {
    settings = option ini.type { } "Settings of nfs.conf, by section.";
    server = {
      enable = enable "the kernel's NFS server";
      extraNfsdConfig = lines "Not supported: use services.nfs.settings.nfsd.";
      exports = lines "What is exported to whom, as in exports(5).";
      hostName = maybe types.str "Address to listen at; default: all.";
      nproc = option types.int 8 "Threads of the server.";
      createMountPoints = flag false "Whether exported directories are made.";
      mountdPort = maybe types.port "Port of rpc.mountd.";
      lockdPort = maybe types.port "Port of the lock manager.";
      statdPort = maybe types.port "Port of rpc.statd.";
    };
  };

  config = mkIf cfg.enable {
    assertions = [
      {
        assertion = cfg.extraNfsdConfig == "";
        message = "services.nfs.server.extraNfsdConfig is not supported: use services.nfs.settings.nfsd";
      }
    ];
    services.nfs.settings = {
      # Where Debian's units look for it; without it, there is no nfsdcld, and clients wait 90 seconds after each start.
      general.pipefs-directory = lib.mkDefault "/run/rpc_pipefs";
      nfsd = { threads = cfg.nproc; } // lib.optionalAttrs (cfg.hostName != null) { host = cfg.hostName; };
      mountd = lib.optionalAttrs (cfg.mountdPort != null) { port = cfg.mountdPort; };
      statd = lib.optionalAttrs (cfg.statdPort != null) { port = cfg.statdPort; };
      lockd = lib.optionalAttrs (cfg.lockdPort != null) { port = cfg.lockdPort; udp-port = cfg.lockdPort; };
    };

    boot.kernelModules = [ "nfsd" ];
    # The root is an overlay, which cannot be exported unless it is mounted for that.
    boot.kernelParams = [ "snowglobe.exportable" ];
    environment.systemPackages = [ pkgs.nfs-utils ];
    environment.etc.exports.source = pkgs.writeText "exports" cfg.exports;
    environment.etc."nfs.conf".source = ini.generate "nfs.conf" (lib.filterAttrs (_: section: section != { }) settings);

    systemd.tmpfiles.rules = [
      "d /var/lib/nfs 0755 root root -"
      "d /var/lib/nfs/rpc_pipefs 0755 root root -"
      "d /var/lib/nfs/sm 0700 statd root -"
      "d /var/lib/nfs/sm.bak 0700 statd root -"
      "d /var/lib/nfs/nfsdcld 0700 root root -"
      "d /var/lib/nfs/v4recovery 0755 root root -"
      "f /var/lib/nfs/etab 0644 root root -"
      "f /var/lib/nfs/rmtab 0644 root root -"
    ];

    # Debian's own units of the server and what it needs.
    systemd.packages = [ pkgs.nfs-utils pkgs.rpcbind ];
    systemd.sockets.rpcbind.wantedBy = [ "sockets.target" ];
    systemd.services.nfs-server = {
      enable = true;
      wantedBy = [ "multi-user.target" ];
      restartTriggers = [ config.environment.etc.exports.source config.environment.etc."nfs.conf".source ];
      preStart = optionalString cfg.createMountPoints ''
        sed -e 's/#.*//' -e '/^[[:space:]]*$/d' /etc/exports | awk '{ print $1 }' | xargs -r -d '\n' mkdir -p
      '';
      path = mkIf cfg.createMountPoints [ pkgs.gawk ];
    };
  };
}
