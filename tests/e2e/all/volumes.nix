# Logical volumes: a thin pool that grows by itself when it gets full.
{ pkgs, ... }:
{
  name = "volumes";

  nodes.machine = {
    virtualisation.emptyDiskImages = [ 4096 ];
    services.lvm = {
      boot.thin.enable = true;
      dmeventd.enable = true;
    };
    environment.systemPackages = [ pkgs.xfsprogs ];
    environment.etc."lvm/lvm.conf".text = ''
      activation/thin_pool_autoextend_threshold = 70
      activation/thin_pool_autoextend_percent = 20
    '';
  };

  testScript = ''
    machine.succeed("vgcreate pool /dev/vdb", "lvcreate -L 256M -T pool/thin", "lvcreate -n work -V 8G --thinpool thin pool")
    before = int(machine.succeed("lvs --noheadings --units m --nosuffix -o lv_size pool/thin").strip().split(".")[0])

    with subtest("a thin volume holds a file system larger than the pool"):
        machine.succeed("mkfs.xfs /dev/pool/work", "mkdir /mnt", "mount /dev/pool/work /mnt")
        assert machine.succeed("findmnt -no SOURCE /mnt").strip() == "/dev/mapper/pool-work"

    with subtest("the pool grows when it gets full"):
        machine.succeed("dd if=/dev/zero of=/mnt/zeros bs=1M count=220 conv=fsync")
        machine.wait_until_succeeds(f"test $(lvs --noheadings --units m --nosuffix -o lv_size pool/thin | cut -d. -f1) -gt {before}")

    with subtest("volumes go and come back"):
        machine.succeed("umount /mnt", "vgchange -a n pool")
        machine.fail("test -e /dev/pool/work")
        machine.succeed("vgchange -a y pool", "mount /dev/pool/work /mnt", "test -s /mnt/zeros")
  '';
}
