# A service that does not start: the wait for it fails at once, and the report says why the service failed.
{
  name = "unit";
  nodes.web = { pkgs, ... }: {
    systemd.services.shop = {
      description = "The shop";
      wantedBy = [ "multi-user.target" ];
      script = ''
        echo "reading /etc/shop/shop.conf"
        ${pkgs.coreutils}/bin/cat /etc/shop/shop.conf
      '';
    };
  };
  nodes.client = { };
  testScript = ''
    start_all()
    with subtest("the shop opens"):
        web.wait_for_unit("shop.service")
    client.succeed("curl http://web/")
  '';
}
