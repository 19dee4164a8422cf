# A machine that ends in the middle of a command: its kernel panics.
{
  name = "crash";
  nodes.web = { };
  nodes.client = { };
  testScript = ''
    start_all()
    client.wait_for_unit("multi-user.target")
    with subtest("the kernel survives"):
        web.succeed("sync; echo c > /proc/sysrq-trigger; sleep 60")
    client.succeed("true")
  '';
}
