# What `virtualisation.*` says of a machine is what the machine finds.
{ lib, pkgs, ... }:
{
  name = "hardware";

  nodes.large = { config, ... }: {
    virtualisation = {
      memorySize = 700;
      cores = 2;
      diskSize = 3000;
      emptyDiskImages = [
        64
        { size = 96; driveConfig.deviceExtraOpts.serial = "extra"; }
      ];
      fileSystems."/data" = { device = "/dev/vdb"; fsType = "ext4"; autoFormat = true; };
      resolution = { x = 800; y = 600; };
      vlans = [ 2 ];
      interfaces.side = { vlan = 7; assignIP = true; };
      additionalPaths = [ (pkgs.writeText "unreferred" "still here") ];
      qemu.options = [ "-device virtio-rng-pci,id=asked-for" ];
      forwardPorts = [ { from = "host"; host.port = 0; guest.port = 8080; } ];
    };
    environment.etc."cards.json".text = builtins.toJSON (lib.mapAttrs (_: card: card.vlan) config.virtualisation.allInterfaces);
  };

  nodes.small.virtualisation = {
    memorySize = 384;
    graphics = false;
    vlans = [ ];
  };

  testScript = ''
    import json

    start_all()
    for machine in (large, small):
        machine.wait_for_unit("multi-user.target")

    with subtest("memory and processors"):
        for machine, least, most, processors in ((large, 550, 700, 2), (small, 270, 384, 1)):
            memory = int(machine.succeed("awk '/MemTotal/ {print $2}' /proc/meminfo")) // 1024
            assert least < memory <= most, memory
            assert machine.succeed("nproc") == f"{processors}\n"

    with subtest("disks"):
        assert large.succeed("blockdev --getsize64 /dev/vda") == f"{3000 << 20}\n"
        assert large.succeed("blockdev --getsize64 /dev/vdb /dev/vdc").split() == [str(64 << 20), str(96 << 20)]
        assert large.succeed("cat /sys/block/vdc/serial") == "extra"
        assert large.succeed("findmnt -no FSTYPE,SOURCE /data").split() == ["ext4", "/dev/vdb"]
        small.fail("test -e /data")

    with subtest("cards"):
        assert json.loads(large.succeed("cat /etc/cards.json")) == {"eth1": 2, "side": 7}
        large.succeed("ip -4 addr show eth1 | grep -F 192.168.2.1", "ip -4 addr show side | grep -F 192.168.7.1")
        small.fail("ip link show eth1")

    with subtest("a screen, or none"):
        large.succeed("grep -q ^0x0300 /sys/bus/pci/devices/*/class")
        small.fail("grep -q ^0x0300 /sys/bus/pci/devices/*/class")

    with subtest("what nothing refers to, and a store that can be written"):
        large.succeed("grep -q 'still here' /nix/store/*-unreferred")
        large.succeed("touch /nix/store/written")

    with subtest("arguments for QEMU"):
        assert "asked-for" in large.send_monitor_command("info qtree")
        assert "asked-for" not in small.send_monitor_command("info qtree")
  '';
}
