# A child of the script may not speak to the driver in its name.
{
  name = "child-speaks";
  nodes = { };
  testScript = ''
    pid = os.fork()
    if pid == 0:
        try:
            start_all()
        except RuntimeError:
            os._exit(7)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 7
  '';
}
