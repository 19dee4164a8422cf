# Power: machines end and start again with their disks as they were.
{
  name = "power";

  nodes.machine = {
    virtualisation.emptyDiskImages = [ 64 ];
  };

  testScript = ''
    machine.start()
    machine.start()
    machine.wait_for_unit("default.target")
    assert machine.is_up()
    machine.succeed("echo kept > /root/file && echo too > /var/lib/file && sync")

    with subtest("an orderly end"):
        machine.shutdown()
        assert not machine.is_up()
        machine.start()
        assert machine.succeed("cat /root/file /var/lib/file") == "kept\ntoo\n"

    with subtest("a power failure"):
        machine.succeed("echo again > /root/file && sync")
        machine.crash()
        assert machine.succeed("cat /root/file") == "again\n"

    with subtest("a reboot"):
        machine.shutdown()
        machine.start(allow_reboot=True)
        machine.wait_for_unit("default.target")
        boot = machine.succeed("cat /proc/sys/kernel/random/boot_id")
        machine.reboot()
        machine.wait_for_unit("default.target")
        assert machine.succeed("cat /proc/sys/kernel/random/boot_id") != boot
        assert machine.succeed("cat /root/file") == "again\n"

    with subtest("blank disks"):
        assert machine.succeed("blockdev --getsize64 /dev/vdb").strip() == str(64 * 1024 * 1024)
        machine.succeed("mkfs.ext4 -q /dev/vdb && mkdir -p /mnt && mount /dev/vdb /mnt && touch /mnt/x && umount /mnt")

    with subtest("switched off from inside"):
        machine.execute("systemctl poweroff", check_return=False)
        machine.wait_for_shutdown()
  '';
}
