# Programs that mount file systems of other machines.
{ config, lib, pkgs, ... }:
let
  types = map (fs: fs.fsType) (lib.attrValues config.fileSystems) ++ map (mount: mount.type) config.systemd.mounts;
  uses = names: lib.any (name: lib.elem name types) names;
in
{
  config.environment.systemPackages =
    lib.optional (uses [ "cifs" "smb3" ]) pkgs.cifs-utils
    ++ lib.optional (uses [ "nfs" "nfs4" ]) pkgs.nfs-utils
    ++ lib.optional (uses [ "fuse.sshfs" "sshfs" ]) pkgs.sshfs
    ++ lib.optional (uses [ "glusterfs" ]) pkgs.glusterfs;
}
