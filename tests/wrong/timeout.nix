# Waits in vain: nothing listens on that port.
{
  name = "timeout";
  nodes.web = {
    services.nginx.enable = true;
    networking.firewall.allowedTCPPorts = [ 80 ];
  };
  nodes.client = { };
  testScript = ''
    start_all()
    web.wait_for_unit("nginx.service")
    with subtest("the page is served"):
        web.wait_for_open_port(80)
    with subtest("the admin page is served"):
        web.wait_for_open_port(8080, timeout=3)
  '';
}
