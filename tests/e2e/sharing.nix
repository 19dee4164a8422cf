# A folder of the host in a machine, and a machine that is not saved.
{
  name = "sharing";

  nodes.machine = {
    virtualisation.sharedDirectories.tests = {
      source = toString ../wrong;
      target = "/mnt/tests";
    };
  };
  nodes.booted = {
    virtualisation.snapshot.enable = false;
  };

  testScript = ''
    machine.wait_for_unit("multi-user.target")
    assert "assertion.nix" in machine.succeed("ls /mnt/tests").split()
    assert "name = \"assertion\"" in machine.succeed("cat /mnt/tests/assertion.nix")
    booted.wait_for_unit("multi-user.target")
    try:
        checkpoint("no")
    except Exception as error:
        assert "folders of the host" in str(error), error
    else:
        raise AssertionError("a machine that sees folders of the host was saved")
    machine.succeed("true")
  '';
}
