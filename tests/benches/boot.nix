# Cold boot of the smallest machine, with its firewall.
{
  name = "bench-boot";
  nodes.m = { };
  testScript = ''
    import time
    begin = time.monotonic()
    m.start()
    m.succeed("true")
    print(f"BENCH cold boot to the first command: {time.monotonic() - begin:.1f} s")
    m.wait_for_unit("default.target")
    print(f"BENCH cold boot to default.target: {time.monotonic() - begin:.1f} s")
  '';
}
