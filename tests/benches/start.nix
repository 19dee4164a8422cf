# Two machines, and a script whose first line brings both up.
{
  name = "start";
  nodes.client = { };
  nodes.server = { services.nginx.enable = true; };
  testScript = ''
    start_all()
  '';
}
