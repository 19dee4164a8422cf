# Programs that mount file systems of other machines.
{ config, lib, pkgs, ... }:
let
  types = map (fs: fs.fsType) (lib.attrValues config.fileSystems) ++ map (mount: mount.type) config.systemd.mounts;
  uses = names: lib.any (name: lib.elem name types) names;
in
{
  # rpcbind and rpc.statd, for locks of NFS before version 4.
  config.users.users = lib.mkIf (uses [ "nfs" "nfs4" ] || config.services.nfs.server.enable) {
    statd = { isSystemUser = true; group = "nogroup"; home = "/var/lib/nfs"; };
    _rpc = { isSystemUser = true; group = "nogroup"; home = "/run/rpcbind"; };
  };
  config.systemd.tmpfiles.rules = lib.mkIf (uses [ "nfs" "nfs4" ]) [
    "d /var/lib/nfs 0755 root root -"
    "d /var/lib/nfs/sm 0700 statd root -"
    "d /var/lib/nfs/sm.bak 0700 statd root -"
  ];
  config.environment.systemPackages =
    lib.optional (uses [ "cifs" "smb3" ]) pkgs.cifs-utils
    ++ lib.optional (uses [ "nfs" "nfs4" ]) pkgs.nfs-utils
    ++ lib.optional (uses [ "fuse.sshfs" "sshfs" ]) pkgs.sshfs
    ++ lib.optional (uses [ "glusterfs" ]) pkgs.glusterfs;
}
