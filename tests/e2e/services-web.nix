# Servers and caches of the web, folders, calendars, torrents and measurements on one machine, asked by another.
{
  name = "services-web";

  nodes.server =
    { pkgs, ... }:
    {
      networking.firewall.allowedTCPPorts = [ 80 3128 5232 6081 8086 8118 8384 9091 ];
      networking.firewall.allowedUDPPorts = [ 123 ];

      services.lighttpd = {
        enable = true;
        document-root = pkgs.writeTextDir "page.css" "flakes";
        mod_status = true;
        enableModules = [ "mod_redirect" ];
        extraConfig = ''
          url.redirect = ( "^/gone$" => "/page.css" )
        '';
      };

      services.varnish = {
        enable = true;
        config = ''
          vcl 4.1;
          backend near { .host = "127.0.0.1"; .port = "80"; }
          sub vcl_deliver { set resp.http.X-Kept = obj.hits; }
        '';
      };

      services.squid = {
        enable = true;
        extraConfig = "acl dull dstdomain dull.test\nhttp_access deny dull";
      };

      services.privoxy = {
        enable = true;
        settings.listen-address = "0.0.0.0:8118";
        userActions = ''
          {+block{dull}}
          dull.test
        '';
      };

      services.radicale = {
        enable = true;
        settings = {
          server.hosts = [ "0.0.0.0:5232" ];
          auth = {
            type = "htpasswd";
            htpasswd_filename = toString (pkgs.writeText "users" "ada:lovelace\n");
            htpasswd_encryption = "plain";
          };
        };
      };

      services.syncthing = {
        enable = true;
        guiAddress = "0.0.0.0:8384";
        settings = {
          gui.insecureSkipHostcheck = true;
          options.urAccepted = -1;
          folders.snow = { path = "/var/lib/syncthing/snow"; label = "Snow"; };
        };
      };

      services.transmission = {
        enable = true;
        openRPCPort = true;
        settings = {
          rpc-bind-address = "0.0.0.0";
          rpc-whitelist-enabled = false;
          rpc-host-whitelist-enabled = false;
          download-dir = "/srv/torrents";
        };
      };

      services.influxdb.enable = true;

      services.chrony = {
        enable = true;
        servers = [ ];
        extraConfig = "allow all\nlocal stratum 8";
      };

      services.restic.backups.home = {
        paths = [ "/root/kept" ];
        repository = "/root/repository";
        passwordFile = "${pkgs.writeText "password" "flake"}";
        initialize = true;
        pruneOpts = [ "--keep-last 1" ];
        backupPrepareCommand = "date +%s.%N >/root/kept/when";
      };
    };

  nodes.client =
    { pkgs, ... }:
    {
      services.chrony = { enable = true; servers = [ "server" ]; };
      environment.systemPackages = [ pkgs.transmission_4 pkgs.jq ];
    };

  testScript = ''
    start_all()
    server.wait_for_unit("multi-user.target")
    client.wait_for_unit("multi-user.target")

    with subtest("lighttpd: a file with its type, a redirection, its state"):
        server.wait_for_unit("lighttpd.service")
        client.wait_until_succeeds("curl -sf http://server/page.css")
        assert client.succeed("curl -sf -o /dev/null -w '%{content_type}' http://server/page.css") == "text/css"
        assert client.succeed("curl -sfL http://server/gone") == "flakes"
        client.succeed("curl -sf http://server/server-status?auto | grep 'Total Accesses'")
        server.succeed("systemctl reload lighttpd.service")
        client.wait_until_succeeds("curl -sf http://server/page.css")

    with subtest("varnish: what was asked before is kept"):
        server.wait_for_unit("varnish.service")
        client.wait_until_succeeds("curl -sf http://server:6081/page.css")
        client.wait_until_succeeds("curl -sfi http://server:6081/page.css | grep -i '^x-kept: [1-9]'")
        assert "Child in state running" in server.succeed("varnishadm -n /var/run/varnishd status")

    with subtest("squid: others are asked for a client, but not for what is denied"):
        server.wait_for_unit("squid.service")
        server.wait_for_open_port(3128)
        assert client.succeed("curl -sf --proxy http://192.168.1.2:3128 http://192.168.1.2/page.css") == "flakes"
        client.succeed("curl -s -o /dev/null -w '%{http_code}' --proxy http://192.168.1.2:3128 http://dull.test/ | grep 403")

    with subtest("privoxy: what the user blocks is blocked"):
        server.wait_for_open_port(8118)
        assert client.succeed("curl -sf --proxy http://server:8118 http://192.168.1.2/page.css") == "flakes"
        client.succeed("curl -s -o /dev/null -w '%{http_code}' --proxy http://server:8118 http://dull.test/ | grep 403")

    with subtest("radicale: a calendar of somebody who knows the password"):
        server.wait_for_open_port(5232)
        client.fail("curl -sf -X MKCALENDAR http://ada:byron@server:5232/ada/days/")
        client.succeed("curl -sf -X MKCALENDAR http://ada:lovelace@server:5232/ada/days/")
        client.succeed("curl -sf -X PROPFIND http://ada:lovelace@server:5232/ada/days/ | grep -i calendar")
        server.succeed("test -d /var/lib/radicale/collections/collection-root/ada/days")

    with subtest("syncthing: the folder of the configuration"):
        server.wait_for_unit("syncthing-init.service")
        key = server.succeed("sed -n 's:.*<apikey>\\(.*\\)</apikey>.*:\\1:p' /var/lib/syncthing/.config/syncthing/config.xml").strip()
        folders = client.succeed(f"curl -sf -H 'X-API-Key: {key}' http://server:8384/rest/config/folders | jq -r '.[] | .id + \" \" + .label'")
        assert folders == "snow Snow\n", folders

    with subtest("transmission: what its interface says"):
        server.wait_for_unit("transmission.service")
        server.wait_for_open_port(9091)
        client.succeed("transmission-remote server:9091 -si | grep 'Download directory: /srv/torrents'")

    with subtest("influxdb: a point in time"):
        server.wait_for_unit("influxdb.service")
        client.succeed("curl -sf -X POST http://server:8086/query --data-urlencode 'q=CREATE DATABASE weather'")
        client.succeed("curl -sf 'http://server:8086/write?db=weather' --data-binary 'snow,place=alp depth=1.5 1700000000000000000'")
        assert "1.5" in client.succeed("curl -sfG 'http://server:8086/query?db=weather' --data-urlencode 'q=SELECT depth FROM snow'")

    with subtest("chrony: one clock follows the other"):
        client.wait_until_succeeds("chronyc tracking | grep 'Stratum *: 9'")

    with subtest("restic: the last of two snapshots"):
        server.succeed("mkdir /root/kept", "echo one > /root/kept/flake")
        server.succeed("systemctl start restic-backups-home.service")
        server.succeed("echo two > /root/kept/flake", "systemctl start restic-backups-home.service")
        assert server.succeed("restic-home snapshots --json | grep -o '\"time\"' | wc -l") == "1\n"
        server.succeed("restic-home restore latest --target /root/again", "grep two /root/again/root/kept/flake")
  '';
}
