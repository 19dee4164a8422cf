{
  name = "syntax";
  nodes.machine = { services.nginx.enable = true };
  testScript = "";
}
