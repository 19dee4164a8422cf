# A script that closes its streams goes on, and its calls are still told.
{
  name = "closed";
  nodes = { };
  testScript = ''
    import sys
    os.close(1)
    os.close(2)
    sys.stdout = None
    with subtest("after the streams are gone"):
        start_all()
    assert False, "this is still told"
  '';
}
