# 10,000 subtests without a machine: 20,000 events and nothing else.
{
  name = "events";
  nodes = { };
  testScript = ''
    for number in range(10000):
        with subtest(f"number {number}"):
            pass
  '';
}
