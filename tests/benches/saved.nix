# A machine that no snapshot exists of: `--argstr word SOMETHING` makes it another one.
{ word ? "none" }:
{
  name = "saved";
  nodes.machine.environment.etc.word.text = word;
  testScript = ''
    machine.wait_for_unit("multi-user.target")
    assert machine.succeed("cat /etc/word") == "${word}"
  '';
}
